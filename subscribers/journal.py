"""The journal of leavings: who left while the database could not be written, kept until it can.

One JSON object a line in MAILER_HOME/leaving.jsonl. A line is on the disk before its click is answered. Every process
that writes or renames the file holds its flock, and checks after locking that the name still leads to the file it
opened.
"""

import json
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from subscribers import shared_files

ALL = "*"  # in the place of a newsletter's label, which holds only letters, digits and hyphens
NEWSLETTER, HOW = re.compile(r"[*]|[\w-]{1,64}"), re.compile(r"[a-z-]{1,32}")
LONGEST_LINE = 1000
AGAIN_AFTER = 10.0  # seconds
MOST_FRESH = 10_000


@dataclass(frozen=True)
class Leaving:
    """A subscriber, known by the id in their link, leaves one newsletter, or ALL."""

    public_id: UUID
    newsletter: str
    how: str  # as `Consent.how`: one-click, page, preferences
    at: datetime  # by the database's clock, as far as the machine that answered knew it


def append(path: Path, leaving: Leaving) -> None:
    """Write the leaving to the disk. Raises OSError: then it is not there, and must not be acknowledged.

    Pressing again and again adds one line in ten seconds.
    """
    line = json.dumps(
        {
            "public_id": str(leaving.public_id),
            "newsletter": leaving.newsletter,
            "how": leaving.how,
            "at": leaving.at.isoformat(),
        }
    )
    descriptor = _open_locked(path)
    try:
        click = _Click(os.fstat(descriptor).st_ino, leaving.public_id, leaving.newsletter)
        if _is_fresh(click) and os.fstat(descriptor).st_size:
            return
        shared_files.append(descriptor, line.encode() + b"\n")
        _make_name_last(descriptor, path)
        # Outside of the lock, so that many who leave at once share the disk's time.
        shared_files.unlock(descriptor)
        os.fsync(descriptor)
        _remember(click)
    finally:
        os.close(descriptor)


class _Click(NamedTuple):
    file: int  # one that was applied has another name, and the next click needs a new line
    public_id: UUID
    newsletter: str


_fresh: dict[_Click, float] = {}  # time.monotonic() when its line was on the disk; oldest first
_fresh_lock = threading.Lock()


def _is_fresh(click: _Click) -> bool:
    return _fresh.get(click, -AGAIN_AFTER) > time.monotonic() - AGAIN_AFTER


def _remember(click: _Click) -> None:
    with _fresh_lock:
        _fresh.pop(click, None)
        _fresh[click] = time.monotonic()
        while len(_fresh) > MOST_FRESH:
            del _fresh[next(iter(_fresh))]


def _open_locked(path: Path) -> int:
    """Return a descriptor of the file that has this name now; another process may rename it before we lock it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            shared_files.lock(descriptor)
            if _is_named(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_named(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


_lasting: set[tuple[int, int]] = set()  # files whose names this process knows to be on the disk


def _make_name_last(descriptor: int, path: Path) -> None:
    """Sync the folder: a new file survives a power cut only if its folder was written too."""
    status = os.fstat(descriptor)
    file = status.st_dev, status.st_ino
    if file in _lasting and status.st_size > LONGEST_LINE:  # a small one may be new, with the number of an old one
        return
    shared_files.sync_folder(path.parent)
    _lasting.add(file)


# ---------------------------------------------------------------- what waits


@dataclass(frozen=True)
class Waiting:
    """How many lines wait, and since when the oldest does."""

    lines: int = 0
    since: datetime | None = None


def waiting(path: Path) -> Waiting:
    """Return what waits in the journal now. Raises OSError."""
    try:
        with path.open("rb") as file:
            first = file.readline()
            lines = bool(first.strip()) + sum(bool(line.strip()) for line in file)
    except FileNotFoundError:
        return Waiting()
    leaving = parse(first)
    return Waiting(lines, leaving.at if leaving else None)


def waits(path: Path) -> bool:
    """Tell whether there is a journal: the cheap question, asked before each claim."""
    return path.exists()


def read(path: Path, begin: int) -> tuple[list[bytes], int]:
    """Return the lines from this place on, and the place after them. A line still being written is left out."""
    with path.open("rb") as file:
        shared_files.lock_shared(file)
        file.seek(begin)
        rest = file.read()
    return rest.splitlines(), begin + len(rest)


def rename_if_read(path: Path, end: int, name: str) -> bool:
    """Rename the journal, unless a line was added after `end`. Return whether it was renamed."""
    descriptor = _open_locked(path)
    try:
        if os.fstat(descriptor).st_size > end:
            return False
        path.rename(path.with_name(name))
        return True
    finally:
        os.close(descriptor)


def remove_if_empty(path: Path) -> bool:
    """Remove a journal whose only line found no space on the disk. Return whether it is gone."""
    descriptor = _open_locked(path)
    try:
        if os.fstat(descriptor).st_size:
            return False
        path.unlink()
        return True
    finally:
        os.close(descriptor)


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Hold the right to replay the journal while the block runs; yield False if another process has it."""
    with shared_files.locked_if_free(path.with_suffix(".lock")) as free:
        yield free


def keep_aside(path: Path, lines: list[bytes]) -> None:
    """Write lines that cannot be read to another file, for a person to look at."""
    with open(path.with_suffix(".unreadable"), "ab", opener=shared_files.private) as file:
        file.write(b"".join(line + b"\n" for line in lines))


def parse(line: bytes) -> Leaving | None:
    try:
        said = json.loads(line)
        at = datetime.fromisoformat(said["at"])
        leaving = Leaving(UUID(said["public_id"]), str(said["newsletter"]), str(said["how"]), at)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    whole = at.tzinfo and at.year > 2000 and NEWSLETTER.fullmatch(leaving.newsletter) and HOW.fullmatch(leaving.how)
    return leaving if whole else None
