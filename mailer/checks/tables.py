"""Find rows outside a table, and tables that are wider than an email: a client cuts off what is beyond the edge.

Some clients let subscribers scroll the table aside, and not all of those show the shadow that says so.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markdown_it.token import Token

from mailer.checks.proofs import CODE_SPAN, Proof, shortened
from mailer.content.findings import Finding
from mailer.content.markdown import COLUMN, display_width, plain
from mailer.content.markdown.text import closing
from mailer.content.patterns import lazy

PADDING = 24  # pixels at the sides of a cell
# Pixels of characters in the email's 15px. Measured in Chromium with Noto Sans, a wide font, tables have up to a tenth
# more; in narrower fonts they have less.
NARROW, WIDE, OTHER, IDEOGRAPH = 4.4, 10.8, 8.2, 15
BOLD = 1.06
TOLERANCE = 1.08
# Between the letters of a word no line breaks; between ideographs, and behind hyphens and question marks, it does.
BREAKS = lazy("[ \t]+|(?<=[-?])|(?<=[\u2e80-\u9fff\uf900-\uffef])|(?=[\u2e80-\u9fff\uf900-\uffef])")


# What stands between the cells, also as a Chinese or Japanese keyboard writes it. "||spoiler||" and "|x|" are not rows.
_FRAMED = lazy(r"[|｜](?=\s|[^|｜]{2}).*[|｜]\Z")
_OPEN = lazy(r"(?<!\\)(?<=\S)(?:\s{1,20}\|\s{1,20}|\s{0,20}｜\s{0,20})(?=\S)")
# Between two cells. "|x + y| ≤ |x|" has none, because a space is on one side alone.
_INNER = lazy(r"(?<=[^\s|｜\\])[|｜](?=[^\s|｜])|(?<=\s)[|｜](?=\s)")
_BELOW_HEAD = lazy(r"(?=.*[-–—])[|｜+:：=\s–—-]{3,}")
_LINE_ENDS = lazy(r"(?:[ ]{2}|\\|<br\s?/?>)\n", re.IGNORECASE)
_LABEL = lazy(r"[^|｜]{1,40}[:：]")
_NO_CELLS = lazy(rf"{CODE_SPAN.pattern}|\[\[[^\[\]\n]*\]\]", re.DOTALL)


def look(proof: Proof) -> Iterator[Finding]:
    yield from _wide(proof)
    if "|" in proof.document.source or "｜" in proof.document.source:
        yield from _text(proof)


# ---------------------------------------------------------------- rows that are text


def _text(proof: Proof) -> Iterator[Finding]:
    blocks = [
        (token, inside)
        for token, inside in pairwise(proof.document.tokens)
        if token.type in ("paragraph_open", "heading_open") and inside.map
    ]
    reported = -1
    for (token, inside), (_, following) in pairwise([*blocks, (Token("", "", 0), Token("", "", 0))]):
        begin, end = token.map or (0, 0)
        if begin == reported:
            continue
        # "Day | Weather" with a line "---" below it is a heading, and the rows are a paragraph.
        if token.markup == "-" and _kind(inside.content) and following.map and following.map[0] == end:
            reported = end if _kind(following.content.split("\n")[0]) else -1
        slip = _run_together(inside.content, 1) if reported == end else _slip(inside.content)
        if slip:
            yield proof.finding(begin + slip.row, 0, "markup-maybe", slip.what, slip.fix)


@dataclass(frozen=True)
class _Slip:
    row: int  # of its paragraph, from 0
    what: str
    fix: str


def _slip(text: str) -> _Slip | None:
    """Return the first lines that were meant as rows of a table but are shown as text."""
    written = text.split("\n")
    rows = _NO_CELLS.sub(lambda found: re.sub(r"[^\n]", "x", found[0]), text).split("\n")
    kinds = [_kind(row) for row in rows]
    framed = [number for number, kind in enumerate(kinds) if kind == "framed"]
    # One row of one cell, "|Update|", is decoration.
    if len(framed) > 1 or any(_INNER.search(rows[number].strip(), 1) for number in framed):
        return _framed(written[framed[0]], framed[0])
    head = kinds.index("below", 1) - 1 if "below" in kinds[1:] else -1
    if head >= 0 and all({"|", "｜"} & {*row} for row in rows[head : head + 2]):
        return _framed(written[head], head)
    # "Date: 3 May | Place: Rome" is not a row, and lines that begin so stay lines.
    meant = _LINE_ENDS.search(text) or all(_LABEL.match(row) for row in rows)
    if len(rows) > 1 and set(kinds) == {"open"} and not meant:
        return _run_together(written[0], len(rows) - 1)
    return None


def _framed(line: str, row: int) -> _Slip:
    wide = ", in half width" if "｜" in line else ""
    what = f'"{shortened(line)}" is in no table, so subscribers would see the signs around its cells'
    below = f"write |---|---|{wide} below the head of the table, with a column for each"
    return _Slip(row, what, f"{below}, and no empty line in it; a | in a cell is \\|")


def _run_together(line: str, more: int) -> _Slip:
    below = "line" if more == 1 else f"{more} lines"
    fix = "write |---|---| below the first line of a table, with a column for each; or end lines with a backslash"
    return _Slip(
        0, f'"{shortened(line)}" and the {below} below it begin no table, so subscribers would see a text', fix
    )


def _kind(row: str) -> str:
    row = row.strip()
    if _BELOW_HEAD.fullmatch(row):
        return "below"
    return "framed" if _FRAMED.match(row) else "open" if _OPEN.search(row) else ""


# ---------------------------------------------------------------- wide tables


def _wide(proof: Proof) -> Iterator[Finding]:
    tokens = proof.document.tokens
    for position, token in enumerate(tokens):
        if token.type == "table_open":
            needed = _needed(tokens[position : closing(tokens, position)])
            if needed > COLUMN * TOLERANCE:
                line = token.map[0] if token.map else 0
                what = (
                    f"the table needs about {needed:.0f} pixels, and an email has {COLUMN} (on a phone about 340): "
                    "subscribers would not see its last columns"
                )
                fix = "leave out columns, shorten words and addresses in its cells, or show it as an image"
                yield proof.finding(line, 0, "table-wide", what, fix)


def _needed(table: Sequence[Token]) -> float:
    """Return the fewest pixels that the table can have: of each column, the longest word."""
    columns: list[float] = []
    column = 0
    for number, token in enumerate(table):
        if token.type == "tr_open":
            column = 0
        elif token.type in ("th_open", "td_open"):
            width = _longest(plain(table[number + 1].children or [])) * (BOLD if token.type == "th_open" else 1)
            columns[column:] = [max(width, *columns[column : column + 1], 0), *columns[column + 1 :]]
            column += 1
    return sum(columns) + PADDING * len(columns)


def _longest(text: str) -> float:
    return max((sum(map(_width, word)) for word in BREAKS.split(text)), default=0)


def _width(char: str) -> float:
    if display_width(char) != 1:
        return IDEOGRAPH * display_width(char) / 2
    return NARROW if char in "iIljtfr.,:;'|!()[]/ " else WIDE if char.isupper() or char in "mw%@&" else OTHER
