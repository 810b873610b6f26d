"""The anchors that an issue's own links can point to: headings, and the editor's own `<a name>`."""

import re
from urllib.parse import unquote

from markdown_it.token import Token

from mailer.content.markdown.text import plain


class Anchors:
    def __init__(self, tokens: list[Token]) -> None:
        self._headings: dict[str, Token] = {}
        self._fixed = {f"note-{int(token.meta['id']) + 1}" for token in tokens if token.type == "footnote_open"}
        for position, token in enumerate(tokens):
            if token.type == "heading_open":
                words = _as_sites_write_it(plain(tokens[position + 1].children or []))
                self._headings.setdefault(words, token)
            self._fixed |= {str(child.meta["anchor"]) for child in token.children or [] if "anchor" in child.meta}

    def use(self, target: str) -> bool:
        """Tell whether "#name" points to an anchor of the issue; give a heading that it points to the name as id."""
        name = unquote(target.removeprefix("#"))
        if name in self._fixed:
            return True
        heading = self._headings.get(name)
        if heading is None:
            return False
        heading.attrs["id"] = name
        return True


def _as_sites_write_it(words: str) -> str:
    """Return the anchor that GitHub and most site generators give a heading."""
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", words.lower()))
