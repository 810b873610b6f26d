"""What a web process does beside its requests: it applies the journal of leavings, and keeps the link keys at hand."""

import fcntl
import logging
import os
import threading
import time
import uuid
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from mailer import installation
from subscribers import applying, journal

log = logging.getLogger(__name__)

EVERY = 2.0  # seconds
REFRESHED_EVERY = 10.0


class Keeper(threading.Thread):
    """Works from the start of a web process to its end. A database that is away is tried again."""

    def __init__(self) -> None:
        super().__init__(name="keeper", daemon=True)
        self._stopping = threading.Event()
        self._refreshed = -REFRESHED_EVERY

    def stop(self, patience: float = 3.0) -> None:
        self._stopping.set()
        self.join(patience)

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                close_old_connections()
                self._turn()
            # OSError: a full disk, or a file in MAILER_HOME that another user owns.
            except (DatabaseError, InterfaceError, OSError) as error:
                log.debug("the keeper will try again", extra={"error": type(error).__name__})
                connection.close()
            self._stopping.wait(EVERY)
        connection.close()

    def _turn(self) -> None:
        if path := settings.LEAVING_JOURNAL:
            applying.apply(path)
        if time.monotonic() >= self._refreshed + REFRESHED_EVERY:
            installation.refresh()
            self._refreshed = time.monotonic()


def state() -> dict[str, Any]:
    """Return what this web process says of its journal in the table of processes."""
    path = settings.LEAVING_JOURNAL
    if path is None:
        return {}
    waiting = journal.waiting(path)
    return {
        "home": str(home_id()),
        "leaving_lines": waiting.lines,
        "leaving_since": waiting.since.isoformat() if waiting.since else None,
    }


@cache
def home_id() -> uuid.UUID:
    """Return the id of this MAILER_HOME, made by the first process that asks: two with one home share its journal."""
    with open(Path(settings.HOME) / "home-id", "r+b", buffering=0, opener=_create) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if found := file.read(36):
            return uuid.UUID(found.decode())
        made = uuid.uuid4()
        file.write(str(made).encode())
    return made


def _create(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT, 0o600)
