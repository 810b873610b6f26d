"""What stands above an issue's text, in all the forms that editors and site generators write it in."""

import pytest

from mailer.content.frontmatter import FrontMatterError, read_front_matter

YAML = "---\ntitle: Boards\ndate: 2026-11-20\n---\n"
TOML = '+++\ntitle = "Boards"\ndate = 2026-11-20\n+++\n'
JSON = '{\n  "title": "Boards",\n  "date": "2026-11-20"\n}\n'
PELICAN = "Title: Boards\nDate: 2026-11-20\n\n"
BARE_JSON = ';;;\n"title": "Boards",\n"date": "2026-11-20"\n;;;\n'
FENCED_JSON = ';;;\n{"title": "Boards", "date": "2026-11-20"}\n;;;\n'
NAMED_TOML = '---toml\ntitle = "Boards"\ndate = 2026-11-20\n---\n'
NAMED_JSON = '---json\n{"title": "Boards", "date": "2026-11-20"}\n---\n'
MORE_DASHES = " ----\ntitle: Boards\ndate: 2026-11-20\n -----\n"
HEXO = "title: Boards\ndate: 2026-11-20\n---\n"
ABOVE = [
    "",
    "\n",
    "\n\n \n",
    "<!-- vim: tw=80 -->\n",
    "<!--\nOurs alone.\n\n-->\n\n",
    "[//]: # (lint off)\n\n",
    "\u200b\n",
]


@pytest.mark.parametrize("above", ABOVE)
@pytest.mark.parametrize(
    "front", [YAML, TOML, JSON, PELICAN, BARE_JSON, FENCED_JSON, NAMED_TOML, NAMED_JSON, MORE_DASHES, HEXO]
)
def test_every_form_is_read_also_below_empty_lines_and_comments(above, front):
    text = f"{above}{front}Text."
    read = read_front_matter(text)
    assert read.values == {"title": "Boards", "date": "2026-11-20"}
    assert text.split("\n")[read.end :] == ["Text."]


@pytest.mark.parametrize(
    "text",
    [
        "\n---\n\nText between lines.\n\n---\n\nMore.",
        "\n---\nText.",
        "\n---\ntitle: No end",
        "<!-- one --> Text.\n\n---\ntitle: A\n---\n",
        "----\nText.\n",
        "----\n\nText: of one.\n\nAnd another.",
        "--- # title\n",
        "{note: a sentence}\n",
        "<!-- no end\n---\ntitle: A\n---\n",
        '{"braces": 1} begin a sentence.',
        "{% raw %}\n",
        "{{ name }}\n",
        "Title: as a heading\n---\nText.",
        "----------\nEditor: Ada Lovelace\nNext issue: December\n----------\n\nHello",
        "-----\nDate: 24 November\nIssue: 12\n-----\n\nHello",
        "-----\n\nHello.\n\ntitle: what it is\n\nhttps://a.example\n\n---\n",
        "-----\n\ntitle: A\n\n-----\n",
        "-----\n主题：春天\n日期：周五\n-----\n",
        " ---\nNote: we moved.\nAnd more.\n ---\n",
        "<!-- lint -->\n---\n\n提示：春天\n\n---\n",
        "<!-- lint -->\n---\n\nNote: we moved.\n\n---\n",
        "\n---\n{% include head %}\n\nText.\n\n---\n",
        "Draft: version 3 of the AI Act, annotated\n\n# Weekly 12",
        "Subject: physics\n\n# Weekly 12",
        "Subject: physics\nTeacher: Ada\n\nWeekly 12\n===",
        "",
        "\n\n",
    ],
)
def test_what_only_looks_like_front_matter_is_text(text):
    assert read_front_matter(text) == read_front_matter("Text.")


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('{\n  "title": "Boards",\n  date: 1\n}\n', 3, "not JSON"),
        ('\n\n{\n  "title": "Boards" "date"\n}\n', 4, "not JSON"),
        (';;;\n"title": "Boards"\n"date": "x"\n;;;\n', 3, "not JSON"),
        (";;;\n", 1, "no end"),
        ('{"a": ' + "[" * 100_000, 1, "nested too deeply"),
        ('{"a": "' + "x" * 20_000 + '"}', 1, "longer than"),
        ("{\n  'title': 'Boards'\n}\n", 2, "not JSON"),
        ('{\n  // ours\n  "title": "Boards"\n}\n', 2, "not JSON"),
        ("---\ntitle: A\n---\n\n---\npreheader: B\n---\n", 5, "second front matter"),
        ("+++\ntitle = 'A'\n+++\n---\ntitle: B\nlayout: x\n---\n", 4, "second front matter"),
        ("---\ntitle: A\n layout: b\n---\n", 3, "a colon and a space|indented alike"),
        ("<!-- c -->\n\n---\nwhat: [a\n---\n", 4, "not YAML"),
    ],
)
def test_a_mistake_in_it_has_its_line_in_the_file(text, line, says):
    with pytest.raises(FrontMatterError, match=says) as error:
        read_front_matter(text)
    assert error.value.line == line


