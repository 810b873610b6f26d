import pytest

SECTION = "Hello.\n\n## News\n\n{}\n\n## Papers\n\nA paper."


@pytest.mark.parametrize(
    "text",
    [
        "…",
        "...",
        "–",
        "???",
        "WIP",
        "wip",
        "TBA",
        "*tba*",
        "tbd.",
        "(Todo)",
        "- WIP",
        "- …\n- …",
        "|  |\n|--|\n| … |",
        "Lorem ipsum",
        "LOREM IPSUM DOLOR SIT AMET",
        "Text here",
        "待补充",
        "内容待更新。",
        "-",
        "1.",
        "TK",
        "Draft",
        "🚧 WIP 🚧",
        "Text to come.",
        "[insert text]",
        "Your text goes here",
        "Not written yet",
        "blah blah",
        "work in progress",
        "<p>…</p>",
    ],
)
def test_a_section_that_only_holds_a_place_is_unfinished(findings, text):
    told = findings(SECTION.format(text))
    assert {(finding.rule, finding.severity) for finding in told} == {("unfinished", "warning")}
    assert {finding.line for finding in told} <= {13, 14, 15}


@pytest.mark.parametrize(
    "text",
    [
        "Nothing new.",
        "…\n\nText.",
        "[…](https://a.example/)",
        "```\n...\n```",
        "`…`? Yes.",
        "42",
        "👍",
        "Coming soon",
        "敬请期待",
        "…\n\n```\nThe last block\n```",
        "N/A",
        "| When | Where |\n|--|--|\n| Monday | tba |",
        "![…](https://a.example/1x1.png)",
        "WIP boards are slow.",
    ],
)
def test_a_section_that_says_something_is_not(rules, text):
    assert "unfinished" not in rules(SECTION.format(text))


def test_the_finding_names_the_section_and_what_is_in_it(findings):
    (told,) = findings(SECTION.format("…"))
    assert (told.line, told.message) == (13, 'section "News" has only "…" in it')
    (told,) = findings("---\ntitle: Boards\npreheader: Small.\n---\n\nwip\n")
    assert (told.line, told.message) == (6, 'the text has only "wip" in it')


def test_prose_about_placeholder_text_is_prose_unless_it_is_that_text(rules):
    assert rules("A generator of lorem ipsum.") == []
    assert rules("lorem Ipsum dolor sit amet, consectetur.") == ["unfinished"]
    assert rules("Yes. Lorem ipsum dolor sit.") == ["unfinished"]


@pytest.mark.parametrize(
    "front",
    [
        "title: TBD",
        "title: 'WIP: boards'",
        "title: '[Draft] Boards'",
        "title: Boards [DRAFT]",
        "title: Boards\npreheader: lorem ipsum",
    ],
)
def test_a_title_or_preheader_that_only_holds_a_place_is_unfinished(rules, front):
    assert "unfinished" in rules(
        f"---\npreheader: Small ones.\n{front}\n---\n\nText.\n"
        if "pre" not in front
        else f"---\n{front}\n---\n\nText.\n"
    )


def test_a_title_about_drafts_is_one(rules):
    assert rules("---\ntitle: Draft horses of the north\npreheader: All about them.\n---\n\nText.\n") == []


def test_what_a_program_exports_below_the_title_is_unfinished(findings):
    front = "---\npreheader: Small.\n---\n\n"
    (told,) = findings(f"{front}# Boards of spring\n\nCreated: 20 November 2026\nStatus: In progress\n\nText.")
    assert (told.rule, told.line, told.message) == ("unfinished", 8, 'subscribers would see "Status: In progress"')
    assert findings(f"{front}# Boards of spring\n\nStatus: all is well.\n\nText.\n\nStatus: draft\n") == []


def test_an_empty_item_among_others_is_unfinished(findings):
    (told,) = findings("- one\n-\n- three")
    assert (told.rule, told.line) == ("unfinished", 10)
    assert [one.line for one in findings(SECTION.format("-\n-"))] == [13]
    assert findings("- Words[^1]\n- [^1]: A note.") == []


def test_a_title_that_begins_with_todo_is_told_once(rules):
    assert rules("---\ntitle: TODO title\npreheader: Small.\n---\n\nText.\n") == ["unfinished"]
    assert rules("# TODO title\n\nText.\n").count("unfinished") == 1


@pytest.mark.parametrize(
    "lines",
    [
        "Created: October 20, 2026 9:14 AM",
        "Last edited time: 2026-10-20\nKiln: hot",
        "Owner: Ada\nTags: clay, weekly",
        "创建时间：2026年10月20日\n标签：陶艺",
    ],
)
def test_properties_of_a_page_below_the_title_are_found(findings, lines):
    told = [one for one in findings(f"# Clay\n\n{lines}\n\nHello there.\n") if one.rule == "markup-maybe"]
    assert [(one.line, "properties of the page" in one.message) for one in told] == [(3, True)]


@pytest.mark.parametrize(
    "lines",
    [
        "Tags: what they are, and what they are not",
        "When: at nine\nWhere: Leek",
        "Created: one\nand wrapped",
        "Created",
    ],
)
def test_other_names_and_values_are_meant(rules, lines):
    assert rules(f"# Clay\n\n{lines}\n\nCreated: in 2026\n") == ["preheader-missing"]
