"""Read callouts, `> [!TIP]`, as GitHub and Obsidian write them: five kinds, with a title of their own if they have one.

markdown-it's option `alerts` knows neither titles nor Obsidian's other names, and mails `[!info]` as it is.
"""

import re
from collections.abc import Sequence

from django.utils.translation import gettext
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block.blockquote import blockquote
from markdown_it.token import Token

# As short as those of program text, because each element has its own: content.css and head.mjml have their colours.
CLASSES = {"note": "cn", "tip": "ct", "important": "ci", "warning": "cw", "caution": "cc"}
# What Obsidian calls them besides; any other name looks like a note, as it does there.
_ALIASES = {
    **dict.fromkeys(("hint", "success", "check", "done"), "tip"),
    "attention": "warning",
    **dict.fromkeys(("danger", "error", "failure", "fail", "missing", "bug"), "caution"),
}
# Not `> [!name](address)`, which is a link, nor `> [!name]: address`, which defines one.
_MARK = re.compile(r">[ \t]*\[!(?P<name>[^\W\d_][\w-]*)(?:\|[^\]\n]*)?\](?![(\[:])[+-]?[ \t]*(?P<title>.*)")


def callout_plugin(md: MarkdownIt) -> None:
    md.block.ruler.at("blockquote", _quote_or_callout, {"alt": ["paragraph", "reference", "blockquote", "list"]})


def _quote_or_callout(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    end = state.eMarks[start_line]
    begin = state.bMarks[start_line] + state.tShift[start_line]
    found = None if silent or state.is_code_block(start_line) else _MARK.match(state.src, begin, end)
    if not found:
        return blockquote(state, start_line, end_line, silent)
    position = len(state.tokens)
    lazy = _goes_on_without_mark(state, start_line + 1, end_line)
    if not lazy:
        state.eMarks[start_line] = begin + 1  # without the line's words it is a quote of all that follows
    blockquote(state, start_line, end_line, silent)
    state.eMarks[start_line] = end
    if lazy:
        _drop_first_line(state.tokens, position + 1)
    name = found["name"].lower()
    kind = name if name in CLASSES else _ALIASES.get(name, "note")
    opening, closing = state.tokens[position], state.tokens[-1]
    opening.type, closing.type, opening.tag, closing.tag = "callout_open", "callout_close", "div", "div"
    opening.meta = {"kind": kind}
    title = found["title"].strip() or ("" if name in CLASSES else found["name"].capitalize())
    if title:
        state.tokens[position + 1 : position + 1] = _title(title, opening)
    return True


def _goes_on_without_mark(state: StateBlock, line: int, end_line: int) -> bool:
    """Tell whether the quote's first paragraph may go on in a line without ">", which Markdown calls lazy."""
    return line < end_line and not state.isEmpty(line) and state.src[state.bMarks[line] + state.tShift[line]] != ">"


def _drop_first_line(tokens: list[Token], position: int) -> None:
    """Remove the first line of the paragraph at `position`, and the paragraph if it has no other."""
    inline = tokens[position + 1]
    _, _, inline.content = inline.content.partition("\n")
    if not inline.content:
        del tokens[position : position + 3]


def _title(words: str, opening: Token) -> list[Token]:
    level, place = opening.level + 1, [opening.map[0], opening.map[0] + 1] if opening.map else None
    return [
        Token("callout_title_open", "p", 1, map=place, level=level, block=True),
        Token("inline", "", 0, content=words, map=place, level=level + 1, children=[], block=True),
        Token("callout_title_close", "p", -1, level=level, block=True),
    ]


def label(tokens: Sequence[Token], position: int) -> str:
    """Return what to call the callout that opens at `position`, in the active language; "" if it has a title."""
    if position + 1 < len(tokens) and tokens[position + 1].type == "callout_title_open":
        return ""
    labels = {
        "note": gettext("Note"),
        "tip": gettext("Tip"),
        "important": gettext("Important"),
        "warning": gettext("Warning"),
        "caution": gettext("Caution"),
    }
    return labels[str(tokens[position].meta["kind"])]
