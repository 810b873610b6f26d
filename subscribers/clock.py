"""The one clock that all machines of an installation agree on: the database's.

Limits, due times, leases, backoff, schedules and evidence compare times that different machines wrote, and laptops and
containers are off by minutes or hours. On SQLite every process shares the machine, so there it is the machine's clock.
"""

from datetime import datetime

from django.db import connection
from django.utils import timezone


def now() -> datetime:
    """Return the database's time, aware and in UTC.

    `clock_timestamp()`, because `now()` is the start of a transaction that may have waited for a lock since.
    """
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment
