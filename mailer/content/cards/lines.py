"""Break a title into lines, as large as they fit: the rules of Chinese and Japanese, long words, an ellipsis."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from mailer.content.cards.fonts import is_wide

MOST_LINES = 4
LEADING = 1.28  # of the size, from line to line
# JIS X 4051 and GB/T 15834: what must not begin a line, and what must not end one.
NOT_FIRST = frozenset(
    "、。，．・：；？！）］｝〕〉》」』】〙〗”’％‰℃…‥—～ー々〻ヽヾゝゞぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ,.:;?!)]}%»›"
)
NOT_LAST = frozenset("（［｛〔〈《「『【〘〖“‘￥＄([{«‹")
AFTER_HYPHENS = frozenset("-‐–—/")

Measure = Callable[[str], float]  # the width of a text in ems


@dataclass(frozen=True)
class Box:
    width: float  # pixels
    height: float


@dataclass(frozen=True)
class Layout:
    size: int  # of the font, in pixels
    lines: tuple[str, ...]


def fitted(text: str, measure: Measure, box: Box, sizes: tuple[int, ...], ellipsis: str = "…") -> Layout:
    """Return the text in the largest of `sizes` in which it fits into the box; in the smallest it may be cut."""
    pieces = pieces_of(text)
    for size in sizes:
        width = box.width / size
        if max(map(measure, (piece.rstrip() for piece in pieces)), default=0) > width:
            continue
        lines = wrapped(pieces, width, measure)
        if len(lines) <= _most_lines(box, size):
            return Layout(size, _balanced(pieces, lines, width, measure))
    size = sizes[-1]
    width, most = box.width / size, _most_lines(box, size)
    short = [part for piece in pieces for part in _broken(piece, width, measure)]
    lines = wrapped(short, width, measure)
    if len(lines) > most:
        lines = [*lines[: most - 1], _cut(lines[most - 1], width, measure, ellipsis)]
    return Layout(size, tuple(lines))


def pieces_of(text: str) -> list[str]:
    """Divide the text where a line may end. A space stays with the piece before it."""
    pieces: list[str] = []
    for place, sign in enumerate(text):
        if place and not _may_break(text[place - 1], sign, text[place - 2 : place - 1]):
            pieces[-1] += sign
        else:
            pieces.append(sign)
    return pieces


def wrapped(pieces: list[str], width: float, measure: Measure) -> list[str]:
    """Fill lines with pieces; one that is too wide for any line has its own."""
    lines: list[str] = []
    line, filled = "", 0.0
    for piece in pieces:
        if line and filled + measure(piece.rstrip()) > width:
            lines.append(line.rstrip())
            line, filled = "", 0.0
        line += piece
        filled += measure(piece)
    return [*lines, line.rstrip()] if line.strip() else lines


def _may_break(before: str, after: str, twice_before: str) -> bool:
    if before.isspace():
        return before != "\u00a0" and not after.isspace()
    if after.isspace() or unicodedata.combining(after) or unicodedata.category(after) == "Cf":
        return False
    if after in NOT_FIRST or before in NOT_LAST:
        return False
    if before in AFTER_HYPHENS:
        return after.isalpha() and twice_before.isalpha()
    return is_wide(before) or is_wide(after)


def _most_lines(box: Box, size: int) -> int:
    return max(1, min(MOST_LINES, int(box.height / (size * LEADING))))


def _balanced(pieces: list[str], lines: list[str], width: float, measure: Measure) -> tuple[str, ...]:
    """Make the lines about equally long, as CSS's `text-wrap: balance`, so that no last line has a single word."""
    for part in range(50, 100, 3):
        narrower = width * part / 100
        better = wrapped(pieces, narrower, measure)
        if len(better) == len(lines) and all(measure(line) <= width for line in better):
            return tuple(better)
    return tuple(lines)


def _broken(piece: str, width: float, measure: Measure) -> list[str]:
    """Break a piece that is too wide for a line, with hyphens in scripts that have them."""
    if measure(piece.rstrip()) <= width:
        return [piece]
    parts, part = [], ""
    for sign in piece:
        joined = unicodedata.combining(sign) or unicodedata.category(sign) == "Cf"
        hyphen = "-" if part[-1:].isalpha() and sign.isalpha() and sign.lower() != sign.upper() else ""
        if part and not joined and measure(f"{part}{sign}{hyphen}") > width:
            parts.append(part + hyphen)
            part = ""
        part += sign
    return [*parts, part]


def _cut(line: str, width: float, measure: Measure, ellipsis: str) -> str:
    while line and measure(line + ellipsis) > width:
        line = line[:-1].rstrip()
    return line.rstrip(" ,.;:-–—，。、；：") + ellipsis
