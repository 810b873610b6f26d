"""Set text with resvg, which shapes every script by itself and looks at no font but those it is given.

How wide a text will be is guessed, then drawn and measured: only what really fits into its place is used.
"""

import io
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import TYPE_CHECKING

from mailer.content.cards.fonts import Font, Run, fewest, runs
from mailer.content.cards.lines import LEADING, Box, Layout, fitted

if TYPE_CHECKING:
    from PIL.Image import Image

REGULAR, BOLD = 400, 700
EMBOLDENING = 0.016  # of the size: the width of a line around letters whose font has no bold
CORRECTIONS = 4  # of the widths that were guessed
CLOSE_ENOUGH = 0.94  # of what was guessed
MOST_LOST = 0.01  # of the ink: less than a sign of the longest title
MEASURED_AT = 0.5  # of the size: most of the time goes into compressing pixels


class DoesNotFit(Exception):
    """What was drawn is wider than its place, or lacks something."""


@dataclass(frozen=True)
class Style:
    fonts: tuple[Font, ...]
    rtl: bool  # its lines begin on the right
    weight: int = REGULAR
    emboldened: bool = False


@dataclass(frozen=True)
class Block:
    """Text that was laid out."""

    layout: Layout
    style: Style

    @property
    def height(self) -> float:
        return self.layout.size * (1 + (len(self.layout.lines) - 1) * LEADING)

    def markup(self, start: float, baseline: float, ink: str) -> str:
        """Return it as SVG whose lines begin at `start`, the first on `baseline`."""
        return self._lines((runs(line, self.style.fonts) for line in self.layout.lines), start, baseline, ink)

    def ink(self, width: int, start: float, zoom: float) -> "Image":
        """Draw the text alone."""
        return self._alone(self.markup(start, 2 * self.layout.size, "#000"), len(self.layout.lines), width, zoom)

    def ink_apart(self, width: int, start: float) -> "Image":
        """Draw the text alone, what is in different fonts on different lines."""
        apart = [[run] for line in self.layout.lines for run in runs(line, self.style.fonts)]
        return self._alone(self._lines(apart, start, 2 * self.layout.size, "#000"), len(apart), width)

    @property
    def is_mixed(self) -> bool:
        return any(len(runs(line, self.style.fonts)) > 1 for line in self.layout.lines)

    def _lines(self, lines: Iterable[list[Run]], start: float, baseline: float, ink: str) -> str:
        leading = self.layout.size * LEADING
        return "".join(self._line(line, start, baseline + number * leading, ink) for number, line in enumerate(lines))

    def _line(self, line: list[Run], x: float, y: float, ink: str) -> str:
        size, style = self.layout.size, self.style
        # resvg takes each line for one that runs from left to right unless it is embedded in one that does not.
        before, after = ("\u202b", "\u202c") if style.rtl else ("\u200e", "")
        # It shapes the whole line in its first font and then replaces, sign by sign, those that are in another.
        spans = _span(_hardest(line), before) + "".join(_span(run.font, run.text) for run in line) + after
        stroke = f' stroke="{ink}" stroke-width="{size * EMBOLDENING:.2f}"' if style.emboldened else ""
        return (
            f'<text x="{x:g}" y="{y:.1f}" text-anchor="{"end" if style.rtl else "start"}" font-size="{size}" '
            f'font-weight="{style.weight}" fill="{ink}"{stroke} xml:space="preserve">{spans}</text>'
        )

    def _alone(self, markup: str, lines: int, width: int, zoom: float = 1.0) -> "Image":
        height = round((lines + 2) * self.layout.size * LEADING)
        return opened(rendered(markup, self.style.fonts, width, height, zoom))


def style_of_title(text: str, fonts: Iterable[Font]) -> Style:
    """Return the style of a title: bold, if its fonts have that."""
    chosen = fewest(text, list(fonts))
    used = {run.font for run in runs(text, chosen)}
    weight = BOLD if all(font.is_variable for font in used) else REGULAR
    emboldened = weight == REGULAR and not any(font.is_bold for font in used)
    return Style(tuple(chosen), is_rtl(text), weight, emboldened)


