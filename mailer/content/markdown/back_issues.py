"""Replace `<!-- back issues -->` and `<!-- latest issue -->` by sent issues, which editors otherwise list by hand."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from markdown_it.token import Token

# Alone on its line; with a number, only that many of the newest.
_PLACE = re.compile(r"\s*<!--\s*back[ -]issues\s*(?::\s*(\d{1,4})\s*)?-->\s*", re.IGNORECASE)
_LATEST = re.compile(r"\s*<!--\s*latest[ -]issue\s*-->\s*", re.IGNORECASE)
_EITHER = re.compile(r"<!--\s*(?:back[ -]issues|latest[ -]issue)\b", re.IGNORECASE)


@dataclass(frozen=True)
class BackIssue:
    title: str
    address: str


def as_list_item(title: str, address: str) -> str:
    """Return a line of a Markdown list; whatever the title holds is shown as text."""
    return f"- {_as_link(title, address)}"


def _as_link(title: str, address: str) -> str:
    words = re.sub(r"([\\`*_{}\[\]<>|~&])", r"\\\1", " ".join(title.split()))
    return f"[{words}](<{address}>)" if re.search(r"[()\s]", address) else f"[{words}]({address})"


def may_list_issues(source: str) -> bool:
    """Tell whether a Markdown text may have a comment whose place sent issues take; most have none."""
    return bool(_EITHER.search(source))


def begins_with_place(source: str, line: int) -> bool:
    """Tell whether a Markdown text begins, from this line on, with a comment whose place sent issues take."""
    first = next(filter(str.strip, source.split("\n")[line:]), "")
    return bool(_PLACE.fullmatch(first) or _LATEST.fullmatch(first))


def with_back_issues(
    tokens: Sequence[Token], issues: Sequence[BackIssue], parse: Callable[[str], list[Token]]
) -> Iterator[Token]:
    """Return the tokens with the list in place of each comment, located at the comment's line.

    An issue that the text names as the latest is not repeated in the list.
    """
    named = any(token.type == "html_block" and _LATEST.fullmatch(token.content) for token in tokens)
    for token in tokens:
        if token.type != "html_block":
            yield token
            continue
        if place := _PLACE.fullmatch(token.content):
            written = _list(issues[1:] if named else issues, place[1])
        elif _LATEST.fullmatch(token.content):
            written = "".join(f"**{_as_link(issue.title, issue.address)}**" for issue in issues[:1])
        else:
            yield token
            continue
        for new in parse(written):
            new.map = token.map
            yield new


def _list(issues: Sequence[BackIssue], most: str | None) -> str:
    shown = issues[: int(most)] if most else issues
    return "\n".join(as_list_item(issue.title, issue.address) for issue in shown)
