"""Which unsubscribes wait for the database: in the journal of this MAILER_HOME, and in those of other web processes.

A web process reports its journal in the table of processes. One that was killed during an outage may have written lines
that no row reports, so it counts as missing until a web process runs in its MAILER_HOME again.
"""

import os
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.dateparse import parse_datetime

from mailer.models import Process
from subscribers import journal, shared_files
from subscribers.journal import Waiting

MISSED_AFTER = timedelta(minutes=1)
_LENGTH = 36  # bytes of a home's id
LATE = timedelta(minutes=1)  # far more than a journal waits once the database answers


@dataclass(frozen=True)
class Journals:
    lines: int
    since: datetime | None  # the click that waits longest
    missing: tuple[Process, ...]  # web processes that ended without signing off, the newest of each MAILER_HOME


def look(now: datetime) -> Journals:
    """Return what waits everywhere, by the database's clock. Raises DatabaseError, OSError."""
    rows = Process.objects.filter(kind=Process.Kind.WEB, state__has_key="home").order_by("seen_at")
    newest = {row.state["home"]: row for row in rows}
    this_home = _home_on_file()
    found = [_told(row) for home, row in newest.items() if home != this_home] + [here()]
    sinces = [waiting.since for waiting in found if waiting.since]
    missing = tuple(row for row in newest.values() if row.seen_at < now - MISSED_AFTER)
    return Journals(sum(waiting.lines for waiting in found), min(sinces, default=None), missing)


def here() -> Waiting:
    """Return what waits in this MAILER_HOME. Raises OSError."""
    return journal.waiting(settings.LEAVING_JOURNAL) if settings.LEAVING_JOURNAL else Waiting()


def where(row: Process) -> str:
    """Return host and MAILER_HOME of a web process; older versions did not report the folder."""
    return f"{row.host}:{row.state['folder']}" if row.state.get("folder") else row.host


def forget_missing(now: datetime) -> tuple[Process, ...]:
    """Stop counting the currently missing web processes as missing; return them. Raises DatabaseError, OSError."""
    missing = look(now).missing
    homes = [row.state["home"] for row in missing]
    Process.objects.filter(kind=Process.Kind.WEB, state__home__in=homes, seen_at__lt=now - MISSED_AFTER).delete()
    return missing


def _told(row: Process) -> Waiting:
    since = row.state.get("leaving_since")
    return Waiting(int(row.state.get("leaving_lines") or 0), parse_datetime(since) if since else None)


def state() -> dict[str, Any]:
    """Return what this web process reports of its journal in the table of processes."""
    path = settings.LEAVING_JOURNAL
    if path is None:
        return {}
    waiting = journal.waiting(path)
    return {
        "home": str(home_id()),
        "folder": str(settings.HOME),
        "leaving_lines": waiting.lines,
        "leaving_since": waiting.since.isoformat() if waiting.since else None,
    }


@cache
def home_id() -> uuid.UUID:
    """Return the id of this MAILER_HOME, made by the first process that asks: two with one home share its journal."""
    with shared_files.locked(_id_file()) as file:
        found = file.read()
        if len(found) == _LENGTH:
            return uuid.UUID(found.decode())
        # A new file, or one that found no space on its disk.
        made = uuid.uuid4()
        try:
            os.pwrite(file.fileno(), str(made).encode(), 0)
        except OSError as error:
            error.filename = str(_id_file())
            raise
    return made


def _home_on_file() -> str:
    """Return the id of this MAILER_HOME if a web process ever ran in it; reading alone creates none."""
    try:
        return _id_file().read_text()
    except FileNotFoundError:
        return ""


def _id_file() -> Path:
    return Path(settings.HOME) / "home-id"
