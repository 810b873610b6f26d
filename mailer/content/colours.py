"""Derive the colours of a newsletter's emails, readable on light and on dark, from its accent colour.

Contrast as in WCAG 2.2, 1.4.3: text needs 4.5 to 1.
"""

from dataclasses import dataclass
from functools import lru_cache

PAPER, INK = "#ffffff", "#1f2328"
DARK_PAPER = "#161b22"
READABLE = 4.6  # a little over 4.5, because clients round
READABLE_ON_DARK = 7.0  # colours look duller on a dark background


@dataclass(frozen=True)
class Palette:
    accent: str  # of areas, as the editor gave it
    on_accent: str  # text on such an area
    link: str  # the accent, darkened until it is readable on white
    link_dark: str  # the same, lightened for dark mode


@lru_cache(maxsize=64)
def palette(accent: str) -> Palette:
    """Return the colours for an accent: "#" and six hexadecimal digits."""
    on_accent = PAPER if contrast(accent, PAPER) >= contrast(accent, INK) else INK
    return Palette(
        accent,
        on_accent,
        _towards(accent, "#000000", PAPER, READABLE),
        _towards(accent, "#ffffff", DARK_PAPER, READABLE_ON_DARK),
    )


def _towards(colour: str, end: str, ground: str, enough: float) -> str:
    for step in range(21):
        mixed = mix(colour, end, step / 20)
        if contrast(mixed, ground) >= enough:
            return mixed
    return end


def mix(colour: str, other: str, share: float) -> str:
    channels = zip(_channels(colour), _channels(other), strict=True)
    return "#" + "".join(f"{round(one + (two - one) * share):02x}" for one, two in channels)


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (
        channel / 255 / 12.92 if channel / 255 <= 0.04045 else ((channel / 255 + 0.055) / 1.055) ** 2.4
        for channel in _channels(colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
