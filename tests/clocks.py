"""Clocks that a test moves: this machine's, and the database's."""

from datetime import datetime
from typing import Any

from django.db import connection
from django.utils import timezone

_SHADOW = """
    CREATE SCHEMA moved;
    CREATE FUNCTION moved.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
        $$ SELECT current_setting('tests.now')::timestamptz $$;
    SET LOCAL search_path = moved, pg_catalog, public"""


class StandingClock:
    """The time that everybody reads, also inside SQL; it stands still until a test moves it.

    On PostgreSQL a function of the same name stands before the database's own, until the test's transaction ends.
    """

    def __init__(self, monkeypatch: Any) -> None:
        self._now = timezone.now()
        monkeypatch.setattr(timezone, "now", lambda: self._now)
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(_SHADOW)
        self.now = self._now

    @property
    def now(self) -> datetime:
        return self._now

    @now.setter
    def now(self, moment: datetime) -> None:
        self._now = moment
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('tests.now', %s, true)", [moment.isoformat()])
