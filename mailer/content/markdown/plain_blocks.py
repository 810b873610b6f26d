"""Lay out lines of plain text: marks before them, lines below them, and columns."""

import unicodedata
from collections.abc import Sequence

COLUMNS = 72


def display_width(text: str) -> int:
    """Return the columns that the text takes in a terminal: wide characters take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def underline(words: str, stroke: str) -> str:
    return stroke * min(display_width(words), COLUMNS)


def indent(text: str, first: str, rest: str) -> str:
    lines = text.split("\n")
    return "\n".join(((rest if number else first) + line).rstrip() for number, line in enumerate(lines))


def in_columns(rows: Sequence[Sequence[str]], *, is_headed: bool = True) -> str:
    """Return rows of a table with their cells below each other, or after each other if that is too wide."""
    most = max(map(len, rows))
    cells = [[cell.replace("\n", " ") for cell in row] + [""] * (most - len(row)) for row in rows]
    widths = [max(map(display_width, column)) for column in zip(*cells, strict=True)]
    if sum(widths) + 3 * len(widths) > COLUMNS:
        widths = [0] * len(widths)
    lines = [" | ".join(map(_padded, row, widths)).rstrip() for row in cells]
    return "\n".join([lines[0], underline(lines[0], "-"), *lines[1:]] if is_headed else lines)


def _padded(cell: str, width: int) -> str:
    return cell + " " * max(width - display_width(cell), 0)
