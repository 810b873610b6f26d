"""The short cuts through markdown-it lead to the same tokens as the plain way."""

import re
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.content.markdown import parsing, shortcuts

ISSUES = sorted((Path(__file__).resolve().parents[3] / "mailer" / "starter").rglob("*.md"))
MARKS = [*"#>-+*_~`[](){}<>!&:;|^=\\'\"/.1 a中：\t", "\n", "\n\n", "\n    ", "  \n", "\\\n", "word ", "中文"]
BLOCKS = [
    "\n- ",
    "\n1. ",
    "\n> ",
    "\n---\n",
    "\n===\n",
    "\n```\n",
    "\n# ",
    "\n| a | b |\n|---|:-:|\n| 1 | 2 |\n",
    "[ ] ",
    "[x] ",
]
LINKS = [
    "[a](b)",
    "[a [b](c) d](e)",
    "![a](b.png)",
    "[`]`](x)",
    "[`a` ``b](c)",
    "[*a*: b - c!](d?e&amp;f)",
    "[a\\]b](c)",
    "https://x.example/a]b",
    "http://",
    "[ref]",
]
NOTES = ["[^1]", "\n[^1]: note", "^[inline]", "\n[ref]: http://x.example 't'\n", "\n[a\\]]: b\n"]
OTHERS = [
    "<b>",
    "</b>",
    "<!-- c -->",
    "<std::vec>",
    "{% if %}",
    "{:.x}",
    "&amp;",
    "&#93;",
    "**粗：**",
    "~~s~~",
    "`co]de`",
]
DIALECTS = ["\n> [!TIP]", "\n> [!note]- Title\n> ", "==mark==", "==", ":tada:", "{width=50%}", "{#id .x}", "{: .x}"]
IN_ADDRESSES = [
    *"aZ019./?=&%#-_~@:;,!()[]*'\"+$|^`<>\\文。",
    "//",
    "..",
    "--",
    "xn--",
    ".com",
    "a" * 62,
    "https://",
    " ",
    "\n",
]
PIECES = [*MARKS, *BLOCKS, *LINKS, *NOTES, *OTHERS, *DIALECTS]


def tokens(parser, source):
    env: dict[str, object] = {}
    return (
        [token.as_dict() for token in parser.parse(source, env)],
        env.get("left_out"),
        sorted(env.get("references", {})),
    )


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_any_text_gives_the_same_tokens(source):
    assert tokens(parsing._parser(), source) == tokens(parsing._plain_parser(), source)


@settings(max_examples=1000)
@given(
    st.sampled_from(["a.example", "a", "1.2", "a-b.c", "a" * 62 + "." + "b" * 63, "xn--a.b"]),
    st.lists(st.sampled_from(IN_ADDRESSES), max_size=12).map("".join),
    st.sampled_from(["http:", "https:", "ftp:", "//", "mailto:"]),
    st.sampled_from(["", "网", "("]),
)
def test_a_bare_address_ends_where_linkify_ends_it(host, rest, schema, before):
    text = f"{before}{schema}//{host}{rest}"
    linkify, position = shortcuts.Linkify(), len(before + schema)

    short = linkify.test_schema_at(text, schema, position)

    with patch.object(shortcuts, "_PLAIN_ADDRESS", re.compile(r"(?!)")):
        assert short == linkify.test_schema_at(text, schema, position)


@pytest.mark.parametrize("issue", ISSUES, ids=lambda path: path.name)
def test_an_issue_gives_the_same_tokens(issue):
    source = issue.read_text(encoding="utf-8")
    assert tokens(parsing._parser(), source) == tokens(parsing._plain_parser(), source)


def test_text_that_is_nested_too_deeply_gives_the_same_tokens():
    source = "> " * 200 + "[" * 200 + "a" + "](b)" * 200 + "\n" + "- " * 200 + "*a _b " * 200
    assert tokens(parsing._parser(), source) == tokens(parsing._plain_parser(), source)


def test_links_as_nearly_all_are_written_are_read_at_once(monkeypatch):
    slow = []
    monkeypatch.setattr(shortcuts.Helpers, "parseLinkDestination", lambda *_: slow.append("looked for an address"))
    parser = parsing._plain_parser()
    shortcuts.take_shortcuts(parser)

    parser.parse("- [A board](https://a.example/b?c=1&d=2)\n- [**New:** `x[0]` - all of it](https://a.example/)")

    assert not slow
