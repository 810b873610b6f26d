"""Take a short cut where markdown-it and linkify-it do slow work for each link and each text. Same results."""

import re
from dataclasses import dataclass
from typing import Any

from linkify_it import LinkifyIt  # type: ignore[import-untyped]
from markdown_it.common.utils import unescapeAll
from markdown_it.helpers import parseLinkDestination, parseLinkLabel, parseLinkTitle


class Linkify(LinkifyIt):  # type: ignore[misc]
    """Searches without fuzzy links: all that is left to find has a "//" or is a "mailto:" with its "@"."""

    def pretest(self, text: str) -> bool:
        return "//" in text or "@" in text

    def test(self, text: str) -> bool:
        return self.pretest(text) and bool(super().test(text))


@dataclass
class Destination:
    """A link destination, as markdown-it's rules take it."""

    ok: bool
    pos: int
    str: str


class Helpers:
    """The helpers that markdown-it's rules for links call."""

    parseLinkLabel = staticmethod(parseLinkLabel)
    parseLinkTitle = staticmethod(parseLinkTitle)

    @staticmethod
    def parseLinkDestination(source: str, pos: int, maximum: int) -> Any:
        """Find where an address ends. markdown-it looks at each of its characters: a tenth of all parsing."""
        found = _PLAIN.match(source, pos, maximum)
        if found and (found.end() == maximum or source[found.end()] in " \n)"):
            return Destination(True, found.end(), unescapeAll(found[0]))
        return parseLinkDestination(source, pos, maximum)


# No backslash escape, no nesting, nothing that ends an address.
_PLAIN = re.compile(r"[^\x00-\x20\x7f<\\()]+")
