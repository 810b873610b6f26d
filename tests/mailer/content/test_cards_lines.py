"""How a title is broken into lines: here each character is one em wide."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.content.cards.lines import MOST_LINES, Box, fitted, pieces_of, wrapped

SIZES = (40, 20, 10)


def lines(text: str, width: int) -> list[str]:
    return wrapped(pieces_of(text), width, len)


def test_words_stay_whole():
    assert lines("What happens after quantization", 14) == ["What happens", "after", "quantization"]


def test_chinese_breaks_between_characters_but_no_line_begins_or_ends_with_the_wrong_sign():
    assert lines("模型压缩，知识蒸馏", 4) == ["模型压", "缩，知识", "蒸馏"]
    assert lines("关于“端侧”的", 3) == ["关于", "“端", "侧”的"]
    assert lines("ビットーシフト", 3) == ["ビッ", "トーシ", "フト"], "no line begins with the sign of a long vowel"
    assert lines("用GPT-4压缩", 6) == ["用GPT-4", "压缩"]


def test_korean_breaks_between_words():
    assert lines("모델 압축 기법", 5) == ["모델 압축", "기법"]


def test_a_line_may_end_after_a_hyphen_within_a_word_but_not_in_a_number():
    assert lines("Hoch-Leistung", 8) == ["Hoch-", "Leistung"]
    assert lines("on 2019-06-29", 8) == ["on", "2019-06-29"]


def test_a_space_that_must_not_break_does_not():
    assert lines("Nr.\u00a012 ist da", 7) == ["Nr.\u00a012", "ist da"]


def test_marks_stay_with_their_letter():
    assert lines("模\u0301型", 1) == ["模\u0301", "型"]


def test_a_title_is_as_large_as_it_fits():
    box = Box(400, 200)
    assert fitted("Hello", len, box, SIZES).size == 40
    assert fitted("Hello world, how are you", len, box, SIZES).size == 40
    assert fitted("A " * 30, len, box, SIZES).size == 20


def test_a_long_word_makes_the_title_smaller_before_it_is_broken():
    assert fitted("Geschwindigkeiten", len, Box(400, 200), SIZES).lines == ("Geschwindigkeiten",)
    broken = fitted("x" * 50, len, Box(400, 200), SIZES)
    assert broken.lines == ("x" * 39 + "-", "x" * 11)
    assert fitted("ก" * 50, len, Box(400, 200), SIZES).lines == ("ก" * 40, "ก" * 10), "without hyphens in Thai"


def test_lines_are_about_equally_long():
    assert fitted("one two three four", len, Box(160, 400), (10,)).lines == ("one two", "three four")


def test_what_does_not_fit_ends_in_an_ellipsis():
    cut = fitted("word, " * 60, len, Box(100, 60), SIZES)
    assert cut.size == 10
    assert len(cut.lines) == 4
    assert cut.lines[-1] == "word…", "without the comma before it"


def test_no_title_is_no_line():
    assert fitted("", len, Box(100, 60), SIZES).lines == ()


@given(st.text(max_size=80), st.integers(1, 40))
def test_nothing_is_lost_or_added_between_lines(text, width):
    assert "".join(pieces_of(text)) == text
    said = "".join("".join(lines(text, width)).split())
    assert said == "".join(text.split())


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Mn", "Me", "Mc"]), max_size=300))
def test_no_line_is_wider_than_the_box_and_there_are_not_too_many(text):
    layout = fitted(text, len, Box(200, 130), SIZES)
    assert len(layout.lines) <= MOST_LINES
    assert all(len(line) * layout.size <= 200 for line in layout.lines)


@pytest.mark.parametrize("height", [1, 12, 13])
def test_there_is_room_for_one_line_at_least(height):
    assert len(fitted("a b c d e f", len, Box(20, height), (10,)).lines) == 1
