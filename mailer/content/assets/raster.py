"""Turn image bytes into what mail clients show: PNG, JPEG or GIF, upright, not too wide, without metadata.

A file that is already so keeps its pixels byte for byte.
"""

import io
import warnings
from dataclasses import dataclass, replace

from PIL import Image as Pillow
from PIL import ImageOps, ImageSequence, UnidentifiedImageError

from mailer.content.assets.metadata import Damaged, strip
from mailer.content.assets.unfit import TooLarge, Unreadable

WIDEST = 1280  # pixels; twice what a card shows, for fine screens
SHOWN = ("PNG", "JPEG", "GIF")  # by all mail clients
FORMATS = (*SHOWN, "WEBP", "AVIF")
# Pixels that are decoded at once, at four bytes each. A JPEG is decoded at a part of its size, so a camera's will do.
MOST_PIXELS = 16_000_000
MOST_PIXELS_OF_JPEG = 50_000_000
MOST_PIXELS_OF_ALL_FRAMES = 60_000_000
ORIENTATION = 0x0112  # EXIF
TURNED = (5, 6, 7, 8)  # by a quarter
QUALITY = 85


@dataclass(frozen=True)
class Raster:
    kind: str  # PNG, JPEG or GIF
    width: int
    height: int
    content: bytes
    written_width: int = 0  # before it was scaled, if it was


def for_mail(content: bytes) -> Raster:
    """Return the image as mail clients show it. Raises `Unreadable`, and `TooLarge` before decoding."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Pillow.open(io.BytesIO(content), formats=FORMATS) as picture:
                return _converted(picture, content)
    except Pillow.DecompressionBombError:
        raise TooLarge("has too many pixels to open") from None
    except UnidentifiedImageError:
        raise Unreadable("is not a PNG, JPEG, GIF, WebP, AVIF or SVG file") from None
    except TooLarge:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError, KeyError, IndexError, TypeError):
        raise Unreadable("is damaged") from None


def size_of(content: bytes) -> tuple[int, int]:
    """Return the width and height that the file claims; no pixel is decoded. Raises `Unreadable`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Pillow.open(io.BytesIO(content), formats=FORMATS) as picture:
                return picture.size
    except (OSError, SyntaxError, ValueError, Pillow.DecompressionBombError):
        raise Unreadable("is damaged") from None


def _converted(picture: Pillow.Image, content: bytes) -> Raster:
    kind = picture.format or ""
    _refuse_bombs(picture, kind)
    if getattr(picture, "is_animated", False):
        return _animated(picture, kind, content)
    orientation = picture.getexif().get(ORIENTATION, 1)
    if kind in SHOWN and picture.width <= WIDEST and orientation == 1 and picture.mode != "CMYK":
        return _as_it_is(picture, kind, content)
    # A sixteenth of a large photo's pixels is often enough, and the decoder can leave out the rest.
    width, height = picture.size
    picture.draft("RGB", (WIDEST, WIDEST))
    upright = ImageOps.exif_transpose(picture)
    written = height if orientation in TURNED else width
    return replace(_encoded(_narrow(upright), kind, content), written_width=written if written > WIDEST else 0)


def _refuse_bombs(picture: Pillow.Image, kind: str) -> None:
    """Raise `TooLarge` by the header, which is all that is read so far."""
    width, height = picture.size
    if width * height > (MOST_PIXELS_OF_JPEG if kind == "JPEG" else MOST_PIXELS):
        raise TooLarge(f"has too many pixels to open ({width} × {height})")


def _as_it_is(picture: Pillow.Image, kind: str, content: bytes) -> Raster:
    picture.load()
    try:
        return Raster(kind, *picture.size, strip(kind, content))
    except Damaged:  # decoders tolerate more than we do
        return _encoded(picture, kind, content)


def _animated(picture: Pillow.Image, kind: str, content: bytes) -> Raster:
    """Keep an animation as it was drawn, whatever its width: scaling would blur each frame into the next."""
    picture.load()
    if kind in SHOWN:
        return Raster(kind, *picture.size, strip(kind, content))
    frames = getattr(picture, "n_frames", 1)
    if frames * picture.width * picture.height > MOST_PIXELS_OF_ALL_FRAMES:
        raise TooLarge(f"has too many frames to convert ({frames} of {picture.width} × {picture.height})")
    drawn = [(_narrow(frame.convert("RGBA")), frame.info.get("duration", 100)) for frame in _frames(picture)]
    first, file = drawn[0][0], io.BytesIO()
    first.save(
        file,
        "GIF",
        save_all=True,
        append_images=[frame for frame, _ in drawn[1:]],
        duration=[duration for _, duration in drawn],
        loop=picture.info.get("loop", 0),
        disposal=2,
    )
    return Raster("GIF", *first.size, file.getvalue())


def _frames(picture: Pillow.Image) -> ImageSequence.Iterator:
    return ImageSequence.Iterator(picture)


def _narrow(picture: Pillow.Image) -> Pillow.Image:
    """Scale the image to at most `WIDEST`, in a mode that scales without ugly edges."""
    if picture.width <= WIDEST:
        return picture
    if picture.mode not in ("L", "LA", "RGB", "RGBA"):
        picture = picture.convert("RGBA" if _has_holes(picture) else "L" if picture.mode == "1" else "RGB")
    height = max(1, round(picture.height * WIDEST / picture.width))
    return picture.resize((WIDEST, height), Pillow.Resampling.LANCZOS)


def _has_holes(picture: Pillow.Image) -> bool:
    return "transparency" in picture.info or picture.mode in ("RGBA", "LA", "PA", "RGBa", "La")


def _encoded(picture: Pillow.Image, kind: str, content: bytes) -> Raster:
    """Encode photos as JPEG, everything else as PNG."""
    lossy = kind == "AVIF" or (kind == "WEBP" and b"VP8 " in content[:64])
    photo = kind == "JPEG" or (lossy and not _has_holes(picture))
    profile = picture.info.get("icc_profile")
    file = io.BytesIO()
    if photo:
        if picture.mode not in ("L", "RGB"):
            # A profile for printing inks means nothing on a screen.
            profile = profile if picture.mode in ("RGBA", "RGBX") else None
            picture = picture.convert("RGB")
        picture.save(file, "JPEG", quality=QUALITY, optimize=True, icc_profile=profile, exif=b"")
        return Raster("JPEG", *picture.size, file.getvalue())
    if picture.mode not in ("1", "L", "LA", "P", "RGB", "RGBA"):
        picture = picture.convert("RGBA" if _has_holes(picture) else "RGB")
    picture.save(file, "PNG", optimize=True, icc_profile=profile)
    return Raster("PNG", *picture.size, strip("PNG", file.getvalue()))
