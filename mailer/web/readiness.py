"""What keeps this process from serving: the reasons why `/readyz` is not 200.

A check returns one state in a word or two, or "" if all is well. It answers at once and never raises; states hold no
path, host or address, because anybody may ask.
"""

import errno
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from mailer.store import journals, schema
from subscribers import clock

ROOM = 8_000_000  # bytes; with less, the next transactions of a send fail


def faults() -> dict[str, str]:
    """Return part → state of everything that is wrong; empty if this process can serve."""
    return {part: state for part, check in CHECKS.items() if (state := check())}


def database() -> str:
    """Return the database's state; `newer` and `older` compare its tables with this version of mailer."""
    try:
        if schema.unknown_migrations():
            return "newer"
        if schema.missing_migrations():
            return "older"
        return "read only" if _is_read_only() else ""
    except (DatabaseError, InterfaceError):
        return "not reached"


def disk() -> str:
    """Return why opt-outs, attempts and, on SQLite, the database itself cannot be written."""
    for folder in folders():
        try:
            if shutil.disk_usage(folder).free < ROOM:
                return "full"
            # A quota, or a file system that was mounted again read-only, shows only when something is written.
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"\0" * 4096)
        except OSError as error:
            return "full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "cannot be written"
    return ""


def folders() -> set[Path]:
    """Return where this process writes."""
    found = {Path(settings.HOME)}
    if connection.vendor == "sqlite":
        found.add(Path(connection.settings_dict["NAME"]).parent)
    return found


def _is_read_only() -> bool:
    """Tell whether it is a standby, or a server that its host made read-only, for example because its disk is full."""
    if connection.vendor != "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('transaction_read_only')")
        return bool(cursor.fetchone()[0] == "on")


def leavings() -> str:
    """Return "wait" if unsubscribes from an outage are not applied: that takes seconds once the database is back."""
    try:
        since = journals.here().since
    except OSError:
        return "cannot be read"
    return "wait" if since and since < clock.estimated() - journals.LATE else ""


# Part → check. Add a new reason here.
CHECKS: dict[str, Callable[[], str]] = {"database": database, "disk": disk, "leavings": leavings}
