"""Files that several processes use at once: locks that end with their process, and lines that are written whole.

The kernel lets go of an flock when the process ends, however it ends. So a process that gets one knows that the former
holder is done or dead; a file that merely is there, or a process id in it, would prove neither.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import IO

File = IO[bytes] | int  # an open file, or its descriptor


def lock(file: File) -> None:
    """Wait until no other process has the file locked, and lock it until it is closed."""
    fcntl.flock(file, fcntl.LOCK_EX)


def lock_shared(file: File) -> None:
    """Wait until nobody has it locked for writing; others may read at the same time."""
    fcntl.flock(file, fcntl.LOCK_SH)


def try_lock(file: File) -> bool:
    """Lock the file if it is free. Return False if another process has it locked."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unlock(file: File) -> None:
    fcntl.flock(file, fcntl.LOCK_UN)


@contextmanager
def locked(path: Path) -> Iterator[FileIO]:
    """Open a file, made for its owner alone where there is none, and hold its lock for the block."""
    with _opened(path) as file:
        lock(file)
        yield file


@contextmanager
def locked_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock of a file for the block, or yield False if another process has it."""
    with _opened(path) as file:
        yield try_lock(file)


def is_locked(path: Path) -> bool:
    """Return whether a process holds the lock of this file. Raises FileNotFoundError."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: who else asks does not look like a holder
        except BlockingIOError:
            return True
    return False


def append(descriptor: int, lines: bytes) -> int:
    """Append lines to a file that is locked, all of them or none; return its size before.

    A full disk takes half a line, and a process that is killed leaves one: neither spoils the next.
    """
    end = os.fstat(descriptor).st_size
    if end and os.pread(descriptor, 1, end - 1) != b"\n":
        lines = b"\n" + lines
    at = end
    try:
        while lines:
            written = os.pwrite(descriptor, lines, at)
            lines, at = lines[written:], at + written
    except OSError:
        os.ftruncate(descriptor, end)
        raise
    return end


def replace(path: Path, content: bytes) -> None:
    """Write a file completely or not at all, for its owner alone; a concurrent reader gets the previous one."""
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with open(beside, "wb", opener=private) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # or a power cut could leave an empty file under the name
        beside.replace(path)
    except OSError:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Let the names of new files in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def private(path: str, flags: int) -> int:
    """Open a file as an `opener` does; a new one is for its owner alone."""
    return os.open(path, flags, 0o600)


def _opened(path: Path) -> FileIO:
    return FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")