def is_rtl(text: str) -> bool:
    """Tell whether its first letter with a direction is of a script that runs from right to left."""
    directions = (unicodedata.bidirectional(sign) for sign in text)
    return next((one != "L" for one in directions if one in ("L", "R", "AL")), False)


def block_of(text: str, style: Style, box: Box, sizes: tuple[int, ...]) -> Block:
    """Lay the text out by guessed widths, and correct these by what is drawn until it fits. Raises DoesNotFit."""
    factor = 1.0
    ellipsis = "…" if any(font.has("…") for font in style.fonts) else "..."

    @cache
    def guessed(part: str) -> float:
        return sum(run.font.width(run.text) for run in runs(part, style.fonts))

    def measure(part: str) -> float:
        return factor * guessed(part)

    for attempt in range(CORRECTIONS + 1):
        block = Block(fitted(text, measure, box, sizes, ellipsis), style)
        expected = max(map(measure, block.layout.lines), default=0.0) * block.layout.size
        # Letters of a damaged font may be wider than the card, or have no width.
        if not (expected and all(block.layout.lines)):
            raise DoesNotFit
        drawn = _drawn_width(block, box)
        if drawn <= box.width and (attempt or drawn > CLOSE_ENOUGH * expected):
            return block
        # A little more each time, so that the next attempt is not as wide again.
        factor *= (1 + 0.01 * attempt) * drawn / expected
    raise DoesNotFit


def _drawn_width(block: Block, box: Box) -> float:
    """Return how wide the widest line is. Raises DoesNotFit if something of the text is not drawn."""
    edge, canvas = 40, round(box.width * 1.4)
    start = canvas - edge if block.style.rtl else edge
    zoom = 1.0 if block.is_mixed else MEASURED_AT  # what a line in several fonts loses shows in its full size only
    image = block.ink(canvas, start, zoom)
    ink = image.getbbox()
    if ink is None or (block.is_mixed and _is_lossy(image, block.ink_apart(canvas, start))):
        raise DoesNotFit
    return float(start - ink[0] / zoom if block.style.rtl else ink[2] / zoom - start)


def _is_lossy(drawn: "Image", apart: "Image") -> bool:
    """Tell whether lines in several fonts lost or doubled signs that each part alone has."""
    meant = _amount(apart)
    return abs(_amount(drawn) - meant) > MOST_LOST * meant


def _amount(ink: "Image") -> int:
    return sum(count * shade for shade, count in enumerate(ink.getchannel("A").histogram()))


def _hardest(line: list[Run]) -> Font:
    """Return the font of the run that takes most shaping: joined letters first, then letters with marks."""

    def shaping(run: Run) -> tuple[int, int]:
        joined = sum(unicodedata.bidirectional(sign) in ("R", "AL", "NSM") for sign in run.text)
        return joined, sum(unicodedata.decomposition(sign) != "" for sign in run.text)

    return max(line, key=shaping).font


def _span(font: Font, text: str) -> str:
    return f'<tspan font-family="{_quoted(font)}">{escape(text)}</tspan>'


def _quoted(font: Font) -> str:
    return escape(f"'{font.family}'")


def opened(content: bytes) -> "Image":
    """Return a picture of ours, decoded."""
    from PIL import Image

    return Image.open(io.BytesIO(content))


def rendered(markup: str, fonts: Iterable[Font], width: int, height: int, zoom: float = 1.0) -> bytes:
    """Return the content of an SVG as PNG. Raises DoesNotFit for a font that resvg cannot read."""
    import resvg_py

    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">{markup}</svg>'
    used = [font.path for font in fonts if _quoted(font) in markup]
    try:
        return bytes(resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True, font_files=used, zoom=zoom))
    except ValueError:
        raise DoesNotFit from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of Rust, which has no other name for it
            raise
        raise DoesNotFit from None
