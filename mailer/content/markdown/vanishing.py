"""Report what Markdown itself drops without a word: cells beyond a table's header, notes nobody points at, and lines
such as "[Anna]: 你好", which give the link "Anna" an address.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markdown_it.rules_block.table import escapedSplit
from markdown_it.token import Token

from mailer.content.markdown.remarks import Remark, shortened

# A remark, and all of the text that it is about.
Vanished = tuple[Remark, str]
# Letters of other scripts are not an address, unless it begins as one does. Nor is a word with a full stop: "Yes."
_LED_TO = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|[/#]|\.\.?/|[.?%]+[^.?%]|(?=[!-~]*\Z)[^./#@?]*[./#@?]+[^./#@?]")
_SAID = re.compile(r"(?![\x00-\x7f]*\Z)[^./]*|.*[.!?…。！？]")  # even if a link has it
_COMMENT = re.compile(r"[ \t>]*\[(?://|comment|[#_.-])\]", re.IGNORECASE)
_NOTE = re.compile(r"(?P<indent>[ \t>]*)(?:(?:[*+-]|\d{1,9}[.)])[ \t]+)*\[\^(?P<label>[^\]\s]+)\]:")


def vanished(tokens: Sequence[Token], lines: Sequence[str], env: Mapping[str, Any]) -> Iterator[Vanished]:
    yield from _cells(tokens, lines)
    yield from _speeches(tokens, lines, env)
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


def _speeches(tokens: Sequence[Token], lines: Sequence[str], env: Mapping[str, Any]) -> Iterator[Vanished]:
    """Report the definitions of links whose address is a word, unless a link has it that may be one."""
    found = [*env.get("references", {}).values(), *env.get("duplicate_refs", ())]
    words = [one for one in found if one["href"] and not _LED_TO.match(one["href"])]
    children = [child for token in tokens for child in token.children or ()] if words else []
    used = {child.attrs.get("href", child.attrs.get("src")) for child in children}
    for one in sorted(words, key=lambda one: int(one["map"][0])):
        begin, end = one["map"]
        text = "\n".join(lines[begin:end])
        is_used = one["href"] in used and not _SAID.fullmatch(one["href"])
        if not is_used and not _COMMENT.match(text):
            what = f'"{shortened(text)}" is read as the address of a link, so it would not be in the email'
            yield Remark(begin, 0, "text-lost", what, "put a backslash before its [, or remove it", "error"), text


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
