"""Tell whether the worker that opened an attempt is still alive.

Each worker process holds an flock on its own file. The kernel releases it when the process ends, however it ends, so
a process that can take the lock knows that the worker is dead. A process id would prove nothing: it is used again.
"""

import os
import uuid
from functools import cache
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from subscribers import shared_files

_held: list[BinaryIO] = []  # open for as long as the process lives


def this_worker() -> uuid.UUID:
    """Return the id of this process as a holder of attempts; its lock is held until the process ends."""
    return _worker_of_process(os.getpid())


@cache
def _worker_of_process(pid: int) -> uuid.UUID:
    worker = uuid.uuid4()
    path = _lock_file(worker)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    # It gets its name only when it is locked, or a sweep could take it for a dead owner's and remove it.
    unnamed = path.with_suffix(".starting")
    file = unnamed.open("wb")
    shared_files.lock(file)
    unnamed.rename(path)
    _held.append(file)
    return worker


def is_dead(worker: uuid.UUID) -> bool:
    """Return True if the worker ran in this MAILER_HOME and has ended; False if it is alive or nobody can know."""
    return _lives(worker) is False


def is_alive(worker: uuid.UUID) -> bool:
    """Return True if the worker runs in this MAILER_HOME, even suspended; False if it ended or nobody can know."""
    return _lives(worker) is True


def _lives(worker: uuid.UUID) -> bool | None:
    try:
        return shared_files.is_locked(_lock_file(worker))
    except FileNotFoundError:
        return None


def tidy(still_needed: set[uuid.UUID]) -> None:
    """Delete files of dead workers without open attempts."""
    folder = Path(settings.HOME) / "run"
    for path in folder.glob("*.owner"):
        worker = uuid.UUID(path.stem)
        if worker not in still_needed and is_dead(worker):
            path.unlink(missing_ok=True)


def _lock_file(worker: uuid.UUID) -> Path:
    return Path(settings.HOME) / "run" / f"{worker}.owner"
