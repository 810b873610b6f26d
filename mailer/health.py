"""Whether the worker of this machine is well: it says so in a file, and `mailer worker --health` reads it.

A file, because the answer must come at once, also while the database is away. The worker holds an flock on it, so
nobody takes a dead one for well; and it notes the time by the monotonic clock, which all processes of a machine share
and nobody sets.
"""

import contextlib
import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EVERY = 2.0  # seconds
SILENT_AFTER = 20.0  # seconds without a word after which it hangs, or was stopped
_HOST = socket.gethostname()
SPACE = 2048  # bytes of a file, always the same: to write it once more needs no room on a full disk


@dataclass(frozen=True)
class Word:
    """What one worker said of itself last."""

    pid: int
    silent_for: float  # seconds
    complaints: tuple[str, ...]  # what is wrong with it

    @property
    def wrong(self) -> str:
        """What is wrong, as a clause; empty if it is well."""
        if self.silent_for > SILENT_AFTER:
            return f"it has given no sign of life for {self.silent_for:.0f} s"
        return "; ".join(self.complaints)


class Heartbeat(threading.Thread):
    """Writes what `complaints` finds until it is stopped."""

    def __init__(self, home: Path, complaints: Callable[[], list[str]]) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._complaints = complaints
        self._stopping = threading.Event()
        # Not named by process id: two containers may share the folder, and both be process 1.
        self._path = _folder(home) / f"{uuid.uuid4()}.health"
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        _remove_dead(home)
        # It gets its name when it is locked, or another worker that starts could remove it.
        unnamed = self._path.with_suffix(".starting")
        self._file = os.open(unnamed, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._write()
        unnamed.rename(self._path)

    def run(self) -> None:
        while not self._stopping.wait(EVERY):
            with contextlib.suppress(OSError):  # then its silence tells
                self._write()

    def stop(self) -> None:
        self._stopping.set()
        self._path.unlink(missing_ok=True)

    def _write(self) -> None:
        told = {"host": _HOST, "pid": os.getpid(), "at": time.monotonic(), "complaints": self._complaints()}
        os.pwrite(self._file, json.dumps(told).encode()[:SPACE].ljust(SPACE), 0)


def workers_of(home: Path) -> list[Word]:
    """Return what each living worker of this machine and MAILER_HOME said last. Raises OSError."""
    return [word for path in sorted(_folder(home).glob("*.health")) if (word := _read(path))]


def _folder(home: Path) -> Path:
    return home / "run"


def _remove_dead(home: Path) -> None:
    for path in _folder(home).glob("*.health"):
        with contextlib.suppress(OSError), _unless_held(path) as free:
            if free:
                path.unlink(missing_ok=True)


def _read(path: Path) -> Word | None:
    """Return None for a worker that has ended, or that runs on another machine, whose clock says nothing here."""
    try:
        with _unless_held(path) as free:
            if free:
                return None
            told = _parse(path)
    except FileNotFoundError:
        return None
    if told["host"] != _HOST:
        return None
    return Word(told["pid"], max(0.0, time.monotonic() - told["at"]), tuple(told["complaints"]))


def _parse(path: Path) -> dict[str, Any]:
    """Once more if it was read while it was written."""
    for _ in range(9):
        with contextlib.suppress(ValueError):
            return dict(json.loads(path.read_bytes()))
        time.sleep(0.01)
    return dict(json.loads(path.read_bytes()))


@contextlib.contextmanager
def _unless_held(path: Path) -> Iterator[bool]:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