def test_json_gives_text_like_any_other_form():
    long = "9" * 6000
    read = read_front_matter(f'{{"N": {long}, "draft": true, "no": null, "tags": ["a", 1], "Cover": {{"x": 1}}}}\n')
    assert read.values == {"n": long, "draft": "true", "no": "", "tags": "a, 1", "cover.x": "1"}
    assert read_front_matter("+++\ndraft = true\n+++\n").values == {"draft": "true"}


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ("! 'Issue #0'", "Issue #0"),
        ("! Issue", "Issue"),
        ("!!str 2026", "2026"),
        ("!Breaking news", "!Breaking news"),
        ("*Big* news", "*Big* news"),
        ("& more", "& more"),
        ("[Update] Boards", "[Update] Boards"),
        ('"Boards" of spring', '"Boards" of spring'),
        ("'It's spring'", "It's spring"),
        ('"The "big" one"', 'The "big" one'),
        ("'A' and 'B'", "'A' and 'B'"),
        ('"A \\"big\\" one" # why', 'A "big" one'),
        ("'It''s here'", "It's here"),
        ("#12 boards", "#12 boards"),
        ("@ada joins", "@ada joins"),
    ],
)
def test_a_title_reads_as_the_editor_meant_it(written, title):
    assert read_front_matter(f"---\ntitle: {written}\n---\n").values == {"title": title}


def test_preheaders_of_other_services_are_sentences_too():
    assert read_front_matter("---\npreview-text: Bins: a story\n---\n").values == {"preview-text": "Bins: a story"}


def test_slips_of_the_keyboard_are_read():
    read = read_front_matter("---\ntitle：春天\npreheader:No space\ntags:\n\t- one\n\t- two\ndate:2026-11-20\n---\n")
    assert read.values == {"title": "春天", "preheader": "No space", "tags": "one, two", "date": "2026-11-20"}


@pytest.mark.parametrize("value", ["!!python/object:os.system x", "!!binary x", "!ours 1"])
def test_tags_that_no_issue_needs_are_refused(value):
    with pytest.raises(FrontMatterError, match="tag"):
        read_front_matter(f"---\nwhat: {value}\n---\n")


def test_below_a_comment_a_chinese_title_is_enough():
    assert read_front_matter("<!-- c -->\n---\n标题：春天\n---\nText.").values == {"标题": "春天"}


def test_below_a_comment_its_lines_may_stand_apart():
    assert read_front_matter("<!-- c -->\n\n---\n\ntitle: A\ntags:\n- b\n  c\n\n# d\n---\nText.").values["title"] == "A"


@pytest.mark.parametrize("dashes", ["---", "-----"])
def test_dashes_in_a_value_of_several_lines_do_not_end_it(dashes):
    read = read_front_matter(f"---\ntitle: A\ndescription: |\n  Two\n  {dashes}\n  of ours\n---\nHello")
    assert read.values["description"].split() == ["Two", dashes, "of", "ours"]
    assert read.end == 7


@pytest.mark.parametrize(
    "after",
    [
        "---\nSponsor: Acme\n---\n",
        "---\n\ntitle: A\n\n---\n",
        "---\n",
        "title: B\n---\n",
        "---\nDate: 24 November, 19:00\n---\n",
        "---\nSummary: three boards\n---\n",
        "---\n主题：春天\n日期：周五\n---\n",
    ],
)
def test_a_line_across_the_page_below_it_is_no_second_one(after):
    assert read_front_matter(f"---\ntitle: A\n---\n{after}").end == 3


@pytest.mark.parametrize(
    "line",
    ["author: X: a life", "author: @ada", "summary: {braces} first", "cover: `a`", 'author: "Ada" L', "a: b: # c"],
)
def test_a_value_that_yaml_refuses_is_text(line):
    key, _, value = line.partition(": ")
    assert read_front_matter(f"---\n{line}\ntitle: A\n---\n").values == {key: value, "title": "A"}


def test_a_comment_behind_a_value_is_none_of_it():
    read = read_front_matter("---\ndraft: true # see: the list\nauthor: Ada # @home\n---\n")
    assert read.values == {"draft": "true", "author": "Ada"}


@pytest.mark.parametrize(
    "line",
    ["slug: # optional: short name", "date: # e.g.: 2026-11-24", "ignore: # rules: alt-missing", "layout: # a: b"],
)
def test_a_comment_is_not_the_value_that_is_missing_before_it(line):
    assert read_front_matter(f"---\ntitle: A\n{line}\n---\n").values[line.partition(":")[0]] == ""


def test_a_list_may_follow_a_comment():
    assert read_front_matter("---\ntags: # up to five: short\n- a\n- b\n---\n").values == {"tags": "a, b"}


def test_tabs_and_wide_spaces_separate_as_spaces_do():
    read = read_front_matter("---\ntitle:\tBoards\n\u00a0preheader:\u00a0Small\nwhat:\u3000x: y\n---\n")
    assert read.values == {"title": "Boards", "preheader": "Small", "what": "x: y"}


def test_what_an_export_leaves_without_a_value_is_absent():
    read = read_front_matter("---\ntitle: ~\ncustom_excerpt: null\n---\n")
    assert read.values == {"title": "", "custom_excerpt": ""}


def test_lines_of_a_draft_without_fences_are_front_matter():
    assert read_front_matter("Draft: yes\n\n# Boards").values == {"draft": "yes"}
    assert read_front_matter("Draft: “in progress”\n\n# Boards").values
    assert read_front_matter("Subject: Boards\nPreheader: Small\n\nText").values["subject"] == "Boards"
    assert read_front_matter("Subject: Boards\nStatus: draft\n\n# Boards").values["status"] == "draft"
    assert read_front_matter("Subject: Boards\n\nText").values == {"subject": "Boards"}
