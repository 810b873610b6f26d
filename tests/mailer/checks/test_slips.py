"""Markdown that its writer meant otherwise is found, and what reads the same otherwise is not."""

import pytest

LONG = "We had a great week, and I met many people."


def found(findings, text: str) -> list[tuple[str, int]]:
    return [(one.rule, one.line) for one in findings(text) if one.rule != "section-empty"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("1.第一项\n2.第二项", 9),
        ("1)first\n2)second", 9),
        ("-第一项\n-第二项", 9),
        ("*第一项\n*第二项 **很好**", 9),
        ("Text:\n+one\n+two", 10),
        ("> -[ ] one\n> -[x] two", 9),
        ("- one\n-two\n- three", 10),
        ("3. one\n4.two", 10),
        ("＊ 项目\n－ 项目", 9),
        ("-\u00a0one\n-\u00a0two", 9),
    ],
)
def test_a_list_without_spaces_is_found(findings, text, line):
    assert found(findings, text) == [("markup-maybe", line)]


@pytest.mark.parametrize(
    "text",
    [
        "-5 degrees\n-3 degrees",
        "-v is long,\n-q is short",
        "1.5 km\n2.5 km",
        "1.x is old\n2.x is new",
        "We meet on\n10.May and on\n11.May too",
        "*Ada* says\n*Ben* says",
        "Boards are well-known\n-and loved.",
        "```\n-one\n-two\n```",
        "--one\n--two",
    ],
)
def test_lines_that_begin_with_such_a_mark_are_not_all_lists(rules, text):
    assert rules(text) == []


@pytest.mark.parametrize(
    "text",
    [
        f"{LONG}\n---\nNow the links.",
        f"{LONG} It was fun!\n---\nNow the links.",
        "我们度过了很棒的一周，认识了很多人。很开心\n---\n下面是链接。",
        "Best wishes,\n--\nAda",
        "A long paragraph that goes\nover two lines\n---\nMore.",
        f"{LONG}\n=======\nMore.",
    ],
)
def test_text_with_a_line_right_below_is_found(findings, text):
    assert found(findings, text) == [("markup-maybe", 9)]


def test_the_only_heading_with_a_line_below_may_be_a_mistake(findings):
    text = "Thank you for reading all of it\n---\n\nWords."
    assert found(findings, f"## News\n\nText.\n\n{text}") == [("markup-maybe", 13)]
    assert found(findings, f"One section of this issue\n---\n\nText.\n\n{text}") == []
    assert found(findings, f"## News\n\nText.\n\n{text.replace('---', '-' * 20)}") == []


@pytest.mark.parametrize(
    "text",
    [
        "The river froze,\nthe geese have gone,\nand we\nstay.",
        "The Old Mill\n3 Water Street\nLeek ST13 7AA",
        "Ada Lovelace\n12 Leek Road\nStoke ST1 2AB",
        "> The river froze,\n> the geese have gone,\n> and we\n> stay.",
        "- make build\n  make test\n  make install it",
    ],
)
def test_verses_and_addresses_are_lines(findings, text):
    assert found(findings, text) == [("markup-maybe", 9)]


@pytest.mark.parametrize(
    "text",
    [
        "The river froze,\\\nthe geese have gone,\\\nand we\\\nstay.",
        "A text that was wrapped by a\nprogram in a narrow window has\nlines that are all as long as\nthey can be.",
        "The river froze in the night, and everybody came to look\nat it.\nThen we went home.",
        "第一行\n第二行很长很长\n第三行",
        "The river froze,\nand we stay.",
        "One\n| two\nthree of them",
    ],
)
def test_other_lines_may_run_together(rules, text):
    assert rules(text) == []


def test_lines_of_a_list_are_not_said_to_be_verses_too(findings):
    (told,) = findings("1.Buy clay\n2.Go\n3.Fire the kiln at night")
    assert told.fix.startswith("put a space behind the 1.")


@pytest.mark.parametrize("heading", ["News", "What did we learn? A lot!", "Foo Inc.", "为什么？因为快！"])
def test_a_heading_with_a_line_below_is_one(rules, heading):
    assert rules(f"{heading}\n---\n\nWords.") == []


@pytest.mark.parametrize(
    "text",
    [
        "    We had a great week, and it was fun.\n\nMore.",
        "\t这一周过得很好，认识了很多朋友。\n\n更多。",
        "    Our spring market on the green\n\nMore.",
    ],
)
def test_text_that_is_code_because_it_is_indented_is_found(findings, text):
    assert found(findings, text) == [("markup-maybe", 9)]


def test_the_first_paragraph_needs_no_full_stop(proof):
    from mailer.checks import check

    (told,) = check(proof("---\ntitle: Boards\npreheader: Small.\n---\n    Hello there out in the world\n"))
    assert told.rule == "markup-maybe"


@pytest.mark.parametrize(
    "code", ["pip install boards", "SELECT name FROM boards WHERE id = 1.", "$ ls -l", "a: b\nc: d"]
)
def test_code_is_code(rules, code):
    lines = code.replace("\n", "\n    ")
    assert rules(f"    {lines}\n\nWords.") == []
