"""Say of each block whether it reads from right to left, as browsers do for `dir="auto"` and email clients cannot."""

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from markdown_it.token import Token

from mailer.content.markdown.text import closing, plain

Direction = Literal["ltr", "rtl"]

RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_LETTER = re.compile(r"[^\W\d_]")
# Groups of digits change places amid letters from right to left, and the plus lands at the end.
PHONE_NUMBER = re.compile(r"(?<![\w+/.-])(?:\+|\(?0)\d[\d ()/\u00a0.-]{4,24}\d(?![\w/])")
_SENTENCE_END = re.compile("[.!?…؟۔。！？]")
_BLOCKS = {
    "paragraph",
    "heading",
    "blockquote",
    "callout",
    "callout_title",
    "list_item",
    "table",
    "td",
    "th",
    "dt",
    "dd",
}
_LISTS = {"bullet_list", "ordered_list"}
_TITLES = {"heading", "dt"}


def direction_of(text: str, around: Direction) -> Direction:
    """Return how the text reads: as most letters of its first sentence do.

    Amid text from right to left only what has no letter of that kind reads otherwise.
    """
    if around == "rtl":
        return "ltr" if _LETTER.search(text) and not RIGHT_TO_LEFT.search(text) else "rtl"
    if not RIGHT_TO_LEFT.search(text):
        return "ltr"
    sentences = (_LETTER.findall(sentence) for sentence in _SENTENCE_END.split(text))
    letters = next(filter(None, sentences), [])
    return "rtl" if 2 * sum(bool(RIGHT_TO_LEFT.match(one)) for one in letters) > len(letters) else "ltr"


def mark_directions(tokens: Sequence[Token], around: Direction) -> bool:
    """Mark blocks that read otherwise than the text around them, and code and bare addresses, which read one way.

    Return whether there was any.
    """
    position, marked = 0, False
    while position < len(tokens):
        token, end = tokens[position], closing(tokens, position)
        inside = tokens[position + 1 : end]
        kind = token.type.removesuffix("_open")
        own = _of_block(kind, inside, around)
        if own != around and kind in _TITLES and not _goes_on(tokens, end + 1, own):
            # It stays on the side of what follows, and of the bar above it.
            inside[0].children = isolate(inside[0].children or (), own)
            marked = True
        elif own != around or kind in ("fence", "code_block"):
            token.attrs["dir"] = own
            marked = True
        marked |= _mark_inline(token, own) | mark_directions(inside, own)
        position = end + 1
    return marked


def isolate(children: Sequence[Token], own: Direction) -> list[Token]:
    """Return the tokens in an element of their own direction."""
    return [Token("isolate_open", "span", 1, {"dir": own}), *children, Token("isolate_close", "span", -1)]


def _goes_on(tokens: Sequence[Token], position: int, own: Direction) -> bool:
    """Tell whether the block there reads in that direction too."""
    if position >= len(tokens):
        return False
    kind, inside = tokens[position].type.removesuffix("_open"), tokens[position + 1 : closing(tokens, position)]
    return _of_block(kind, inside, "rtl" if own == "ltr" else "ltr") == own


def _of_block(kind: str, inside: Sequence[Token], around: Direction) -> Direction:
    if kind in ("fence", "code_block"):
        return "ltr"
    if kind in _LISTS:
        # Items may differ from their list; it has the side of them all, or that of the text around it.
        ways = {direction_of(_text(inside[n : closing(inside, n)]), around) for n in _items(inside)}
        return ways.pop() if len(ways) == 1 else around
    return direction_of(_text(inside), around) if kind in _BLOCKS else around


def _items(inside: Sequence[Token]) -> list[int]:
    level = inside[0].level if inside else 0
    return [n for n, token in enumerate(inside) if token.type == "list_item_open" and token.level == level]


def _text(inside: Sequence[Token]) -> str:
    return " ".join(plain(token.children or ()) for token in inside if token.type == "inline")


def _mark_inline(block: Token, around: Direction) -> bool:
    marked = False
    children: list[Token] = []
    for child in block.children or ():
        if child.type == "code_inline" or (child.type == "link_open" and child.markup in ("linkify", "autolink")):
            child.attrs["dir"] = "ltr"
            marked = True
        pieces = list(_with_phone_numbers(child)) if around == "rtl" and child.type == "text" else [child]
        marked |= len(pieces) > 1
        children += pieces
    if block.children:
        block.children = children
    return marked


def _with_phone_numbers(text: Token) -> Iterator[Token]:
    """Yield the text, with each phone number in it in an element that reads from left to right."""
    position = 0
    for found in PHONE_NUMBER.finditer(text.content):
        yield Token("text", "", 0, content=text.content[position : found.start()])
        yield from isolate([Token("text", "", 0, content=found[0])], "ltr")
        position = found.end()
    yield Token("text", "", 0, content=text.content[position:]) if position else text
