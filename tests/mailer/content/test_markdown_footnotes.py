"""A footnote may stand in the words of a link, and its text stands above the colophon."""

import re

import pytest

from mailer.content.markdown import Numbers, parse, split, to_html, to_text

NOTES = "\n\n[^1]: The note.\n[^b]: Another.\n"
REF = '<sup><a href="#note-1">1</a></sup>'


def first(text: str) -> str:
    html = to_html(parse(text + NOTES).tokens)
    return re.search(r"<(p|h3)>\n?(.*?)</\1>", html, re.DOTALL)[2].strip()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[a board[^1] here](https://a.example/)!", f'<a href="https://a.example/">a board here</a>{REF}!'),
        ("[`code`[^1]](https://a.example/)", f'<a href="https://a.example/"><code>code</code></a>{REF}'),
        ("*[a [b] c[^1]](https://a.example/)*", f'<em><a href="https://a.example/">a [b] c</a>{REF}</em>'),
        ("[a **b[^1]** c](https://a.example/)", f'<a href="https://a.example/">a <strong>b</strong> c</a>{REF}'),
        ("[a[^1]][ref]\n\n[ref]: https://a.example/", f'<a href="https://a.example/">a</a>{REF}'),
        ('<a href="https://a.example/">a[^1] b</a>', f'<a href="https://a.example/">a b</a>{REF}'),
        ("## [a[^1]](https://a.example/)", f'<a href="https://a.example/">a</a>{REF}'),
        ("[a[^nothing] b](https://a.example/)", '<a href="https://a.example/">a[^nothing] b</a>'),
        ("a[^1] [b](https://a.example/)", f'a{REF} <a href="https://a.example/">b</a>'),
    ],
)
def test_a_note_in_a_links_words_follows_the_link(text, shown):
    assert first(text) == shown


def test_two_notes_keep_their_order():
    assert re.findall("#note-([12])", first("[a[^1] and b[^b]](https://a.example/)")) == ["1", "2"]


def test_a_note_written_in_the_words_does_too():
    assert first("[a^[Of its own.] b](https://a.example/)").startswith('<a href="https://a.example/">a b</a><sup>')


def test_a_link_in_a_link_stays_text_as_before():
    assert first("[a [b](https://b.example/)](https://a.example/)").startswith(
        '[a <a href="https://b.example/">b</a>]('
    )


def test_the_text_part_names_the_address_first():
    text = to_text(parse("[a[^1] b](https://a.example/)." + NOTES).tokens, Numbers())
    assert text.startswith("a b [1] (1).")


@pytest.mark.parametrize("rule", ["", "\n\n----\n\nThe licence."])
def test_footnotes_stand_above_what_closes_every_issue(rule):
    sections = split(parse(f"Intro.\n\n## News\n\nText[^1].{rule}{NOTES}").tokens, "Title")
    shown = [to_text(section.tokens, Numbers()) for section in sections]
    assert shown == ["Intro.", "Text (1).", "(1) The note.", *(["The licence."] if rule else [])]


def test_a_part_with_marks_of_notes_is_no_colophon():
    sections = split(parse(f"## News\n\nText[^1].\n\n* * *\n\nIt goes on[^b].{NOTES}").tokens, "Title")
    shown = [to_text(section.tokens, Numbers()) for section in sections]
    assert shown == ["Text (1).", "It goes on (2).", "(1) The note.\n\n(2) Another."]
