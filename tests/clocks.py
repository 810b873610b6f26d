"""Clocks that a test can move: this machine's and the database's."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import connection
from django.utils import timezone

from tests.parts import libfaketime

_SHADOW = """
    CREATE SCHEMA moved;
    CREATE FUNCTION moved.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
        $$ SELECT current_setting('tests.now')::timestamptz $$;
    SET LOCAL search_path = moved, pg_catalog, public"""


class StandingClock:
    """The time that every process reads, in SQL too; it stands still until a test moves it.

    On PostgreSQL a function of the same name shadows the database's own, until the test's transaction ends.
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


class MovedClock:
    """The clock of processes started with these settings; a test can move it while they run."""

    def __init__(self, file: Path, **amount: float) -> None:
        self._file = file
        self.settings = {"PYTHONPATH": str(Path(__file__).parent / "moved"), "TESTS_CLOCK": str(file)}
        self.move(**amount)

    def move(self, **amount: float) -> None:
        """Set the clock this far ahead of the right time from now on: `hours=-3`."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{timedelta(**amount).total_seconds():+.0f}")
        new.replace(self._file)


class FaketimeClock(MovedClock):
    """The same for all code of a process and everything it loads: libfaketime is preloaded."""

    def __init__(self, file: Path, **amount: float) -> None:
        super().__init__(file, **amount)
        self.settings = {
            "LD_PRELOAD": libfaketime(),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
