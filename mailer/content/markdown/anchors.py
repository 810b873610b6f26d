"""The anchors that an issue's own links can point to: headings, and the editor's own `<a name>` and `<h3 id>`."""

import re
import unicodedata
from collections import Counter
from urllib.parse import unquote

from markdown_it.token import Token

from mailer.content.markdown.emoji_codes import CODE
from mailer.content.markdown.text import on_the_line, plain

_SHOWN_AS = dict.fromkeys((0xFE0E, 0xFE0F))  # as text, or as an emoji


class Anchors:
    def __init__(self, tokens: list[Token]) -> None:
        fixed = [f"note-{int(token.meta['id']) + 1}" for token in tokens if token.type == "footnote_open"]
        fixed += [
            str(child.meta["anchor"]) for token in tokens for child in token.children or () if child.meta.get("anchor")
        ]
        self._fixed = {_in_one_spelling(name): name for name in reversed(fixed)}
        self._headings: dict[str, Token] = {}
        seen: Counter[str] = Counter()
        others = []
        for position, token in enumerate(tokens):
            if token.type == "heading_open":
                heading = tokens[position + 1]
                name = _as_sites_write_it(plain(on_the_line(heading.children or [])))
                number, seen[name] = seen[name], seen[name] + 1
                self._headings.setdefault(f"{name}-{number}" if number else name, token)
                others += [
                    (other, token)
                    for other in (str(token.attrs.get("id", "")), *_otherwise(name), *_by_codes(heading))
                    if other
                ]
        for name, token in others:
            self._headings.setdefault(_in_one_spelling(name), token)

    def find(self, target: str) -> str | None:
        """Return the id of the place in the issue that "#name" points to, which a heading has from now on; or None."""
        name = _in_one_spelling(unquote(target.removeprefix("#")))
        if name in self._fixed:
            return self._fixed[name]
        heading = self._headings.get(name)
        return None if heading is None else str(heading.attrs.setdefault("id", name))


def _in_one_spelling(name: str) -> str:
    # GitHub leaves the invisible sign of an emoji in an anchor: "## Tools 🛠️" is "#tools-️" there.
    return unicodedata.normalize("NFC", name).lower().translate(_SHOWN_AS)


def _as_sites_write_it(words: str) -> str:
    """Return the anchor that GitHub and most site generators give a heading. The second of its kind gets a "-1"."""
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", _if_a_mark, _in_one_spelling(words)))


def _if_a_mark(found: re.Match[str]) -> str:
    """Keep vowels and accents that are characters of their own, as in हिन्दी: they are not punctuation."""
    return found[0] if unicodedata.category(found[0])[0] == "M" else ""


def _by_codes(heading: Token) -> tuple[str, ...]:
    """Return what GitHub makes of "## :wrench: Tools": wrench-tools."""
    return (_as_sites_write_it(heading.content),) if CODE.search(heading.content) else ()


def _otherwise(name: str) -> tuple[str, ...]:
    """Return what other generators make of it: one hyphen for several, and no number in front."""
    single = re.sub(r"-{2,}", "-", name).strip("-")
    return single, re.sub(r"^[\d._-]+", "", single)
