"""Report an outage of a worker's database or files: one line when it begins, one when it is over.

Sweep, slots and answers meet the same outage at the same time, and each would report it every few seconds.
"""

import errno
import logging
import threading
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from mailer.config.exhaustion import shortage

log = logging.getLogger(__name__)

HANGS_AFTER = 10.0  # seconds without a sweep, after which the database is asked whether it still answers
LOOK_EVERY = 5.0
LONGEST_ANSWER = 3  # seconds for a connection
FULL = (errno.ENOSPC, errno.EDQUOT)


class _State:
    lock = threading.Lock()
    because = ""  # of the interruption that was logged and is not over


def failed(error: Exception) -> str:
    """Log what does not work, where and why, unless it was already logged. Return why."""
    with _State.lock:
        if not _State.because:
            what, where, _State.because = _told(error)
            log.warning(what, extra={"where": where, "because": _State.because})
        return _State.because


def over() -> None:
    """Log that everything works again, if it did not."""
    with _State.lock:
        if _State.because:
            log.info("database and files available again", extra={"where": database_address()})
        _State.because = ""


def _told(error: Exception) -> tuple[str, str, str]:
    if isinstance(error, DatabaseError | InterfaceError):
        # A pool only says that it waited in vain. Further lines from PostgreSQL may hold a row.
        reason = why_not_reached() or str(error).partition("\n")[0] or type(error).__name__
        return "database unavailable, the worker keeps trying", database_address(), reason
    what = "disk full, free some space" if getattr(error, "errno", None) in FULL else "file cannot be used"
    where = getattr(error, "filename", None) or settings.HOME
    reason = shortage(error) or getattr(error, "strerror", None) or type(error).__name__
    return f"{what}; the worker keeps trying", str(where), reason


def why_not_reached() -> str:
    """Return the error when PostgreSQL is asked for one more connection; empty if it grants one."""
    if connection.vendor != "postgresql":
        return ""
    import psycopg  # not needed on SQLite, and slow to load

    asked = connection.get_connection_params() | {"connect_timeout": LONGEST_ANSWER}
    try:
        psycopg.connect(**asked).close()
    except psycopg.Error as error:
        return " ".join(str(error).split())
    return ""


def database_address() -> str:
    """Return where the database is, without user or password: host and port, or the folder of SQLite's file."""
    database = settings.DATABASES["default"]
    if connection.vendor != "postgresql":
        return str(Path(database["NAME"]).parent)
    host = database.get("HOST") or database["OPTIONS"].get("host") or "localhost"
    return f"{host}:{database.get('PORT') or 5432}"


class Watch(threading.Thread):
    """Notices a database that hangs, until it is stopped: a hang raises no error, so nothing else would report it."""

    def __init__(self, silent_for: Callable[[], float], stopping: threading.Event) -> None:
        super().__init__(name="interruptions", daemon=True)
        self._silent_for = silent_for
        self._stopping = stopping

    def run(self) -> None:
        while not self._stopping.wait(LOOK_EVERY):
            # A long sweep is silent too, but then the database answers.
            if self._silent_for() > HANGS_AFTER and (because := why_not_reached()):
                failed(DatabaseError(because))
