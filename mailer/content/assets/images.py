"""Read image files of a newsletter's folder: once each, made fit for email, named by their own hash."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from urllib.parse import unquote

from mailer.content.assets.meant import image_meant
from mailer.content.assets.unfit import TooLarge, Unfit

LARGEST_FILE = 10 * 1024 * 1024  # bytes
LARGEST = 5 * 1024 * 1024  # of what subscribers load
LARGEST_SVG = 1024 * 1024
MOST_NAMES = 1000  # of a folder that are compared with one that is not there
TYPES = {"PNG": ("png", "image/png"), "JPEG": ("jpg", "image/jpeg"), "GIF": ("gif", "image/gif")}
REMEMBERED = 100  # a preview renders the same images again and again, and an issue may have 40


class ImageError(ValueError):
    """The file cannot go into an email."""

    def __init__(self, message: str, fix: str, rule: str = "image-unreadable") -> None:
        super().__init__(message)
        self.message, self.fix, self.rule = message, fix, rule


@dataclass(frozen=True)
class Image:
    sha256: str
    extension: str  # without the dot
    content_type: str
    width: int
    height: int
    content: bytes = field(repr=False)
    density: int = 1  # pixels of the file for one that is shown
    written_width: int = 0  # of the file before it was made fit for email, if that was wider

    @property
    def natural_width(self) -> int:
        """Return how wide a browser shows the image of which nobody says how wide it is."""
        return (self.written_width or self.width) // self.density

    @property
    def name(self) -> str:
        return f"{self.sha256}.{self.extension}"


def read_image(target: str, beside: Path, folder: Path) -> Image:
    """Return the image that `target` names in a file of folder `beside`, fit for email. Raises `ImageError`.

    Nothing outside `folder` is read, whatever `..` or a symbolic link says.
    """
    return image_of(_read(_inside(target, beside, folder), target), target)


def _inside(target: str, beside: Path, folder: Path) -> Path:
    written = unquote(target.split("?")[0].split("#")[0])
    where = folder / written.lstrip("/") if written.startswith("/") else beside / written
    try:
        path = where.resolve()
    except (OSError, ValueError, RuntimeError):
        raise ImageError(f'image "{target}" has no usable path', "name a file in the newsletter's folder") from None
    if not path.is_relative_to(folder.resolve()):
        raise ImageError(
            f'image "{target}" is outside the newsletter\'s folder {folder}',
            "put the file into the folder, or give an https address",
            "image-missing",
        )
    return path


def _no_such_file(path: Path, target: str) -> ImageError:
    if not target:
        return ImageError("the image has no address", "name a file, or give an https address", "image-missing")
    near = _near(path, target)
    if not near and (meant := image_meant(target)):
        what = f'image "{target}" would be looked for in the newsletter\'s folder'
        return ImageError(what, f"write {meant}", "image-missing")
    return ImageError(
        f'image needs an address that email clients can reach, got "{target}", and there is no such file',
        f'did you mean "{near}"?' if near else "put the file into the newsletter's folder, or give an https address",
        "image-missing",
    )


def _near(path: Path, target: str) -> str:
    """Return the target with the name of a file that is there; "" if none is near.

    Names that Windows and macOS take for the same, such as `Board.PNG` and `images\\board.png`, come first.
    """
    if "\\" in target:
        slashed = path.parent / path.name.replace("\\", "/")
        return target.replace("\\", "/") if slashed.is_file() else ""
    try:
        names = [one.name for one in islice(path.parent.iterdir(), MOST_NAMES)]
    except OSError:
        return ""
    same = [name for name in names if name.casefold() == path.name.casefold()]
    (near,) = same[:1] or get_close_matches(path.name, names, 1, cutoff=0.7) or [""]
    return f"{target[: target.rfind('/') + 1]}{near}" if near and (path.parent / near).is_file() else ""


def _read(path: Path, target: str) -> bytes:
    if not path.is_file():
        raise _no_such_file(path, target)
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ImageError(
            f'image "{target}" cannot be read ({error.strerror})', "check the file's permissions"
        ) from error
    if len(content) > LARGEST_FILE:
        raise ImageError(f'image "{target}" is larger than 10 MB', TooLarge.fix, TooLarge.rule)
    return content


_done: OrderedDict[str, Image | Unfit] = OrderedDict()


def image_of(content: bytes, target: str) -> Image:
    """Return these bytes as an image that is fit for email. Raises `ImageError`, which names `target`."""
    digest = hashlib.sha256(content).hexdigest()
    made = _done.get(digest)
    if made is None:
        made = _done[digest] = _for_mail(content)
        if len(_done) > REMEMBERED:
            _done.popitem(last=False)
    if isinstance(made, Unfit):
        raise ImageError(f'image "{target}" {made}', made.fix, made.rule)
    return made


def _for_mail(content: bytes) -> Image | Unfit:
    from mailer.content.assets import raster, svg  # Pillow, which an issue without images of its own does without

    try:
        density = 1
        if svg.is_svg(content):
            if len(content) > LARGEST_SVG:
                raise TooLarge("is larger than 1 MB")
            content, density = svg.to_png(content)
        picture = raster.for_mail(content)
        if len(picture.content) > LARGEST:
            raise TooLarge("is larger than 5 MB")
    except Unfit as unfit:
        return unfit
    extension, content_type = TYPES[picture.kind]
    digest = hashlib.sha256(picture.content).hexdigest()
    return Image(
        digest, extension, content_type, picture.width, picture.height, picture.content, density, picture.written_width
    )
