"""Starve processes of what the system provides: file descriptors, or disk space."""

import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

ROOM = 24  # MB, of which an installation with some subscribers takes five

can_starve = hasattr(resource, "prlimit")


@contextmanager
def starved(process: "subprocess.Popen[str]") -> Iterator[None]:
    """Let the process and its children open nothing more; `/proc` shows how much is open."""
    before: dict[int, tuple[int, int]] = {}
    try:
        for pid in (process.pid, *children_of(process.pid)):
            with suppress(ProcessLookupError, FileNotFoundError):  # it has just ended
                before[pid] = resource.prlimit(pid, resource.RLIMIT_NOFILE)
                resource.prlimit(pid, resource.RLIMIT_NOFILE, (_lowest_free(pid), before[pid][1]))
        yield
    finally:
        for pid, limits in before.items():
            with suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


def _lowest_free(pid: int) -> int:
    """Return the limit at which no descriptor is free; with a limit of 0, even poll() would fail."""
    taken = {int(one) for one in os.listdir(f"/proc/{pid}/fd")}
    return next(number for number in range(len(taken) + 1) if number not in taken)


def children_of(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            own = [int(one) for one in file.read().split()]
    except (ProcessLookupError, FileNotFoundError):
        return []
    return own + [grandchild for child in own for grandchild in children_of(child)]


class Disk:
    """A separate small disk at `folder`, which only root can create. `close` removes it and keeps its files there.

    Raises OSError if it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={ROOM}m,mode=0700", "tmpfs", str(folder)],
            capture_output=True,
            text=True,
        )
        if made.returncode:
            why = made.stderr.strip().partition("\n")[0]
            raise OSError(f"a small disk can be made by root only: {why}")
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        descriptor = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with suppress(OSError):
            while os.write(descriptor, b"\0" * 4096):
                pass
        os.close(descriptor)

    def keep_full(self, seconds: float) -> None:
        """Keep the disk full for this long, even if files are deleted meanwhile; then free the space."""
        until = time.monotonic() + seconds
        try:
            while time.monotonic() < until:
                self.fill()
                time.sleep(0.02)
        finally:
            self.make_room()

    def make_room(self) -> None:
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        kept = self.folder.with_name(f"{self.folder.name}.kept")
        try:
            self.make_room()
            shutil.copytree(self.folder, kept)
        finally:
            # Lazily: a process that is about to end may still have a file open.
            subprocess.run(["umount", "-l", str(self.folder)], check=True)
        self.folder.rmdir()
        kept.rename(self.folder)


@cache
def why_no_disk() -> str:
    """Return why no small disk can be created here; "" if it can."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            Disk(Path(folder) / "disk").close()
        except OSError as error:
            return str(error)
    return ""
