"""Report what Markdown itself drops without a word: cells beyond a table's header, and notes nobody points at."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markdown_it.rules_block.table import escapedSplit
from markdown_it.token import Token

from mailer.content.markdown.remarks import Remark, shortened

# A remark, and all of the text that it is about.
Vanished = tuple[Remark, str]
_NOTE = re.compile(r"(?P<indent>[ \t>]*)(?:(?:[*+-]|\d{1,9}[.)])[ \t]+)*\[\^(?P<label>[^\]\s]+)\]:")


def vanished(tokens: Sequence[Token], lines: Sequence[str], env: Mapping[str, Any]) -> Iterator[Vanished]:
    yield from _cells(tokens, lines)
    unused = [label.removeprefix(":") for label, used in env.get("footnotes", {}).get("refs", {}).items() if used < 0]
    notes = [(number, note) for number, line in enumerate(lines if unused else ()) if (note := _NOTE.match(line))]
    first = {note["label"]: number for number, note in reversed(notes)}
    for label in unused:
        yield _note(label, first.get(label, 0), lines)


def _cells(tokens: Sequence[Token], lines: Sequence[str]) -> Iterator[Vanished]:
    columns = 0
    for token in tokens:
        if token.type == "table_open":
            columns = 0
        elif token.type == "th_open":
            columns += 1
        elif token.type == "tr_open" and columns and token.map:
            row = lines[token.map[0]].strip(" \t>")
            more = [cell.strip() for cell in escapedSplit(row.removeprefix("|").removesuffix("|"))[columns:]]
            if any(more):
                text = " | ".join(more)
                what = f'"{shortened(text)}" is in no column of the table\'s header, so it would not be in the email'
                fix = "give the header a cell for each column; a | in a cell is \\|"
                yield Remark(token.map[0], 0, "text-lost", what, fix, "error"), text


def _note(label: str, start: int, lines: Sequence[str]) -> Vanished:
    end = start + 1
    own = _NOTE.match(lines[start])
    indent = len(own["indent"]) if own else 0
    # A note goes on in the lines right below, and behind an empty line in what is indented.
    while end < len(lines) and (lines[end].strip() or (lines[end + 1 : end + 2] and lines[end + 1].startswith("    "))):
        if not lines[end - 1].strip() and not lines[end].startswith("    "):
            break
        if (following := _NOTE.match(lines[end])) and len(following["indent"]) <= indent:
            break
        end += 1
    text = "\n".join(lines[start:end])
    what = f'nothing in the text points at the note "{shortened(text)}", so it is missing from the email'
    fix = f'write "[^{label}]" where it belongs, or remove it'
    return Remark(start, 0, "note-unused", what, fix), text
