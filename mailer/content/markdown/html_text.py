"""Write a block of HTML as plain text: its lists, tables, quotes and code look as those of Markdown do."""

import re
from collections.abc import Callable, Iterator, Sequence

from markdown_it.token import Token

from mailer.content.markdown.plain_blocks import in_columns, indent
from mailer.content.markdown.raw_html import tag_of

Inline = Callable[[Sequence[Token]], str]

_STRUCTURES = frozenset({"ul", "ol", "blockquote", "pre", "table"})
# Elements whose end tag may be missing → the tags that end them.
_ENDED_BY = {"li": {"li"}, "tr": {"tr"}, "td": {"td", "th", "tr"}, "th": {"td", "th", "tr"}}


def html_to_text(children: Sequence[Token], inline: Inline) -> str:
    """Return the text of a block; `inline` writes what has no structure."""
    return _written(children, inline) if _is_structured(children) else inline(children)


def _is_structured(children: Sequence[Token]) -> bool:
    return any(child.type == "html_inline" and _opens(child, _STRUCTURES) for child in children)


def _written(children: Sequence[Token], inline: Inline) -> str:
    parts = (
        _WRITERS[name](inside, inline) if name else inline(list(map(_with_spaces, inside)))
        for name, inside in _split(children, _STRUCTURES)
    )
    return "\n\n".join(filter(None, parts))


def _with_spaces(child: Token) -> Token:
    """Return a text with its line breaks as spaces, which is what they mean in HTML."""
    return Token("text", "", 0, content=re.sub(r"\s+", " ", child.content)) if child.type == "text" else child


def _opens(child: Token, names: frozenset[str]) -> str:
    """Return which of these elements the token opens, or ""."""
    name, closes = tag_of(child)
    return name if name in names and not closes else ""


def _split(children: Sequence[Token], names: frozenset[str]) -> Iterator[tuple[str, Sequence[Token]]]:
    """Return each element of these names with what is in it, and what stands between them under the name ""."""
    begin = position = 0
    while position < len(children):
        if not (name := _opens(children[position], names)):
            position += 1
            continue
        yield "", children[begin:position]
        end = _end(children, position, name)
        yield name, children[position + 1 : end]
        begin = position = end + (end < len(children) and tag_of(children[end]) == (name, True))
    yield "", children[begin:]


def _end(children: Sequence[Token], start: int, name: str) -> int:
    """Return where the element that opens at `start` ends: at its tag, at the next of its kind, or with the block."""
    ends, depth = _ENDED_BY.get(name, {name}), 0
    for position in range(start + 1, len(children)):
        found, closes = tag_of(children[position])
        if found in ends and (depth == 0 and (closes or name in _ENDED_BY)):
            return position
        if found in _STRUCTURES:
            depth = max(depth - 1, 0) if closes else depth + 1
    return len(children)


def _bullets(inside: Sequence[Token], inline: Inline) -> str:
    return _list(inside, inline, lambda _: "- ")


def _numbered(inside: Sequence[Token], inline: Inline) -> str:
    return _list(inside, inline, lambda number: f"{number}. ")


def _list(inside: Sequence[Token], inline: Inline, mark: Callable[[int], str]) -> str:
    found = [_written(item, inline) for name, item in _split(inside, frozenset({"li"})) if name]
    items = [re.sub(r"\n{2,}", "\n", item) for item in found if item]
    marks = [mark(number) for number in range(1, len(items) + 1)]
    return "\n".join(indent(item, lead, " " * len(lead)) for item, lead in zip(items, marks, strict=True))


def _quote(inside: Sequence[Token], inline: Inline) -> str:
    return indent(_written(inside, inline), "> ", "> ")


def _code(inside: Sequence[Token], inline: Inline) -> str:
    lines = ("\n" if child.type == "hardbreak" else child.content for child in inside if child.type != "html_inline")
    return indent("".join(lines).strip("\n"), "    ", "    ")


def _table(inside: Sequence[Token], inline: Inline) -> str:
    """Return a table in columns; of one that only lays out what is in it, what is in it."""
    rows: list[list[tuple[str, Sequence[Token]]]] = []
    beside = []
    for name, row in _split(inside, frozenset({"tr"})):
        if name:
            rows.append([cell for cell in _split(row, frozenset({"td", "th"})) if cell[0]])
        else:
            beside.append(_written(row, inline))  # a caption
    written = [[_written(cell, inline) for _, cell in row] for row in rows]
    lays_out = any("\n\n" in text for row in written for text in row) or max(map(len, written), default=0) < 2
    if lays_out or any(_is_structured(cell) for row in rows for _, cell in row):
        table = "\n\n".join(text for row in written for text in row if text)
    else:
        is_headed = bool(rows) and all(name == "th" for name, _ in rows[0])
        table = in_columns([row for row in written if any(row)], is_headed=is_headed)
    return "\n\n".join(filter(None, (*beside, table)))


_WRITERS: dict[str, Callable[[Sequence[Token], Inline], str]] = {
    "ul": _bullets,
    "ol": _numbered,
    "blockquote": _quote,
    "pre": _code,
    "table": _table,
}
