"""Convert SVG to PNG, because mail clients do not show SVG. Nothing outside the drawing is read.

A drawing whose text needs fonts is refused: each machine has others, and the email must look the same wherever it is
made.
"""

import base64
import binascii
import math
import re
import subprocess
import sys

from lxml import etree

from mailer.content.assets import svg_program
from mailer.content.assets.raster import MOST_PIXELS, WIDEST, size_of
from mailer.content.assets.unfit import TooComplex, TooLarge, Unreadable

PATIENCE = 15.0  # seconds; on a busy machine two seconds of CPU take longer
LONGEST_NUMBER = 32  # characters
IN_FONTS = frozenset({"text", "foreignObject"})
PIXELS = {"": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "in": 96.0, "cm": 96 / 2.54, "mm": 96 / 25.4}


def is_svg(content: bytes) -> bool:
    begin = content[:2000].lower()
    return b"<svg" in begin and not begin.startswith((b"\x89png", b"gif8", b"riff", b"\xff\xd8"))


def to_png(content: bytes) -> tuple[bytes, int]:
    """Return the drawing as PNG, and how many of its pixels make one CSS pixel.

    Raises `Unreadable`, `TooLarge`, and `TooComplex` for one that takes more than 2 s or 300 MB.
    """
    root = _parsed(content)
    _refuse_what_is_not_in_the_file(root)
    width, height = _size(root)
    scale = min(2.0, WIDEST / width) if width < WIDEST else WIDEST / width
    density = 2 if scale == 2.0 else 1
    wide, high = round(width * scale), max(1, round(height * scale))
    if wide * high > MOST_PIXELS:
        raise TooLarge(f"has too many pixels to draw ({wide} × {high})")
    root.set("viewBox", root.get("viewBox") or f"0 0 {width} {height}")
    root.set("width", str(wide))
    root.set("height", str(high))
    return _drawn(etree.tostring(root)), density


def _drawn(document: bytes) -> bytes:
    command = [sys.executable, "-I", svg_program.__file__]
    try:
        # The command is ours; only what it reads is not.
        done = subprocess.run(command, input=document, capture_output=True, timeout=PATIENCE, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise TooComplex from None
    if done.returncode < 0:  # killed, or out of memory
        raise TooComplex
    if done.returncode:
        raise Unreadable(f"cannot be drawn ({done.stderr.decode(errors='replace').strip()[:100]})")
    return done.stdout


def _parsed(content: bytes) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise Unreadable(f"is not a readable SVG ({error.msg})") from None
    if root.getroottree().docinfo.internalDTD is not None and b"<!ENTITY" in content:
        raise Unreadable("declares entities, which are not supported")
    if _name(root) != "svg":
        raise Unreadable("is not an SVG")
    return root


def _name(element: etree._Element) -> str:
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def _refuse_what_is_not_in_the_file(root: etree._Element) -> None:
    for element in root.iter():
        name = _name(element)
        if name in IN_FONTS:
            raise Unreadable("contains text, which looks different on every machine")
        if name in ("image", "feImage"):
            _check_inner(_reference(element))


def _reference(element: etree._Element) -> str:
    return (element.get("href") or element.get("{http://www.w3.org/1999/xlink}href") or "").strip()


def _check_inner(address: str) -> None:
    if not address or address.startswith("#"):
        return
    found = re.match(r"data:image/(?:png|jpe?g|gif|webp);base64,", address)
    if not found:
        raise Unreadable("refers to an image that is not embedded")
    try:
        width, height = size_of(base64.b64decode(address[found.end() :]))
    except (binascii.Error, ValueError):
        raise Unreadable("contains a damaged image") from None
    if width * height > MOST_PIXELS:
        raise TooLarge("contains an image with too many pixels")


def _size(root: etree._Element) -> tuple[float, float]:
    """Return width and height in CSS pixels."""
    box = [_number(part) for part in root.get("viewBox", "").replace(",", " ").split()]
    box = box if len(box) == 4 and box[2] > 0 and box[3] > 0 else []
    width, height = _length(root.get("width")), _length(root.get("height"))
    if box:
        width = width or (height * box[2] / box[3] if height else box[2])
        height = height or width * box[3] / box[2]
    if not width or not height:
        raise Unreadable("has no size; add a viewBox to its <svg>")
    if not (0.5 <= width <= 100_000 and 0.5 <= height <= 100_000):
        raise TooLarge("has an impossible size")
    return width, height


def _length(written: str | None) -> float:
    found = re.match(r"[-+.0-9]*(?:e[-+]?[0-9]+)?", written := (written or "").strip().lower())
    number, unit = (found[0], written[found.end() :].strip()) if found else ("", "")
    return max(0.0, _number(number)) * PIXELS.get(unit, 0.0)


def _number(written: str) -> float:
    """Return the number, or 0 if it is not one."""
    if len(written) > LONGEST_NUMBER:
        return 0.0
    try:
        number = float(written)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0
