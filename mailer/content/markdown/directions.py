"""Say of each block whether it reads from right to left, as browsers do for `dir="auto"` and email clients cannot."""

import re
from collections.abc import Sequence
from typing import Literal

from markdown_it.token import Token

from mailer.content.markdown.text import closing, plain

Direction = Literal["ltr", "rtl"]

RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_LETTER = re.compile(r"[^\W\d_]")
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
        own = _of_block(token.type.removesuffix("_open"), inside, around)
        if own != around or token.type in ("fence", "code_block"):
            token.attrs["dir"] = own
            marked = True
        marked |= _mark_inline(token.children or ()) | mark_directions(inside, own)
        position = end + 1
    return marked


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


def _mark_inline(children: Sequence[Token]) -> bool:
    marked = False
    for child in children:
        if child.type == "code_inline" or (child.type == "link_open" and child.markup in ("linkify", "autolink")):
            child.attrs["dir"] = "ltr"
            marked = True
    return marked
