"""Links inside an issue find headings as sites name them, and the places that the editor named."""

import pytest

from mailer.content.markdown import parse, to_html

HEADINGS = """\
## Über uns

## 新闻

## Notes

## Notes

## C & D

## 1. First

<h3 id="boards">Boards</h3>

Text <a name="place"></a> and <b id="bold">bold</b>.

<section id="part">

More[^1].

</section>

[^1]: Note.
"""


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("#über-uns", "über-uns"),
        ("#%C3%BCber-uns", "über-uns"),
        ("#u\u0308ber-uns", "über-uns"),
        ("#Über-uns", "über-uns"),
        ("#新闻", "新闻"),
        ("#notes", "notes"),
        ("#notes-1", "notes-1"),
        ("#c--d", "c--d"),
        ("#c-d", "c-d"),
        ("#1-first", "1-first"),
        ("#first", "first"),
        ("#boards", "boards"),
        ("#place", "place"),
        ("#bold", "bold"),
        ("#part", "part"),
        ("#note-1", "note-1"),
    ],
)
def test_a_link_finds_the_place_that_its_anchor_names(target, place):
    document = parse(HEADINGS)

    assert document.anchors().find(target) == place
    assert to_html(document.tokens).count(f'id="{place}"') == 1


def test_two_spellings_of_one_anchor_lead_to_the_same_place():
    anchors = parse("## C & D\n").anchors()

    assert anchors.find("#c-d") == anchors.find("#c--d") == "c-d"


@pytest.mark.parametrize("target", ["#wrench-tools", "#-tools", "#tools"])
def test_an_emoji_code_is_in_the_anchor_or_not_as_sites_differ(target):
    assert parse("## :wrench: Tools\n\nWords.").anchors().find(target)


@pytest.mark.parametrize(
    ("heading", "target"),
    [
        ("Tools 🛠️", "#tools-️"),
        ("⚙️ Tools", "#️-tools"),
        ("⚙️ Tools", "#-tools"),
        ("हिन्दी समाचार", "#हिन्दी-समाचार"),
        ("ข่าวที่นี่", "#ข่าวที่นี่"),
    ],
)
def test_an_anchor_has_the_marks_that_sites_leave_in_it(heading, target):
    assert parse(f"## {heading}\n\nWords.").anchors().find(target)


def test_an_anchor_that_nothing_has_is_not_found():
    assert parse(HEADINGS).anchors().find("#notes-2") is None
