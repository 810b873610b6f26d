"""The one clock that all machines of an installation agree on: the database's.

Limits, due times, leases, backoff, schedules and evidence compare times that different machines wrote, and laptops and
containers are off by minutes or hours. On SQLite every process shares the machine, so there it is the machine's clock.
"""

import time
from datetime import UTC, datetime, timedelta

from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone

_heard: tuple[datetime, float] | None = None  # what the database said last, and time.monotonic() then


def now() -> datetime:
    """Return the database's time, aware and in UTC.

    `clock_timestamp()`, because `now()` is the start of a transaction that may have waited for a lock since.
    """
    global _heard
    if connection.vendor != "postgresql":
        return timezone.now()  # noqa: TID251
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    _heard = (moment, time.monotonic())
    return moment


def in_sql() -> str:
    """Return what stands for the database's time in a statement on PostgreSQL that is too often run to ask before."""
    return "clock_timestamp()"


def now_or_estimated() -> datetime:
    """Return the database's time, or the estimate while the database is down; see `estimated`."""
    try:
        return now()
    except (DatabaseError, InterfaceError):
        return estimated()


def estimated() -> datetime:
    """Return what the database's clock should show now, without asking it.

    A process that never reached the database only has the clock of its machine.
    """
    if _heard is None:
        return timezone.now()  # noqa: TID251
    moment, then = _heard
    return moment + timedelta(seconds=time.monotonic() - then)


def in_utc(at: datetime) -> str:
    """Return a time as people read it: 2026-11-20 09:00 UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
