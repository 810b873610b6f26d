"""What a merge left, and what Markdown understood otherwise, is found in the lines of the file."""

import pytest

CONFLICT = "<<<<<<< HEAD\nLine A\n{}=======\nLine B\n>>>>>>> branch"


def found(findings, text: str) -> list[tuple[str, int, int]]:
    return [(one.rule, one.line, one.column) for one in findings(text)]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (CONFLICT.format(""), [9, 13]),
        (CONFLICT.format("||||||| merged\nOld\n"), [9, 11, 15]),
        (CONFLICT.format("").replace("\n", "\n\n"), [9, 17]),
        ("- one\n" + CONFLICT.format(""), [10, 14]),
        # One of its lines is left, and code begins on one side only.
        ("Words\n>>>>>>> 0f3a91c", [10]),
        ("```\n" + CONFLICT.format("```\n") + "\n```", [10, 15]),
    ],
)
def test_a_merge_that_is_not_finished_blocks_a_send(findings, text, lines):
    told = [one for one in findings(text) if one.message.startswith("a merge in Git left")]

    assert [(one.rule, one.severity, one.line) for one in told] == [("markup-left", "error", line) for line in lines]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Watch\n@[vimeo](3344)", "markup-left"),
        ("And\n@[codepen](ada/pen)", "markup-left"),
        ("图：\n！[窑](images/kiln.png)", "markup-left"),
        ("图：\n窑\u3000！[窑](images/kiln.png)", "markup-left"),
        ("Read\n[words](https://a.example/\u200bx)", "markup-maybe"),
        ("And so\nhttps://a.example/x\u200e", "markup-maybe"),
    ],
)
def test_what_markdown_takes_for_a_link_is_found(findings, text, rule):
    told = [one for one in findings(text) if one.rule.startswith("markup-")]
    assert [(one.rule, one.line) for one in told] == [(rule, 10)]


@pytest.mark.parametrize(
    "text",
    [
        "Write `@[vimeo](3344)`, ！[not an image](https://a.example/), mail@[here](https://a.example/).",
        "太好看了！[点这里看大图](https://a.example/kiln.jpg)",
        "Thanks to @[ada](https://social.example/ada), @[brian](/brian) and @[cleo](#cleo).",
        "<!-- later: @[youtube](abc) and ！[窑](kiln.png), https://a.example/x\u200ey, \\(x^2\\) -->",
        "A soft\u00adhyphen, می\u200cخواهم and [one](https://a.example/می\u200cخواهم).",
    ],
)
def test_other_links_and_invisible_characters_are_meant(rules, text):
    assert not [rule for rule in rules(text) if rule.startswith("markup-")]


@pytest.mark.parametrize(
    "text",
    [
        f"```\n{CONFLICT.format('')}\n```",
        f"<pre>\n{CONFLICT.format('')}\n</pre>",
        "Git writes `<<<<<<< HEAD` there.",
        "Title\n=======\n\nWords.",
        "> > > > > > > Seven deep.",
    ],
)
def test_a_text_about_merges_is_meant(rules, text):
    assert "markup-left" not in rules(text)


def test_a_formula_whose_backslashes_markdown_takes_is_found(findings):
    told = findings("Let \\(x^2\\) and\n\\[E = mc^2\\] be.")

    assert [(one.rule, one.line, one.column) for one in told] == [("markup-maybe", 9, 5), ("markup-maybe", 10, 1)]
    assert 'the formula "\\(x^2\\)" as "(x^2)"' in told[0].message


@pytest.mark.parametrize(
    "text", ["\\(see there\\) and \\[sqlx::test\\]", "`\\(x^2\\)`", "\\[[a](https://a.example/b)\\]"]
)
def test_brackets_with_backslashes_are_brackets(rules, text):
    assert rules(text) == []
