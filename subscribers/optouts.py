"""Keep a log of opt-outs outside the database: restoring a backup must not resubscribe anybody.

One JSON object a line, by the keyed hash of the address: it cannot be read without the installation's link key. A
line may also say that a newsletter was renamed, or the lines after it would mean nothing to a backup from before.
"""

import errno
import json
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from django.conf import settings
from django.db import transaction

from subscribers import shared_files

log = logging.getLogger(__name__)

UNSUBSCRIBED = "unsubscribed"  # every other reason is a Suppression.Reason
# In place of hash and reason of a line that says that a newsletter has another label. Older versions skip such a line.
RENAMED = "renamed"
LONGEST_LINE = 1000
TAIL = 32_768  # bytes

_replaying = ContextVar("_replaying", default=False)


@dataclass(frozen=True)
class OptOut:
    """An address left one newsletter, or (`newsletter` is empty) must not be mailed at all."""

    hash: str
    newsletter: str
    reason: str
    at: datetime


def note(optouts: Iterable[OptOut]) -> None:
    """Add these to the log once the transaction is committed, before the answer to it leaves."""
    if _replaying.get():
        return
    lines = "".join(_line(optout) for optout in optouts)
    if lines:
        transaction.on_commit(partial(_append, lines.encode()))


def note_rename(old: str, new: str, at: datetime) -> None:
    """Add to the log, once the transaction is committed, that the newsletter `old` is called `new`."""
    said = {"hash": RENAMED, "newsletter": old, "reason": RENAMED, "at": at.isoformat(), "now": new}
    transaction.on_commit(partial(_append, f"{json.dumps(said)}\n".encode()))


@contextmanager
def replaying() -> Iterator[None]:
    """Log nothing in the block: what it applies is in the log already, with its own time and reason.

    A second line would be newer than what its subscriber did since, and for an address that an older backup does not
    know it would say more than they did. The next restored backup would obey it.
    """
    token = _replaying.set(True)
    try:
        yield
    finally:
        _replaying.reset(token)


def _line(optout: OptOut) -> str:
    return json.dumps({**asdict(optout), "at": optout.at.isoformat()}) + "\n"


def _append(lines: bytes) -> None:
    try:
        _write(Path(settings.OPTOUTS), lines)
    except OSError as error:
        # The database has it. A full disk is not a reason to refuse somebody who leaves.
        log.error(
            "opt-outs not written to the opt-out log", extra={"error": error.strerror, "lines": lines.count(b"\n")}
        )


def _write(path: Path, lines: bytes) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        shared_files.lock(descriptor)
        shared_files.append(descriptor, lines)
        # Outside of the lock, so that many who leave at once share the disk's time.
        shared_files.unlock(descriptor)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: Path) -> Iterator[OptOut | None]:
    """Return the opt-outs in the log, oldest first; None for a line that cannot be read.

    What is appended meanwhile is left out.
    """
    try:
        with path.open("rb") as file:
            left = os.fstat(file.fileno()).st_size
            while left > 0 and (line := file.readline(LONGEST_LINE)):
                left -= len(line)
                if line.strip():
                    yield _optout(line)
    except FileNotFoundError:
        return


def renames(path: Path) -> list[tuple[str, str]]:
    """Return the newsletters that were renamed, (former label, new one), oldest first. A missing log has none."""
    mark = RENAMED.encode()
    try:
        with path.open("rb") as file:
            lines = iter(partial(file.readline, LONGEST_LINE), b"")
            return [found for line in lines if mark in line and (found := _rename(line)) is not None]
    except FileNotFoundError:
        return []


def _rename(line: bytes) -> tuple[str, str] | None:
    try:
        said = json.loads(line)
        return (str(said["newsletter"]), str(said["now"])) if said["reason"] == RENAMED else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def newest(path: Path) -> list[OptOut]:
    """Return the last opt-outs in the log, some hundred of them. Raises OSError for a log that cannot be read."""
    try:
        with path.open("rb") as file:
            start = max(0, file.seek(0, os.SEEK_END) - TAIL)
            file.seek(start)
            lines = file.read(TAIL).splitlines()
    except FileNotFoundError:
        return []
    whole = [line for line in (lines[1:] if start else lines) if line.strip()]
    known = [optout for line in whole if (optout := _optout(line)) is not None]
    # A power cut leaves one torn line; a file of only such lines is another file, or a broken one.
    if len(whole) > 1 and not known:
        raise OSError(errno.EINVAL, "no line of it is an opt-out", str(path))
    return known


def _optout(line: bytes) -> OptOut | None:
    try:
        said = json.loads(line)
        at = datetime.fromisoformat(said["at"])
        optout = OptOut(str(said["hash"]), str(said["newsletter"]), str(said["reason"]), at)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return optout if optout.hash and at.tzinfo else None
