"""A text is shown in its own direction, wherever it stands."""

from types import SimpleNamespace

import pytest

from mailer.content.filters import isolated, reads, side, turned


@pytest.mark.parametrize(
    ("title", "language", "way"),
    [
        ("Rust 2.0: مقدمة قصيرة", "ar", "rtl"),
        ("GitHub!", "ar", "ltr"),
        ("A title", "en", "ltr"),
        ("שלום means peace", "en", "ltr"),
        ("标题", "zh-Hans", "ltr"),
        ("مقدمة", "", "auto"),
    ],
)
def test_a_title_reads_in_the_direction_of_its_language_unless_it_has_no_letter_of_it(title, language, way):
    assert reads(title, language) == way


def test_a_title_in_pieces_reads_as_a_whole():
    pieces = [SimpleNamespace(text="Rust"), SimpleNamespace(text=" 2.0: مقدمة")]
    assert reads(pieces, "ar") == "rtl"


def test_only_a_title_that_reads_otherwise_than_its_language_says_so():
    assert turned("Rust 2.0: مقدمة قصيرة", "ar") == turned("A title", "en") == turned("标题", "") == ""
    assert turned("GitHub!", "ar") == ' dir="ltr"'


@pytest.mark.parametrize(("language", "way"), [("ar", "rtl"), ("de", "ltr"), ("", "auto")])
def test_what_holds_texts_has_the_side_of_their_language(language, way):
    assert side(language) == way


@pytest.mark.parametrize(
    ("text", "around", "html"),
    [
        ("A & B", "ltr", "A &amp; B"),
        ("سؤال؟ <b>", "ltr", '<span dir="rtl">سؤال؟ &lt;b&gt;</span>'),
        ("Python: ما الجديد؟", "rtl", '<span dir="rtl">Python: ما الجديد؟</span>'),
        ("GitHub", "rtl", '<span dir="ltr">GitHub</span>'),
    ],
)
def test_a_title_in_a_line_from_right_to_left_is_kept_together(text, around, html):
    assert isolated(text, around) == html
