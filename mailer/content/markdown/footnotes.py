"""Let a footnote stand in the words of a link: `[a board[^1] for everybody](https://…)`.

Markdown takes the note for a link in a link and shows the outer one raw; HTML has the same limit. So the words may hold
it, and its number follows the link.
"""

import re
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.helpers import parseLinkDestination, parseLinkTitle
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from mdit_py_plugins.footnote import footnote_plugin

_NOTE = re.compile(r"\[\^[^\]\s]+\]")


def parse_link_label(state: StateInline, start: int, disableNested: bool = False) -> int:
    """Find the bracket that ends a link's text, as markdown-it does; a footnote in it is no link. -1 if none does."""
    before, state.pos, depth = state.pos, start + 1, 1
    end = -1
    while state.pos < state.posMax:
        place, letter = state.pos, state.src[state.pos]
        depth -= letter == "]"
        if not depth:
            end = place
            break
        state.md.inline.skipToken(state)
        if letter == "[" and state.pos == place + 1:
            depth += 1
        elif letter == "[" and disableNested and not _NOTE.fullmatch(state.src, place, state.pos):
            break
    state.pos = before
    return end


class _Helpers:
    """The helpers that markdown-it's rules for links call."""

    parseLinkLabel = staticmethod(parse_link_label)
    parseLinkDestination = staticmethod(parseLinkDestination)
    parseLinkTitle = staticmethod(parseLinkTitle)


def footnotes_plugin(md: MarkdownIt) -> None:
    md.use(footnote_plugin)
    md.helpers = _Helpers()  # type: ignore[assignment]  # it is typed as the module that it is by default


def after_links(children: Sequence[Token]) -> list[Token]:
    """Move the footnotes in links behind them."""
    result: list[Token] = []
    held: list[Token] = []
    depth = 0
    for child in children:
        depth = max(0, depth + (child.nesting if child.type in ("link_open", "link_close") else 0))
        if child.type == "footnote_ref" and depth:
            held.append(child)
            continue
        result.append(child)
        if not depth:
            result += held
            held = []
    return result + held
