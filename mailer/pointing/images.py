"""Image files of a newsletter's folder → `Image`: read once, checked, named by their own hash."""

import hashlib
import io
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from PIL import Image as Pillow
from PIL import UnidentifiedImageError

LARGEST = 5 * 1024 * 1024  # bytes
MOST_PIXELS = 40_000_000  # a photo of a good camera; a bomb claims far more
TYPES = {"PNG": ("png", "image/png"), "JPEG": ("jpg", "image/jpeg"), "GIF": ("gif", "image/gif")}


class ImageError(ValueError):
    """The file cannot go into a mail."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message, self.fix = message, fix


@dataclass(frozen=True)
class Image:
    sha256: str
    extension: str  # without the dot
    content_type: str
    width: int
    height: int
    content: bytes = field(repr=False)

    @property
    def name(self) -> str:
        return f"{self.sha256}.{self.extension}"


def read_image(target: str, beside: Path, folder: Path) -> Image:
    """The image that `target`, as written in a file of folder `beside`, names. Raises `ImageError`.

    Nothing outside of `folder` is read, whatever `..` or a symbolic link says.
    """
    content = _read(_inside(target, beside, folder), target)
    return _checked(content, target)


def _inside(target: str, beside: Path, folder: Path) -> Path:
    written = unquote(target.split("?")[0].split("#")[0])
    where = folder / written.lstrip("/") if written.startswith("/") else beside / written
    try:
        path = where.resolve()
    except (OSError, ValueError, RuntimeError):
        raise ImageError(f'image "{target}" has no usable path', "name a file of the newsletter's folder") from None
    if not path.is_relative_to(folder.resolve()):
        raise ImageError(
            f'image "{target}" lies outside of the newsletter\'s folder {folder}',
            "put the file into the folder, or give an https address",
        )
    return path


def _read(path: Path, target: str) -> bytes:
    if not path.is_file():
        raise ImageError(
            f'image needs an address that mail clients can reach, got "{target}", and there is no such file',
            "put the file into the newsletter's folder, or give an https address",
        )
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise ImageError(
            f'image "{target}" cannot be read ({error.strerror})', "check the file's permissions"
        ) from error
    if len(content) > LARGEST:
        raise ImageError(f'image "{target}" is larger than 5 MB', "save it smaller; 1200 pixels of width are enough")
    return content


def _checked(content: bytes, target: str) -> Image:
    if b"<svg" in content[:1000].lower():
        raise ImageError(f'image "{target}" is SVG, which mail clients do not show', "save it as PNG")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)
            # Only the header is read here; the size is known before a single pixel is decoded.
            with Pillow.open(io.BytesIO(content), formats=tuple(TYPES)) as picture:
                width, height = picture.size
                kind = picture.format or ""
                if width * height > MOST_PIXELS:
                    raise _too_many_pixels(target)
                picture.load()
    except Pillow.DecompressionBombError:
        raise _too_many_pixels(target) from None
    except UnidentifiedImageError:
        raise ImageError(f'image "{target}" is not a PNG, JPEG or GIF file', "save it as one of these") from None
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f'image "{target}" is damaged', "export it again") from None
    extension, content_type = TYPES[kind]
    return Image(hashlib.sha256(content).hexdigest(), extension, content_type, width, height, content)


def _too_many_pixels(target: str) -> ImageError:
    return ImageError(
        f'image "{target}" has too many pixels to open', "save it smaller; 1200 pixels of width are enough"
    )
