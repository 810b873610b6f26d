"""List sent issues in a welcome that was rendered before they were sent.

It is rendered with stand-ins for their titles and addresses, once for each number of issues that it can list, since the
email around them differs. Filling one in takes no parser, so a worker can: the file is on another machine.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple
from urllib.parse import quote

MOST_LISTED = 10  # issues; a welcome that lists them all would grow until it is cut off
IN_HTML = ("html", "article")
IN_TEXT = ("text", "preheader")
# A letter from right to left: a list of titles has the direction of the welcome around it, so that of Latin letters
# alone must not seem to read otherwise.
EITHER_WAY = "\u0640"


class Listed(NamedTuple):
    """An issue that the welcome names."""

    slug: str
    title: str


def mark_for(source: str) -> str:
    """Return a word that occurs nowhere in `source`; all stand-ins begin with it."""
    salt = 0
    while True:
        mark = "zw" + hashlib.sha256(f"{salt}:{source}".encode()).hexdigest()[:16]
        if mark not in source:
            return mark
        salt += 1


def title_at(mark: str, number: int) -> str:
    """Return what stands for the title of the issue with this number, from 0 for the newest to 9."""
    return f"{mark}t{number}q{EITHER_WAY}"


def slug_at(mark: str, number: int) -> str:
    return f"{mark}s{number}q"


def fill(patterns: Sequence[Mapping[str, str]], mark: str, issues: Sequence[Listed]) -> dict[str, str]:
    """Return html, article, text and preheader with as many of the issues, newest first, as it lists."""
    issues = issues[: len(patterns) - 1]
    pattern = patterns[len(issues)]
    return {part: _filled(pattern[part], mark, issues, part in IN_HTML) for part in (*IN_HTML, *IN_TEXT)}


def _filled(text: str, mark: str, issues: Sequence[Listed], in_html: bool) -> str:
    """Fill in everything in one go: what a title says is never looked at again."""

    def stands_for(found: re.Match[str]) -> str:
        issue = issues[int(found[2])]
        if found[1] == "s":
            return quote(issue.slug, safe="")
        title = " ".join(issue.title.split())
        return escape(title) if in_html else title

    return re.sub(rf"{mark}([ts])([0-9])q{EITHER_WAY}?", stands_for, text)
