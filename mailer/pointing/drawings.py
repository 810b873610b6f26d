"""SVG → PNG, as mail clients show no SVG. Nothing outside of the drawing is read, and it looks the same everywhere.

A drawing whose text needs fonts is refused: each machine has others, and the mail must not depend on where it is made.
"""

import base64
import binascii
import re
from functools import cache

import resvg_py
from lxml import etree

from mailer.pointing.pictures import MOST_PIXELS, WIDEST, TooLarge, Unreadable, size_of

MOST_ELEMENTS = 50_000  # with what <use> repeats
IN_FONTS = frozenset({"text", "foreignObject"})
SLOW = frozenset({"feTurbulence", "feMorphology", "feConvolveMatrix"})  # a line of these can take minutes
PIXELS = {"": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "in": 96.0, "cm": 96 / 2.54, "mm": 96 / 25.4}


def is_drawing(content: bytes) -> bool:
    begin = content[:2000].lower()
    return b"<svg" in begin and not begin.startswith((b"\x89png", b"gif8", b"riff", b"\xff\xd8"))


def to_png(content: bytes) -> tuple[bytes, int]:
    """The drawing as PNG, and how many of its pixels make one that is shown. Raises `Unreadable` and `TooLarge`."""
    root = _parsed(content)
    _refuse_what_is_not_in_the_file(root)
    _Repetition(root).refuse_bombs()
    width, height = _size(root)
    scale = min(2.0, WIDEST / width) if width < WIDEST else WIDEST / width
    density = 2 if scale == 2.0 else 1
    wide, high = round(width * scale), max(1, round(height * scale))
    if wide * high > MOST_PIXELS:
        raise TooLarge(f"has too many pixels to draw ({wide} × {high})")
    root.set("viewBox", root.get("viewBox") or f"0 0 {width} {height}")
    root.set("width", str(wide))
    root.set("height", str(high))
    try:
        drawn = resvg_py.svg_to_bytes(svg_string=etree.tostring(root, encoding="unicode"), skip_system_fonts=True)
    except (ValueError, RuntimeError, TypeError) as error:
        raise Unreadable(f"cannot be drawn ({str(error)[:100]})") from None
    return bytes(drawn), density


def _parsed(content: bytes) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise Unreadable(f"is no SVG that can be read ({error.msg})") from None
    if root.getroottree().docinfo.internalDTD is not None and b"<!ENTITY" in content:
        raise Unreadable("declares entities, which are not read")
    if _name(root) != "svg":
        raise Unreadable("is no SVG")
    return root


def _name(element: etree._Element) -> str:
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def _refuse_what_is_not_in_the_file(root: etree._Element) -> None:
    for element in root.iter():
        name = _name(element)
        if name in IN_FONTS:
            raise Unreadable("has text, which looks different on every machine")
        if name in SLOW:
            raise Unreadable(f"uses <{name}>, which can take too long to draw")
        if name in ("image", "feImage"):
            _check_inner(_reference(element))


def _reference(element: etree._Element) -> str:
    return (element.get("href") or element.get("{http://www.w3.org/1999/xlink}href") or "").strip()


def _check_inner(address: str) -> None:
    if not address or address.startswith("#"):
        return
    found = re.match(r"data:image/(?:png|jpe?g|gif|webp);base64,", address)
    if not found:
        raise Unreadable("shows an image that is not inside of the drawing")
    try:
        width, height = size_of(base64.b64decode(address[found.end() :]))
    except (binascii.Error, ValueError):
        raise Unreadable("holds an image that is damaged") from None
    if width * height > MOST_PIXELS:
        raise TooLarge("holds an image with too many pixels")


class _Repetition:
    """How many elements are drawn: ten <use> of ten <use> of … fit into a kilobyte and draw for years."""

    def __init__(self, root: etree._Element) -> None:
        self._root = root
        self._named = {element.get("id"): element for element in root.iter() if element.get("id")}
        self._size = cache(self._count)

    def refuse_bombs(self) -> None:
        try:
            drawn = self._size(self._root)
        except RecursionError:
            drawn = MOST_ELEMENTS + 1
        if drawn > MOST_ELEMENTS:
            raise TooLarge("has too many elements to draw")

    def _count(self, element: etree._Element) -> int:
        count = 1
        for child in element:
            count += self._size(child)
        for address in self._addresses(element):
            if address in self._named:
                count += self._size(self._named[address])
        return min(count, 10**9)

    @staticmethod
    def _addresses(element: etree._Element) -> list[str]:
        local = [value for value in element.attrib.values() if "#" in value and not value.startswith("data:")]
        return [name for value in local for name in re.findall(r"(?:^|url\(\s*['\"]?)#([^'\")\s]+)", value)]


def _size(root: etree._Element) -> tuple[float, float]:
    """Width and height in CSS pixels."""
    box = [float(part) for part in re.findall(r"-?\d*\.?\d+(?:e[+-]?\d+)?", root.get("viewBox", ""))]
    box = box if len(box) == 4 and box[2] > 0 and box[3] > 0 else []
    width, height = _length(root.get("width")), _length(root.get("height"))
    if box:
        width = width or (height * box[2] / box[3] if height else box[2])
        height = height or width * box[3] / box[2]
    if not width or not height:
        raise Unreadable("has no size; give its <svg> a viewBox")
    if not (0.5 <= width <= 100_000 and 0.5 <= height <= 100_000):
        raise TooLarge("has an impossible size")
    return width, height


def _length(written: str | None) -> float:
    found = re.fullmatch(r"\s*(\d*\.?\d+(?:e[+-]?\d+)?)\s*([a-z]*)\s*", written or "", re.IGNORECASE)
    return float(found[1]) * PIXELS.get(found[2].lower(), 0.0) if found else 0.0
