"""What stands above an issue's text, in all the forms that editors and site generators write it in."""

import pytest

from mailer.content.frontmatter import FrontMatterError, read_front_matter

YAML = "---\ntitle: Boards\ndate: 2026-11-20\n---\n"
TOML = '+++\ntitle = "Boards"\ndate = 2026-11-20\n+++\n'
JSON = '{\n  "title": "Boards",\n  "date": "2026-11-20"\n}\n'
PELICAN = "Title: Boards\nDate: 2026-11-20\n\n"
BARE_JSON = ';;;\n"title": "Boards",\n"date": "2026-11-20"\n;;;\n'
FENCED_JSON = ';;;\n{"title": "Boards", "date": "2026-11-20"}\n;;;\n'
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
@pytest.mark.parametrize("front", [YAML, TOML, JSON, PELICAN, BARE_JSON, FENCED_JSON, HEXO])
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
        "<!-- no end\n---\ntitle: A\n---\n",
        '{"braces": 1} begin a sentence.',
        "{% raw %}\n",
        "{{ name }}\n",
        "Title: as a heading\n---\nText.",
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
