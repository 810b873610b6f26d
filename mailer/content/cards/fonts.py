"""The fonts that cards are written in: a file that the editor names, and those of the extra `cards`.

Fonts of the system are never used: each machine has others, and a server has none.
"""

import re
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from mailer.config.newsletter import Newsletter

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

EM = 100  # pixels at which text is measured
NOWHERE = "\U0010ffff"  # a code point that no font has a character for
# What is installed with the extra `cards`: a package for each font, all under the SIL Open Font License 1.1.
SANS, ARABIC, CJK = "fontpkg_noto_sans", "fontpkg_noto_sans_arabic", "noto_cjk_sans_otc"
HOW_TO_INSTALL = 'install "markdown-mailer[cards]", or name a font file as card_font in newsletter.toml'
# A collection has a face for each region, which draws some characters in its own way (直, 骨).
REGIONS = {"ja": "JP", "ko": "KR", "zh-hant": "TC", "zh-tw": "TC", "zh-hk": "HK", "zh-mo": "HK"}

BOLD = ("Bold", "Black", "Heavy")  # in the name of a style

_one_thread = Lock()  # FreeType reads a face in one thread at a time, and a preview has several


class NoFont(Exception):
    """There is no font to write a card in; the text says why."""


@dataclass(frozen=True)
class Font:
    path: str
    index: int  # of the face, in a collection
    family: str
    is_bold: bool = False
    is_variable: bool = False  # so it has a bold too

    def has(self, sign: str) -> bool:
        return _has(self, sign)

    def width(self, text: str) -> float:
        """Return about how wide the text is in this font, in ems. Ligatures and joined letters are narrower."""
        with _one_thread:
            return float(_face(self.path, self.index).getlength(text)) / EM


@dataclass(frozen=True)
class Run:
    """Text that is drawn in one font."""

    text: str
    font: Font


def fonts_for(newsletter: Newsletter, language: str) -> list[Font]:
    """Return the fonts for a text in this language, the best first. Raises NoFont."""
    found = [_own(newsletter, language)] if newsletter.card_font else []
    installed = (_installed(package, language) for package in _order(language))
    for font in installed:
        if font and font.family not in {one.family for one in found}:
            found.append(font)
    if not found:
        raise NoFont("there is no font to write it in")
    return found


def fewest(text: str, fonts: list[Font]) -> list[Font]:
    """Return the one font that has the whole text, the best of them; all if none has."""
    whole = _font_of(text, fonts)
    return [whole] if whole else fonts


def runs(text: str, fonts: Sequence[Font]) -> list[Run]:
    """Divide the text into runs of one font each: a word is not drawn in two if one font has all of it.

    Characters that no font has are drawn in the first; ask `missing` before.
    """
    divided: list[Run] = []
    for word in _words(text):
        whole = _font_of(word, fonts) if not word.isspace() else divided[-1].font if divided else fonts[0]
        parts = [Run(word, whole)] if whole else [Run(part, _font_of(part, fonts) or fonts[0]) for part in _signs(word)]
        for part in parts:
            if divided and divided[-1].font == part.font:
                divided[-1] = Run(divided[-1].text + part.text, part.font)
            else:
                divided.append(part)
    return divided


def missing(text: str, fonts: list[Font]) -> str:
    """Return the characters that none of the fonts has, each once."""
    return "".join(sign for sign in dict.fromkeys(text) if _is_drawn(sign) and not any(one.has(sign) for one in fonts))


def is_wide(sign: str) -> bool:
    """Tell whether it is a character of Chinese or Japanese, or punctuation of theirs; Korean has words."""
    return unicodedata.east_asian_width(sign) in ("W", "F") and not unicodedata.name(sign, "").startswith("HANGUL")


def _order(language: str) -> tuple[str, str, str]:
    first = language.split("-")[0]
    if first in ("zh", "ja", "ko"):
        return CJK, SANS, ARABIC
    return (ARABIC, SANS, CJK) if first in ("ar", "fa", "ur", "ps", "ckb", "ug", "sd") else (SANS, ARABIC, CJK)


def _own(newsletter: Newsletter, language: str) -> Font:
    path = newsletter.folder / newsletter.card_font
    try:
        return _read(str(path), language)
    except OSError as error:
        raise NoFont(f"card_font {path} cannot be read as a font ({error.strerror or error})") from None


@lru_cache
def _installed(package: str, language: str) -> Font | None:
    found = find_spec(package)
    for folder in (found.submodule_search_locations or ()) if found else ():
        files = sorted(path for path in Path(folder).rglob("*.tt[fc]") if "Italic" not in path.name)
        with suppress(OSError):  # of a damaged installation
            return next((_read(str(path), language) for path in files), None)
    return None


@lru_cache
def _read(path: str, language: str) -> Font:
    face, index = _face(path, 0), 0
    region = REGIONS.get(language) or REGIONS.get(language.split("-")[0], "SC")
    for number in range(1, 20 if path.lower().endswith((".ttc", ".otc")) else 1):
        try:
            other = _face(path, number)
        except OSError:
            break
        family = str(other.getname()[0])
        if family.endswith(f" {region}") and "Mono" not in family:
            face, index = other, number
            break
    family, style = (str(name) for name in face.getname())
    return Font(path, index, family, any(bold in style for bold in BOLD), _is_variable(face))


def _is_variable(face: "FreeTypeFont") -> bool:
    try:
        return bool(face.get_variation_axes())
    except (OSError, NotImplementedError):
        return False


@lru_cache
def _face(path: str, index: int) -> "FreeTypeFont":
    from PIL import ImageFont

    # Without raqm, which finds some of what it needs on the system, and so measures otherwise on another machine.
    return ImageFont.truetype(path, EM, index=index, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=4096)
def _has(font: Font, sign: str) -> bool:
    # Pillow does not say which characters a font has, but what it draws instead of one that is missing.
    face = _face(font.path, font.index)
    try:
        with _one_thread:
            drawn, instead = (bytes(face.getmask(one)) for one in (sign, NOWHERE))
            return drawn != instead or face.getbbox(sign) != face.getbbox(NOWHERE)
    except OSError:  # of a damaged file, some characters can be drawn
        return False


def _font_of(text: str, fonts: Sequence[Font]) -> Font | None:
    return next((font for font in fonts if all(font.has(sign) for sign in text if _is_drawn(sign))), None)


def _is_drawn(sign: str) -> bool:
    return not sign.isspace() and unicodedata.category(sign) != "Cf"


def _words(text: str) -> list[str]:
    words: list[str] = []
    for part in re.findall(r"\s+|\S+", text):
        if part.isspace():
            words.append(part)
            continue
        start = 0
        for place, sign in enumerate(part):
            if is_wide(sign):
                words += [part[start:place], sign]
                start = place + 1
        words.append(part[start:])
    return [word for word in words if word]


def _signs(word: str) -> list[str]:
    """Divide a word into characters, each with the marks that stand on it."""
    signs: list[str] = []
    for sign in word:
        if signs and (unicodedata.combining(sign) or not _is_drawn(sign)):
            signs[-1] += sign
        else:
            signs.append(sign)
    return signs
