"""Check that a table is not wider than an email: a client cuts off what is beyond the edge, without a sign of it.

Some clients let subscribers scroll the table aside, and not all of those show the shadow that says so.
"""

from collections.abc import Iterator, Sequence

from markdown_it.token import Token

from mailer.checks.proofs import Proof
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


def look(proof: Proof) -> Iterator[Finding]:
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
