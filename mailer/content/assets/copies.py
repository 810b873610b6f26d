"""Copies of images from other sites: images.lock says which bytes an address had, and a folder holds the bytes.

The file lies beside newsletter.toml and is committed with the issues, so that everybody mails the images that were
looked at. The bytes, under their own hash, are only a cache: what is missing or damaged there is fetched again. They
are written before the line that names them, so a process that is killed in between leaves nothing wrong.
"""

import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_IMODE

from mailer.config.newsletter import NewsletterError
from mailer.content.assets.images import LARGEST_FILE, Image, ImageError, image_of
from mailer.content.assets.links import Destinations, LinkError, absolute
from subscribers import shared_files

LOCK = "images.lock"
HEAD = (
    "# The images of other sites that this newsletter mails as copies: address, and SHA-256 of what was fetched.\n"
    "# Written by mailer; commit it with the issues. `mailer images refresh` fetches them again.\n"
)
ADDRESS = re.compile(r"(?i:https?)://\S+")
LINE = re.compile(rf"({ADDRESS.pattern}) sha256:([0-9a-f]{{64}})")
STALE = 60.0  # seconds after which the half-written file of a killed process is removed

_one_at_a_time = threading.Lock()  # threads that keep the same bytes would share the name of a file


@dataclass(frozen=True)
class Failure:
    """Why an address has no copy. The reason continues "…: "."""

    reason: str
    fix: str
    rule: str = "image-uncopied"

    @property
    def loses_the_image(self) -> bool:
        """Tell whether subscribers would not see the image at its own address either, or not the one that was meant."""
        return self.rule != "image-uncopied"


@dataclass(frozen=True)
class Copies:
    """The copies of one newsletter, as they are now."""

    locked: Mapping[str, str]  # address → SHA-256
    folder: Path  # where the bytes lie
    failures: Mapping[str, Failure] = field(default_factory=dict)  # of what was just fetched

    def find(self, address: str) -> Image | None:
        """Return the copy, fit for email; None if there is none. Raises ImageError if the email would lack it."""
        content = kept(self.folder, self.locked.get(address, ""))
        if content is not None:
            with suppress(ImageError):
                return image_of(content, address)
        failure = self.failures.get(address)
        if failure and failure.loses_the_image:
            raise ImageError(f'image "{address[:80]}": {failure.reason}', failure.fix, failure.rule)
        return None

    def why_not(self, address: str) -> str:
        """Return why the address could not be copied; "" if nobody tried."""
        failure = self.failures.get(address)
        return failure.reason if failure else ""


def address_of_copy(target: str) -> str:
    """Return the address under which a remote image is copied; "" if the target is none."""
    with suppress(LinkError):
        address = absolute(target.strip(), Destinations()).partition("#")[0]
        return _with_small_scheme(address) if ADDRESS.fullmatch(address) else ""
    return ""


def _with_small_scheme(address: str) -> str:
    scheme, mark, rest = address.partition(":")
    return f"{scheme.lower()}{mark}{rest}"


def read_copies(newsletters_folder: Path, folder: Path, failures: Mapping[str, Failure] | None = None) -> Copies:
    """Return the copies that images.lock in the newsletter's folder names. Raises NewsletterError."""
    return Copies(read_lock(newsletters_folder), folder, failures or {})


def read_lock(newsletters_folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each address; nothing if there is no such file yet. Raises NewsletterError."""
    return _read(_path_of_lock(newsletters_folder))


def _path_of_lock(newsletters_folder: Path) -> Path:
    """Return the file itself, which a link may name: what is read is what is written. Raises NewsletterError."""
    link = newsletters_folder / LOCK
    try:
        path, folder = link.resolve(), newsletters_folder.resolve()
    except (OSError, RuntimeError):  # a link that leads to itself; Python before 3.13 has an error of its own for it
        raise NewsletterError(f"{link} is a link that leads nowhere; delete it: a file takes its place.") from None
    if not path.is_relative_to(folder):
        raise NewsletterError(
            f"{link} is a link out of the newsletter's folder; put the file itself there, so that it is committed with "
            "the issues."
        )
    return path


def _read(path: Path) -> dict[str, str]:
    try:
        text = path.read_text("utf-8-sig", "replace")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise NewsletterError(f"{path} cannot be read ({error.strerror}); let this user read it.") from None
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        entry = LINE.fullmatch(line.strip())
        if not entry or found.setdefault(_with_small_scheme(entry[1]), entry[2]) != entry[2]:
            what = "names an address a second time" if entry else "is not an address with its SHA-256"
            raise NewsletterError(
                f"{path}:{number} this line {what}, perhaps after a merge; keep one line for each address, or delete "
                "the file: then its images are fetched again."
            )
    return found


def add_to_lock(newsletters_folder: Path, folder: Path, fetched: Mapping[str, str]) -> dict[str, str]:
    """Name these addresses in images.lock unless it has them; return what it says now. Raises OSError."""
    return _change_lock(newsletters_folder, folder, lambda locked: {**fetched, **locked})


def renew_in_lock(newsletters_folder: Path, folder: Path, fetched: Mapping[str, str]) -> dict[str, str]:
    """Let images.lock name these hashes instead of earlier ones; return what it says now. Raises OSError."""
    return _change_lock(newsletters_folder, folder, lambda locked: {**locked, **fetched})


def remove_from_lock(newsletters_folder: Path, folder: Path, addresses: Collection[str]) -> dict[str, str]:
    """Let images.lock no longer name these addresses; return what it says now. Raises OSError."""
    return _change_lock(
        newsletters_folder, folder, lambda locked: {one: locked[one] for one in locked if one not in addresses}
    )


def _change_lock(
    newsletters_folder: Path, folder: Path, change: Callable[[dict[str, str]], dict[str, str]]
) -> dict[str, str]:
    path = _path_of_lock(newsletters_folder)
    folder.mkdir(parents=True, exist_ok=True)
    # Of two commands at once, the later one must read what the earlier one wrote.
    with shared_files.locked(folder / "lock"):
        former = _read(path)
        locked = change(former)
        if locked != former:
            lines = "".join(f"{address} sha256:{digest}\n" for address, digest in sorted(locked.items()))
            _replace(path, (HEAD + lines).encode())
    return locked


def _replace(path: Path, content: bytes) -> None:
    """Write the file completely or not at all, with the permissions that it had or that git would give it."""
    for stale in path.parent.glob(f".{path.name}.*"):
        with suppress(OSError):
            # By the clock of this machine, which wrote the file's time.
            if time.time() - stale.stat().st_mtime > STALE:  # noqa: TID251
                stale.unlink()
    beside = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}")
    try:
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileNotFoundError):
            beside.chmod(S_IMODE(path.stat().st_mode))
        beside.replace(path)
    except OSError:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def keep(folder: Path, content: bytes) -> str:
    """Keep fetched bytes under their SHA-256, and return it. Raises OSError."""
    digest = hashlib.sha256(content).hexdigest()
    with _one_at_a_time:
        if kept(folder, digest) is None:
            folder.mkdir(parents=True, exist_ok=True)
            shared_files.replace(folder / digest, content)
    return digest


def kept(folder: Path, digest: str) -> bytes | None:
    """Return the bytes of this SHA-256; None if they are not here, or are not what they were."""
    if not digest:
        return None
    try:
        with (folder / digest).open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError:
        return None
    return content if hashlib.sha256(content).hexdigest() == digest else None
