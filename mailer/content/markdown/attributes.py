"""Read attributes in braces: `![](a.png){width=300}`, `## Title {#name}`, and kramdown's `{: width="300"}`.

Pandoc, MkDocs, Hugo and kramdown write them. An image's width and a heading's name reach the email; classes, targets
and other names mean something only to a site's own style sheet, and are left out. mdit-py-plugins' `attrs` knows
neither `50%`, which is how Pandoc writes a width, nor kramdown's colon, nor headings.
"""

import re

from markdown_it import MarkdownIt
from markdown_it.common.utils import unescapeAll
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

COLUMN = 576  # pixels between the margins of a card: the widest that an image can be

_ONE = r"(?:[.#][\w:.-]+|[A-Za-z][\w:-]*=(?:\"[^\"{}\n]*\"|'[^'{}\n]*'|[^\s\"'{}]+)|-)"
ATTRIBUTES = re.compile(rf"\{{:?[ \t]*{_ONE}(?:[ \t]+{_ONE})*[ \t]*\}}")
_NAME = re.compile(r"(?:#|\bid=[\"']?)([\w:.-]+)")
_WIDTH = re.compile(r"(?<![\w-])width(?:=[\"']?|:[ \t]*)([^\s\"';}]+)")
_ALT_WIDTH = re.compile(r"\\?\|[ \t]*(\d{1,4})(?:x\d{1,4})?[ \t]*\Z")
_LENGTH = re.compile(r"\s*(\d{1,4})(?:\.\d+)?(px|%)?\s*")
_ALT_BEFORE = re.compile(r"\|[ \t\dx]+\]")
# The elements that may have attributes right behind them.
_TAKES = ("image", "link_close", "code_inline", "mark_close")


def attributes_plugin(md: MarkdownIt) -> None:
    md.inline.ruler.before("liquid", "attributes", _inline)
    md.inline.ruler.before("image", "sized_image", _sized_image)
    md.core.ruler.after("block", "names", _name_headings)
    md.core.ruler.after("inline", "widths", _take_widths_from_alts)


def pixels(length: str) -> int:
    """Return a width of HTML or CSS in pixels; 0 for one in another unit."""
    found = _LENGTH.fullmatch(length)
    if not found:
        return 0
    return COLUMN * min(int(found[1]), 100) // 100 if found[2] == "%" else int(found[1])


def _inline(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] != "{" or state.pending or not state.tokens or state.tokens[-1].type not in _TAKES:
        return False
    found = ATTRIBUTES.match(state.src, state.pos, state.posMax)
    if not found:
        return False
    if not silent and state.tokens[-1].type == "image" and (width := _WIDTH.search(found[0])):
        _widen(state.tokens[-1], width[1])
    state.pos = found.end()
    return True


def _sized_image(state: StateInline, silent: bool) -> bool:
    """Read `![words](address =300x200)`, as many editors write a width and a height."""
    found = _SIZED.match(state.src, state.pos, state.posMax) if state.src[state.pos] == "!" else None
    if not found:
        return False
    if not silent:
        image = state.push("image", "img", 0)
        image.attrs = {"src": unescapeAll(found["bare"] or found["pointed"]), "alt": ""}
        if found["title"]:
            image.attrs["title"] = unescapeAll(found["title"][1:-1])
        image.content, image.info, image.children = found["alt"], found["size"], []
        state.md.inline.parse(found["alt"], state.md, state.env, image.children)
        _widen(image, found["width"])
        if height := pixels(found["height"] or ""):
            image.attrs["height"] = height
    state.pos = found.end()
    return True


# The size is kept as the token's `info`, which says that nothing of it is lost.
_SIZED = re.compile(
    r"!\[(?P<alt>[^\[\]\n]*)\]\([ \t]*(?:<(?P<pointed>[^<>\n]+)>|(?P<bare>[^\s<>()]+))"
    r"(?:[ \t]+(?P<title>\"[^\"\n]*\"|'[^'\n]*'))?"
    r"[ \t]+=(?P<size>(?P<width>\d{0,4}(?:px|%)?)[x*](?P<height>\d{1,4}(?:px)?)?)[ \t]*\)"
)


def _widen(image: Token, length: str) -> None:
    if width := pixels(length):
        image.attrs["width"] = width


def _name_headings(state: StateCore) -> None:
    if "{" not in state.src:
        return
    for position, token in enumerate(state.tokens):
        if token.type == "heading_open":
            heading = state.tokens[position + 1]
            heading.content, name = split_name(heading.content)
            if name:
                token.attrs["id"] = name


def split_name(heading: str) -> tuple[str, str]:
    """Return a heading without the attributes at its end, and the name in them or ""."""
    found = ATTRIBUTES.fullmatch(heading, max(heading.rfind("{"), 0))
    if not found:
        return heading, ""
    name = _NAME.search(found[0])
    return heading[: found.start()].rstrip(), name[1] if name else ""


def _take_widths_from_alts(state: StateCore) -> None:
    """Read Obsidian's `![The board|300](board.png)`."""
    if not _ALT_BEFORE.search(state.src):
        return
    for token in state.tokens:
        for child in token.children or []:
            last = child.children[-1] if child.type == "image" and child.children else None
            if last and last.type == "text" and (found := _ALT_WIDTH.search(last.content)):
                last.content = last.content[: found.start()]
                _widen(child, found[1])
