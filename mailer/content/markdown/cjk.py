"""Repair what Markdown gets wrong in text without spaces: emphasis, soft breaks, the end of a bare address."""

import re
import unicodedata

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Delimiter
from markdown_it.token import Token

# A bare address ends before punctuation that belongs to the sentence around it.
AFTER_ADDRESS = re.compile(r"[\u3000-\u303f\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65“”‘’…—]")


def cjk_plugin(md: MarkdownIt) -> None:
    """Make `**加粗：**文字` bold, which CommonMark refuses because no space follows the second mark."""
    md.inline.ruler.at("emphasis", _emphasis)


def _emphasis(state: StateInline, silent: bool) -> bool:
    marker = state.src[state.pos]
    if silent or marker not in "_*":
        return False
    scanned = state.scanDelims(state.pos, marker == "*")
    opens, closes = scanned.can_open, scanned.can_close
    if marker == "*":
        end = state.pos + scanned.length
        before = state.src[state.pos - 1] if state.pos else " "
        after = state.src[end] if end < state.posMax else " "
        opens = opens or _may_touch(outside=before, inside=after)
        closes = closes or _may_touch(outside=after, inside=before)
    for _ in range(scanned.length):
        token = state.push("text", "", 0)
        token.content = marker
        state.delimiters.append(
            Delimiter(
                marker=ord(marker), length=scanned.length, token=len(state.tokens) - 1, end=-1, open=opens, close=closes
            )
        )
    state.pos += scanned.length
    return True


def _may_touch(outside: str, inside: str) -> bool:
    """Tell whether emphasis may begin or end between these two, without a space and with punctuation on one side."""
    return not inside.isspace() and (is_wide(outside) or is_wide(inside))


def is_wide(char: str) -> bool:
    """Tell whether it is a character of a script without spaces, or its punctuation. Korean is wide and has spaces."""
    return unicodedata.east_asian_width(char) in "WF" and not "\uac00" <= char <= "\ud7a3"


def join_wide_lines(children: list[Token]) -> list[Token]:
    """Remove soft breaks between two wide characters, because browsers show a soft break as a space."""
    if not any(child.type == "softbreak" for child in children):
        return children
    following = " "
    touches: list[bool] = []  # from the end: whether what follows begins wide
    for child in reversed(children):
        touches.append(is_wide(following))
        following = _shown(child)[:1] or following
    preceding = " "
    kept = []
    for child, wide_follows in zip(children, reversed(touches), strict=True):
        if child.type != "softbreak" or not (wide_follows and is_wide(preceding)):
            kept.append(child)
        preceding = _shown(child)[-1:] or preceding
    return kept


def _shown(child: Token) -> str:
    return "" if child.type == "image" else child.content


def end_bare_addresses(children: list[Token]) -> list[Token]:
    """End an address found in running text where Chinese or Japanese punctuation begins."""
    result: list[Token] = []
    rest = ""
    for child in children:
        previous = result[-1] if result else None
        if child.type == "text" and previous and previous.type == "link_open" and previous.markup == "linkify":
            address, rest = _cut(child.content)
            if rest:
                child.content = address
                previous.attrs["href"] = _cut(str(previous.attrs["href"]))[0]
        result.append(child)
        if child.type == "link_close" and rest:
            result.append(Token("text", "", 0, content=rest, level=child.level))
            rest = ""
    return result


def _cut(address: str) -> tuple[str, str]:
    found = AFTER_ADDRESS.search(address)
    return (address[: found.start()], address[found.start() :]) if found else (address, "")
