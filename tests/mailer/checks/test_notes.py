"""No private note is mailed because only another program would have hidden it."""

from collections.abc import Sequence

import pytest

from mailer.content.findings import Finding


def notes(told: Sequence[Finding]) -> list[tuple[int, int]]:
    return [(one.line, one.column) for one in told if one.rule == "private-note"]


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("{::comment}\nDo not tell Ada\n{:/comment}", 1),
        ("Words {::comment}do not tell{:/} words.", 7),
        ("{::comment}\n\nDo not tell Ada", 1),
        ("<p hidden>Do not tell Ada</p>", 1),
        ('Words <span class="a" style="color: red; display:none">do not tell</span>.', 7),
        ('<div style="display: none">\n\nDo not tell Ada\n\n</div>', 1),
        ('<div style="visibility:hidden">Do not tell Ada</div>', 1),
        ('<p style="font-size: 0">Do not tell Ada</p>', 1),
        ('<p class="hidden">Do not tell Ada</p>', 1),
    ],
)
def test_what_only_other_programs_hide_blocks_a_send(findings, text, column):
    assert notes(findings(f"{text}\n\nWords.")) == [(9, column)]


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("Words <!– do not tell –>.", 7),
        ("<！-- 先别说 --＞", 1),
        ("＜!-- 先别说 --＞", 1),
        ("Words < !-- do not tell -->", 7),
        ("Words <! -- do not tell -->", 7),
        ("Words <!- do not tell ->", 7),
        ("Words<!--> do not tell -->", 6),
    ],
)
def test_a_comment_that_is_none_blocks_a_send(findings, text, column):
    assert notes(findings(f"{text}\n\nWords.")) == [(9, column)]


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("Words {>>do not\n\ntell<<} words.", 7),
        ("<private>\n\nDo not tell\n\n</private>", 1),
        ("> <private>\n>\n> Do not tell\n>\n> </private>", 3),
        ("Words %% do not tell\n\nAda\n\nthat %% we know.", 7),
    ],
)
def test_a_note_that_goes_on_in_further_paragraphs_blocks_a_send(findings, text, column):
    assert notes(findings(f"{text}\n\nWords.")) == [(9, column)]


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("<private>**Ada** may be fired</private>", 1),
        ("Words **{/* do not tell */}**", 1),
        ("%%`ada` is fired%% and `%%x%%`", 1),
        ('![A kiln](https://a.example/a.png "Ours %%do not show this%%")', 41),
        ('[A kiln](https://a.example/a "Ours %%do not show this%%")', 36),
    ],
)
def test_markdown_in_a_note_or_a_title_around_it_hides_nothing(findings, text, column):
    assert notes(findings(text)) == [(9, column)]


@pytest.mark.parametrize("key", ["title", "preheader"])
@pytest.mark.parametrize("note", ["<!– do not tell –>", "{::comment}do not tell{:/}", "<i hidden>do not tell</i>"])
def test_a_note_in_the_front_matter_blocks_a_send(findings, key, note):
    front = {"title": "Boards", "preheader": "Small ones.", key: f"Boards {note}"}
    lines = "\n".join(f"{name}: '{value}'" for name, value in front.items())
    assert [line for line, _ in notes(findings(f"---\n{lines}\n---\n\nWords.\n"))] == [2]


@pytest.mark.parametrize("comment", ["<!-- do not tell -->", "[//]: # (do not tell)"])
@pytest.mark.parametrize("before", ["    ", "\t", "- Words\n\n      "])
def test_a_comment_that_is_code_because_it_is_indented_blocks_a_send(findings, before, comment):
    assert notes(findings(f"Words.\n\n{before}{comment}")) == [(11 + before.count("\n"), 1)]


@pytest.mark.parametrize(
    "text",
    [
        "Write `{::comment}` for a note, and `<p hidden>x</p>`.",
        "<!-- <p hidden>Do not tell</p> {::comment}x{:/} -->\n\nWords.",
        "<!-- <!– x –> -->Words.",
        '<img src="https://a.example/a.png" alt="A board" width="9" style="display:none">',
        '<p title="the hidden thing">Words.</p>',
        '<p class="hidden md:block">Words.</p>',
        '<p style="opacity:0.5; font-size:0.9em">Words.</p>',
        "```html\n<p hidden>Words</p>\n```",
        "Write &lt;!-- x --&gt; or \\<!-- x --&gt;.",
        "An arrow <-- to the left, --> to the right, <3 and a <! b.",
        "    <p>\n    <!-- a part of the code -->\n    </p>",
        "x %% y, and a %% b.\n\nThen x %% y, and 50%% of 10 %% here.\n\n20%% more.",
        "A <note> here.\n\nAnother <note> there.",
    ],
)
def test_what_is_not_seen_or_meant_is_no_note(rules, text):
    assert "private-note" not in rules(text)


@pytest.mark.parametrize("text", ["<secret>abc123</secret>", "<note>…</note>", "<note>text</note>"])
def test_a_tag_around_one_word_may_be_one_of_xml(findings, text):
    (told,) = findings(f"Write {text} into it.")
    assert (told.rule, text in told.message) == ("markup-maybe", True)


def test_a_note_over_two_paragraphs_is_told_and_two_of_one_are_not_joined(findings):
    assert notes(findings("Real {>> a note\n\nin two <<} end.")) == [(9, 6)]
    assert notes(findings("<note>a</note>\n\nWords.\n\n<note>b\n\nc</note>")) == [(13, 1)]
