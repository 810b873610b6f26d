"""Replace `<!-- back issues -->` by the list of sent issues, which editors otherwise maintain by hand."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from markdown_it.token import Token

# Alone on its line; with a number, only that many of the newest.
_PLACE = re.compile(r"\s*<!--\s*back[ -]issues\s*(?::\s*(\d{1,4})\s*)?-->\s*", re.IGNORECASE)


@dataclass(frozen=True)
class BackIssue:
    title: str
    address: str


def as_list_item(title: str, address: str) -> str:
    """Return a line of a Markdown list; whatever the title holds is shown as text."""
    words = re.sub(r"([\\`*_{}\[\]<>|~&])", r"\\\1", " ".join(title.split()))
    return f"- [{words}](<{address}>)" if re.search(r"[()\s]", address) else f"- [{words}]({address})"


def with_back_issues(
    tokens: Sequence[Token], issues: Sequence[BackIssue], parse: Callable[[str], list[Token]]
) -> Iterator[Token]:
    """Return the tokens with the list in place of each comment, located at the comment's line."""
    for token in tokens:
        place = _PLACE.fullmatch(token.content) if token.type == "html_block" else None
        if place is None:
            yield token
            continue
        shown = issues[: int(place[1])] if place[1] else issues
        for new in parse("\n".join(as_list_item(issue.title, issue.address) for issue in shown)):
            new.map = token.map
            yield new
