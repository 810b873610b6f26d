"""Whether this machine's worker is healthy: it writes that to a file, and `mailer worker --health` reads it.

A file, because the answer must come at once, also while the database is down. The worker holds an flock on it, so a
dead one cannot pass for healthy; and it writes the time by the monotonic clock, which all processes of a machine share
and nobody sets.
"""

import contextlib
import errno
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from subscribers import shared_files

EVERY = 2.0  # seconds
SILENT_AFTER = 20.0  # seconds of silence after which it hangs, or was stopped
_HOST = socket.gethostname()
SPACE = 2048  # bytes of a file, always the same: rewriting it needs no space on a full disk


@dataclass(frozen=True)
class Report:
    """What one worker last reported of itself."""

    pid: int
    silent_for: float  # seconds
    complaints: tuple[str, ...]  # what is wrong with it

    @property
    def wrong(self) -> str:
        """Return what is wrong, as a clause; empty if it is healthy."""
        if self.silent_for > SILENT_AFTER:
            return f"it has not responded for {self.silent_for:.0f} s"
        return "; ".join(self.complaints)


class Heartbeat(threading.Thread):
    """Writes what `complaints` finds until it is stopped.

    Creating it reserves all the space that its file will need, which proves MAILER_HOME writable; raises OSError if
    not.
    """

    def __init__(self, home: Path, complaints: Callable[[], list[str]]) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._complaints = complaints
        self._stopping = threading.Event()
        # Not named by process id: two containers may share the folder, and both be process 1.
        self._path = _folder(home) / f"{uuid.uuid4()}.health"
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        _remove_dead(home)
        # It gets its name once it is locked and written, or another worker that starts could remove it.
        self._unnamed = self._path.with_suffix(".starting")
        try:
            self._file = os.open(self._unnamed, os.O_RDWR | os.O_CREAT, 0o600)
            shared_files.lock(self._file)
            self._write_whole(b"")
        except OSError:
            self._unnamed.unlink(missing_ok=True)  # a supervisor tries again and again
            raise

    def start(self) -> None:
        """Let other processes find the worker of this process from now on."""
        self._tell()
        super().start()

    def run(self) -> None:
        while not self._stopping.wait(EVERY):
            self._tell()

    def stop(self) -> None:
        self._stopping.set()
        for path in (self._path, self._unnamed):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def _tell(self) -> None:
        """Write what is wrong. If the file cannot be written, the worker continues, and its silence shows that."""
        told = {"host": _HOST, "pid": os.getpid(), "at": time.monotonic(), "complaints": self._complaints()}
        with contextlib.suppress(OSError):
            self._write_whole(json.dumps(told).encode())
            if not self._path.exists():
                self._unnamed.rename(self._path)

    def _write_whole(self, told: bytes) -> None:
        written = os.pwrite(self._file, told[:SPACE].ljust(SPACE), 0)
        if written < SPACE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def workers_of(home: Path) -> list[Report]:
    """Return the last report of each living worker of this machine and MAILER_HOME. Raises OSError."""
    return [report for path in sorted(_folder(home).glob("*.health")) if (report := _read(path))]


def _folder(home: Path) -> Path:
    return home / "run"


def _remove_dead(home: Path) -> None:
    for path in _folder(home).glob("*.health"):
        with contextlib.suppress(OSError):
            if not shared_files.is_locked(path):
                path.unlink(missing_ok=True)


def _read(path: Path) -> Report | None:
    """Return None for a worker that has ended, or that runs on another machine, whose clock means nothing here."""
    try:
        if not shared_files.is_locked(path):
            return None
        told = _parse(path)
    except FileNotFoundError:
        return None
    if told["host"] != _HOST:
        return None
    return Report(told["pid"], max(0.0, time.monotonic() - told["at"]), tuple(told["complaints"]))


def _parse(path: Path) -> dict[str, Any]:
    """Parse the file; read it once more if it was being written."""
    for _ in range(9):
        with contextlib.suppress(ValueError):
            return dict(json.loads(path.read_bytes()))
        time.sleep(0.01)
    return dict(json.loads(path.read_bytes()))
