"""`<!-- back issues -->` → the list of issues that were sent, which editors otherwise keep by hand."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from markdown_it.token import Token

# Alone in its line; with a number only the newest so many.
_PLACE = re.compile(r"\s*<!--\s*back[ -]issues\s*(?::\s*(\d{1,4})\s*)?-->\s*", re.IGNORECASE)


@dataclass(frozen=True)
class BackIssue:
    title: str
    address: str


def as_list_item(title: str, address: str) -> str:
    """A line of a Markdown list; whatever the title holds is shown and does nothing."""
    words = re.sub(r"([\\`*_{}\[\]<>|~&])", r"\\\1", " ".join(title.split()))
    return f"- [{words}](<{address}>)" if re.search(r"[()\s]", address) else f"- [{words}]({address})"


def with_back_issues(
    tokens: Sequence[Token], issues: Sequence[BackIssue], parse: Callable[[str], list[Token]]
) -> Iterator[Token]:
    """The tokens with a list in each place for one; all of it stands in the line of that place."""
    for token in tokens:
        place = _PLACE.fullmatch(token.content) if token.type == "html_block" else None
        if place is None:
            yield token
            continue
        shown = issues[: int(place[1])] if place[1] else issues
        for new in parse("\n".join(as_list_item(issue.title, issue.address) for issue in shown)):
            new.map = token.map
            yield new
