import pytest

from mailer.checks import check


def test_a_skipped_level_is_told_where_it_is(findings):
    (skipped,) = findings("## News\n\nText.\n\n#### Small print\n\nText.")
    assert (skipped.rule, skipped.line, skipped.fix) == ("heading-skipped", 13, "write it with ###")


def test_the_title_is_level_one_so_sections_begin_at_two(rules):
    assert rules("## News\n\nText.\n\n### More\n\nText.\n\n## Past\n\nText.") == []
    assert rules("### News\n\nText.") == ["heading-skipped"]


def test_several_titles_are_told_once(rules):
    assert rules("Text.\n\n# Two\n\nText.\n\n# Three\n\nText.\n\n# Four\n\nText.") == ["heading-h1s"]


def test_the_fix_is_offered_where_it_does_something(findings):
    told = findings("---\ntitle: Boards\n---\n# Two\n\nText.\n\n# Three\n\nText.")[-1]
    assert (told.rule, told.fix) == ("heading-h1s", "write sections with ##, or let `mailer check --fix` do it")

    told = findings("---\ntitle: Boards\n---\n# Two\n\nText.\n\nThree\n===\n\nText.")[-1]
    assert (told.rule, told.fix) == ("heading-h1s", "write sections with ##")


def test_a_section_without_text_is_told(rules):
    assert rules("## News\n\nText.\n\n## Past\n\n## More\n\nText.") == ["section-empty"]


def test_what_the_title_cannot_hold_is_named(findings):
    (told,) = (
        one
        for one in findings(
            "# [Issue 12](https://a.example/12) ![logo](https://a.example/l.png)[^1]\n\nText.\n\n[^1]: x"
        )
        if one.rule == "title-link"
    )

    assert told.line == 1
    assert '"https://a.example/12" and "https://a.example/l.png" and "1"' in told.message


def test_struck_words_in_the_title_are_told(findings):
    (told,) = (one for one in findings("# Meeting on ~~Monday~~ Tuesday\n\nText.") if one.rule == "title-link")

    assert "the line through words in it would be lost" in told.message


def test_a_heading_that_is_not_the_title_may_hold_links(rules):
    assert "title-link" not in rules("## [News](https://a.example)\n\nText.")


@pytest.mark.parametrize(
    "text",
    [
        "*One step a day*\n\n# Algorithm\n\nText.\n\n# Review\n\nText.\n\n# Tips\n\nText.",
        "# 1 Algorithm\n\nText.\n\n# 2 Review\n\nText.\n\n# 3 Tips\n\nText.",
        "# 一、算法\n\n文字。\n\n# 二、阅读\n\n文字。\n\n# 三、技巧\n\n文字。",
    ],
)
def test_a_section_that_became_the_subject_is_told(proof, text):
    (told,) = (one for one in check(proof(text)) if one.rule == "title-section")

    assert "the first of 3 headings with one #" in told.message
    assert [one for one in check(proof(f"---\ntitle: Boards\n---\n{text}")) if one.rule == "title-section"] == []


@pytest.mark.parametrize(
    "text",
    [
        "# Boards\n\nText.\n\n# News\n\nText.\n\n# Tips\n\nText.",
        "Text.\n\n# Boards\n\nText.\n\n# News\n\nText.",
        '<p align="center">Boards</p>\n\n# Boards\n\nText.\n\n# News\n\nText.\n\n# Tips\n\nText.',
        "# 1 board\n\nText.\n\n# News\n\nText.\n\n# 2 cups\n\nText.",
    ],
)
def test_a_title_above_sections_with_one_mark_is_the_title(proof, text):
    assert "title-section" not in {one.rule for one in check(proof(text))}
