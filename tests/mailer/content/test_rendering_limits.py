"""Hostile text ends in an email or in a clear error, quickly and in little memory."""

import contextlib
import gc
import resource
import sys
import time

import pytest

from mailer.config.newsletter import Newsletter
from mailer.content.issues import IssueError, read_issue
from mailer.content.markdown.limits import beyond_a_mail
from mailer.content.rendering import render_issue

HOSTILE = {
    "brackets": "[" * 990_000,
    "images": "![" * 495_000,
    "links": "[a](" * 240_000,
    "addresses": "https://a.example/ " * 50_000,
    "addresses in text without spaces": "http://a/b中" * 4_900,
    "slashes": "/" * 990_000,
    "addresses without a scheme": "x//a" * 240_000,
    "an address and words in turn": "见https://a.example/" + "a很" * 99_000 + "/x",
    "footnotes": "[^" * 490_000,
    "inline notes": "^[" * 490_000,
    "stars": "*" * 990_000,
    "emphasis": "*a **b " * 140_000,
    "strikes": "~~a" * 330_000,
    "ticks": "".join("`" * (n % 50 + 1) + "a" for n in range(37_000)),
    "less": "<" * 990_000,
    "tags": "<b>" * 330_000,
    "tags without an end": "<meta a>" * 120_000,
    "readings": "<ruby>a<rt>b</rt></ruby>" * 40_000,
    "definitions": "a\n: b\n\n" * 120_000,
    "quoted tags": "<a '" * 245_000,
    "comments": "<!--" * 245_000,
    "instructions": "<div>\n" + "<?" * 490_000,
    "entities": "&" * 990_000,
    "quotes": ("> " * 47 + "x\n") * 10_000,
    "quotes too deep": "> " * 490_000,
    "lists": ("".join("  " * n + "- x\n" for n in range(45)) * 200)[:990_000],
    "items": "- x\n" * 240_000,
    "cells": "|a" * 300 + "\n" + "|-" * 300 + "\n" + ("|a" * 300 + "\n") * 1500,
    "lines": "a\n" * 490_000,
    "backslashes": "\\" * 990_000,
    "liquid": "{% " * 330_000,
    "kramdown": "{:" * 490_000,
    "code": "```python\n" + "'''" * 330_000,
    "spaces": " " * 990_000 + "x",
    "a long word": "x" * 990_000,
    "front matter": "---\nx: " + "[" * 15_000 + "\n---\ny\n",
    "front matter of TOML": "+++\nx = " + "[" * 15_000 + "\n+++\ny\n",
}


@pytest.fixture
def newsletter(tmp_path):
    return Newsletter(label="weekly", name="The Weekly", from_email="editor@news.example.com", folder=tmp_path)


def longest_that_is_tried(text: str) -> str:
    """Return as much of a text as is not refused immediately: this is where the work is."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (low, middle - 1) if beyond_a_mail(text[:middle]) else (middle, high)
    return text[:low]


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_ends_soon(name, tmp_path, newsletter):
    text = HOSTILE[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    for number, part in enumerate([text, longest_that_is_tried(text)]):
        path = tmp_path / f"{number}.md"
        path.write_text(part if name.startswith("front") else f"# T\n\n{part}")
        with contextlib.suppress(IssueError):
            render_issue(read_issue(path), newsletter, base_url="https://news.example.com")

    assert time.process_time() - began < 8
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / (
        2**20 if sys.platform == "darwin" else 1024
    )
    assert grown < 150


@pytest.mark.parametrize("name", ["slashes", "addresses without a scheme"])
def test_addresses_are_not_looked_for_at_each_of_very_many_slashes(name):
    assert len(longest_that_is_tried(HOSTILE[name])) <= 40_003
    assert not beyond_a_mail("    // a line of a program\n" * 4_000)


@pytest.mark.parametrize("depth", [40, 48])
def test_lists_may_stand_that_deep_in_each_other(depth, tmp_path, newsletter):
    path = tmp_path / "deep.md"
    path.write_text("# T\n\n" + "".join("  " * level + f"- level{level}\n" for level in range(depth)))

    mail = render_issue(read_issue(path), newsletter, base_url="https://news.example.com")

    assert not mail.findings
    assert f"level{depth - 1}" in mail.html
    assert f"level{depth - 1}" in mail.text


def test_deeper_lists_are_refused(tmp_path, newsletter):
    path = tmp_path / "deep.md"
    path.write_text("# T\n\n" + "".join("  " * level + f"- level{level}\n" for level in range(49)))

    with pytest.raises(IssueError, match="more than 48 deep") as error:
        render_issue(read_issue(path), newsletter, base_url="https://news.example.com")

    assert error.value.rule == "nesting"


@pytest.fixture
def rendered(tmp_path, newsletter):
    def render(body: str) -> None:
        (tmp_path / "issue.md").write_text(body)
        render_issue(read_issue(tmp_path / "issue.md"), newsletter, base_url="https://news.example.com")

    return render


def test_an_issue_leaves_no_garbage_so_rendering_may_do_without_collecting(rendered):
    rendered("# T\n\nx\n")  # what is read once and kept
    gc.collect()

    rendered("# T\n\n## A\n\n- [One | B](https://a.example/)  \n  Text.\n\n## C\n\n" + "x *y* `z`\n\n" * 200)

    assert gc.collect() < 100


def test_garbage_is_collected_again_after_an_issue_even_one_that_fails(rendered):
    rendered("# T\n\nx\n")
    assert gc.isenabled()
    with pytest.raises(IssueError):
        rendered("# T\n\n" + "> " * 60 + "x\n")
    assert gc.isenabled()
