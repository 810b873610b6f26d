"""Read `==marked==` text, as Obsidian and many other editors write it."""

import re
from collections.abc import Callable

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline

from mailer.content.markdown.cjk import goes_on, is_prefix, is_wide

# No space inside, as with `**`: "a == b == c" compares.
_MARK = re.compile(r"==(?![\s=])((?:[^=]|=(?!=))+?)(?<![\s=])==(?!=)")

# Obsidian marks "如果值==空或者==零" from one sign to the other; but no marked words end so.
_CONJUNCTIONS = ("或", "或者", "并且", "並且", "而且", "且", "还是", "還是", "または", "かつ")


def mark_plugin(md: MarkdownIt) -> None:
    md.inline.ruler.after("strikethrough", "mark", _mark)


def _mark(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] != "=":
        return False
    found = _MARK.match(state.src, state.pos, state.posMax)
    if not found or found[1].endswith(_CONJUNCTIONS) or _in_a_word(state.src, found.start() - 1, is_prefix):
        return False
    if _in_a_word(state.src, found.end(), goes_on):
        return False
    if not silent:
        state.push("mark_open", "mark", 1)
        state.pos, state.posMax, end = found.start(1), found.end(1), state.posMax
        state.md.inline.tokenize(state)
        state.posMax = end
        state.push("mark_close", "mark", -1)
    state.pos = found.end()
    return True


def _in_a_word(text: str, position: int, may_touch: Callable[[str], bool]) -> bool:
    """Tell whether it is a letter of a script with spaces: "if a==b or c==d" marks nothing."""
    if not 0 <= position < len(text):
        return False
    letter = text[position]
    return (letter.isalnum() or letter in "_=") and not is_wide(letter) and not may_touch(letter)
