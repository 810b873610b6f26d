"""Fetch the remote images of a newsletter that mails copies of them: what is missing, or again when asked.

Requests are guarded as those of `mailer check --links` are (mailer.checks.visiting).
"""

import hashlib
import shlex
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from urllib.parse import urlsplit

from mailer.checks.internet import Address, is_public
from mailer.checks.visiting import InsideNetwork, NotAsked, Reply, TooLong, Unreachable, Visitor, by_host
from mailer.config.newsletter import Newsletter
from mailer.content.assets import svg
from mailer.content.assets.copies import LOCK, Failure, add_to_lock, keep, kept, read_lock, renew_in_lock
from mailer.content.assets.images import LARGEST_FILE, Image, ImageError, image_of
from mailer.publishing.errors import CorrectSettings

LANES = 8  # hosts at a time
GONE = (404, 410)
PUT_FILE = "put the file into the newsletter's folder"

Fetched = str | Failure  # the SHA-256 of what was kept, or why there is nothing
May = Callable[[Address], bool]

_decoding = threading.Lock()  # decoding takes up to 200 MB for one image; not for each lane at once


class _ImageVisitor(Visitor):
    agent = "mailer-images/1.0 (copies images of a newsletter into its emails)"
    accept = "image/png,image/jpeg,image/gif,image/*;q=0.9,*/*;q=0.5"
    most_bytes = LARGEST_FILE
    deadline = 60.0

    def get(self, address: str) -> Reply:
        return self.ask("GET", address)


def copy_images(
    newsletter: Newsletter, images: Path, addresses: Iterable[str], may_connect: May = is_public
) -> dict[str, Failure]:
    """Copy these remote images into the folder `images`, and name them in images.lock; return what was not copied.

    What the file names keeps its bytes: an image that has others by now is a failure. Raises CorrectSettings.
    """
    locked = read_lock(newsletter.folder)
    failures: dict[str, Failure] = {}
    for found in _fetched(images, addresses, may_connect, locked):
        failures |= {address: one for address, one in found.items() if isinstance(one, Failure)}
        _write(newsletter.folder, images, found, add_to_lock)
    return failures


@dataclass(frozen=True)
class Refreshed:
    """What became of one address: `failure`, or the image as it was (None: unknown here) and as it is."""

    address: str
    changed: bool = False
    before: Image | None = None
    after: Image | None = None
    failure: Failure | None = None


def refresh_images(
    newsletters_folder: Path, images: Path, addresses: Iterable[str], may_connect: May = is_public
) -> Iterator[Refreshed]:
    """Fetch these images again, and let images.lock name what they are now; one that fails keeps its former copy.

    Raises CorrectSettings.
    """
    locked = read_lock(newsletters_folder)
    for found in _fetched(images, addresses, may_connect, {}):
        _write(newsletters_folder, images, found, renew_in_lock)
        for address, one in found.items():
            if isinstance(one, Failure):
                yield Refreshed(address, failure=one)
            else:
                before = _image(images, locked.get(address, ""), address)
                yield Refreshed(address, one != locked.get(address), before, _image(images, one, address))


def _image(images: Path, digest: str, address: str) -> Image | None:
    content = kept(images, digest)
    try:
        return image_of(content, address) if content else None
    except ImageError:
        return None


def _write(
    folder: Path, images: Path, found: Mapping[str, Fetched], write: Callable[[Path, Path, dict[str, str]], object]
) -> None:
    fetched = {address: one for address, one in found.items() if isinstance(one, str)}
    if not fetched:
        return
    try:
        write(folder, images, fetched)
    except OSError as error:
        raise CorrectSettings(
            f"{folder / LOCK} cannot be written ({error.strerror}), so copies of remote images cannot be named; let "
            "this user write it, or run `mailer preview` where the issues are written, and commit the file."
        ) from None


def _fetched(
    images: Path, addresses: Iterable[str], may_connect: May, locked: Mapping[str, str]
) -> Iterator[dict[str, Fetched]]:
    """Fetch each address once; yield the results host by host, as they come in."""
    visitor = _ImageVisitor(may_connect)

    def fetch(group: list[str]) -> dict[str, Fetched]:
        return {address: _fetch(visitor, images, address, locked.get(address)) for address in group}

    try:
        yield from _as_they_come(fetch, by_host(addresses))
    finally:
        visitor.stop()


def _as_they_come(
    fetch: Callable[[list[str]], dict[str, Fetched]], groups: list[list[str]]
) -> Iterator[dict[str, Fetched]]:
    """Yield what `fetch` returns for each group, in the order in which they are done.

    In daemon threads, because an executor's keep a process from ending until their sites have answered.
    """
    waiting, done = deque(groups), SimpleQueue[dict[str, Fetched] | Exception]()

    def work() -> None:
        with suppress(IndexError):
            while group := waiting.popleft():
                try:
                    done.put(fetch(group))
                except Exception as error:  # noqa: BLE001 — raised again in the caller's thread
                    done.put(error)

    for _ in range(min(LANES, len(groups))):
        threading.Thread(target=work, name="remote-images", daemon=True).start()
    for _ in groups:
        found = done.get()
        if isinstance(found, Exception):
            raise found
        yield found


def _fetch(visitor: _ImageVisitor, images: Path, address: str, expected: str | None) -> Fetched:
    if _has_login(address):
        return Failure(f"its address contains a user name or password, which {LOCK} would make public", PUT_FILE)
    try:
        reply = visitor.follow(address, visitor.get).reply
    except TooLong:
        return Failure("it is larger than 10 MB", f"save it smaller and {PUT_FILE}")
    except InsideNetwork as error:
        return Failure(str(error), PUT_FILE, "image-missing")
    except (Unreachable, NotAsked) as error:
        return Failure(str(error), f"try again, or {PUT_FILE}")
    if reply.status in GONE:
        return Failure(
            f"its site answers {reply.status}: there is no such image", "correct the address", "image-missing"
        )
    if reply.status != 200:
        return Failure(f"its site answers {reply.status}", f"try again, or {PUT_FILE}")
    return _unfit(reply.content, address) or _kept(images, reply.content, address, expected)


def _has_login(address: str) -> bool:
    with suppress(ValueError):
        return "@" in urlsplit(address).netloc
    return False


def _unfit(content: bytes, address: str) -> Failure | None:
    """Return why subscribers cannot get these bytes as an image; None if they can."""
    if content.lstrip()[:1] == b"<" and not svg.is_svg(content):
        return Failure("it is a web page, not an image", "give the address of the image itself", "image-unreadable")
    try:
        with _decoding:
            image_of(content, "")
    except ImageError as error:
        return Failure(error.message.removeprefix('image "" '), f"{error.fix}, and {PUT_FILE}")
    return None


def _kept(images: Path, content: bytes, address: str, expected: str | None) -> Fetched:
    if expected and hashlib.sha256(content).hexdigest() != expected:
        return Failure(
            f"it is no longer the image that {LOCK} names",
            f"look at it, then run `mailer images refresh {shlex.quote(address)}`",
            "image-changed",
        )
    try:
        return keep(images, content)
    except OSError as error:
        raise CorrectSettings(
            f"{images} cannot be written ({error.strerror}), so copies of remote images cannot be kept; free some "
            "space, or let this user write there."
        ) from None
