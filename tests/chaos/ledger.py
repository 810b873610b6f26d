"""Read a run's database from outside with plain SQL, without our own code, so that it is independent evidence."""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DELIVERIES = """
    SELECT s.email, coalesce(d.outcome, b.state), d.id
    FROM mailer_delivery d
    JOIN mailer_batch b ON b.id = d.batch_id
    LEFT JOIN subscribers_subscriber s ON s.id = d.subscriber_id
"""
ORPHANS = """
    SELECT count(*) FROM mailer_delivery d
    LEFT JOIN mailer_batch b ON b.id = d.batch_id LEFT JOIN mailer_send s ON s.id = d.send_id
    WHERE b.id IS NULL OR s.id IS NULL OR b.send_id <> s.id
"""
OPEN = """
    SELECT (SELECT count(*) FROM mailer_batch WHERE state IN ('planned', 'posting'))
         + (SELECT count(*) FROM mailer_attempt WHERE state = 'open')
"""


class Away(Exception):
    """The database does not answer right now, or has no tables yet."""


@dataclass(frozen=True)
class Ledger:
    """Reads committed rows only; each query has a connection of its own."""

    url: str  # of PostgreSQL; empty for SQLite
    file: Path

    def deliveries(self) -> list[tuple[str, str, int]]:
        """Return address, outcome and id of each planned subscriber; the outcome is its own, else its batch's state."""
        return [(row[0], row[1], row[2]) for row in self._rows(DELIVERIES)]

    def orphans(self) -> int:
        """Return how many deliveries lack a batch or a send, or have those of different sends."""
        return int(self._rows(ORPHANS)[0][0])

    def attempts(self) -> dict[str, tuple[str, float]]:
        """Return attempt → state and when it was started (seconds since the epoch)."""
        started = "extract(epoch from started_at)" if self.url else "(julianday(started_at) - 2440587.5) * 86400.0"
        rows = self._rows(f"SELECT id, state, {started} FROM mailer_attempt")
        return {str(row[0]).replace("-", ""): (row[1], float(row[2])) for row in rows}

    def send(self) -> tuple[str, str, int] | None:
        """Return state, reason and number of planned subscribers of the one send, if it was planned."""
        rows = self._rows("SELECT state, reason, planned FROM mailer_send")
        return (rows[0][0], rows[0][1], rows[0][2]) if rows else None

    def swept(self) -> bool:
        """Tell whether a worker has swept."""
        return bool(self._rows("SELECT swept_at FROM mailer_installation WHERE swept_at IS NOT NULL"))

    def unsubscribed(self) -> set[str]:
        """Return the addresses of those who have left."""
        rows = self._rows(
            "SELECT s.email FROM subscribers_subscriber s JOIN subscribers_subscription w ON w.subscriber_id = s.id"
            " WHERE w.state = 'unsubscribed'"
        )
        return {str(row[0]) for row in rows}

    def open(self) -> int:
        """Return how many batches and attempts have not ended."""
        return int(self._rows(OPEN)[0][0])

    def _rows(self, sql: str) -> list[Any]:
        import psycopg

        try:
            with self._connection() as connection:
                return list(connection.execute(sql).fetchall())
        except (sqlite3.Error, psycopg.Error) as error:
            raise Away(str(error)) from error

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Any]:
        if self.url:
            import psycopg

            with psycopg.connect(self.url, connect_timeout=3) as connection:
                yield connection
            return
        if not self.file.exists():
            raise Away("no database yet")
        with contextlib.closing(sqlite3.connect(self.file, timeout=20)) as connection:
            yield connection
