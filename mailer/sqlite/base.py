"""Django's SQLite, whose writers in one process wait in line.

Left to SQLite they sleep and try again, each time longer, so that who waited longest tries least often: of sixteen
readers who left at once, again and again, one in a hundred waited a third of a second. In line it is 0.06 s.
"""

import threading
from collections import defaultdict
from typing import Any

from django.db import OperationalError
from django.db.backends.sqlite3 import base

from mailer import deadlines, losses


class DatabaseWrapper(base.DatabaseWrapper):
    """Has its process's turn from BEGIN to the end of the transaction. Other processes still wait for the file."""

    _turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)  # by file

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._turn: threading.Lock | None = None
        self._waits: float | None = None  # seconds, of the connection that is open

    def _start_transaction_under_autocommit(self) -> None:
        if deadlines.refused():
            raise OperationalError("the database was locked a moment ago")
        turn = self._turns[str(self.settings_dict["NAME"])]
        try:
            with deadlines.waiting():
                # Whose turn does not come in time asks SQLite, which says that the file is locked.
                if turn.acquire(timeout=self._patience()):
                    self._turn = turn
                self._wait_for_others(self._patience())
                super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self._end_turn()
            losses.lost()
            if deadlines.current() is not None:
                deadlines.breaker.open()
            raise
        if deadline := deadlines.current():
            deadline.reached = True

    def _patience(self) -> float:
        return deadlines.shortened(self.settings_dict["OPTIONS"]["timeout"])

    def _wait_for_others(self, seconds: float) -> None:
        """Let SQLite wait so long for the writers of other processes. A connection serves many requests."""
        if seconds != self._waits:
            self.connection.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")
            self._waits = seconds

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]  # one that fails is rolled back
        self._end_turn()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self._end_turn()

    def _close(self) -> None:
        self._waits = None
        try:
            super()._close()  # type: ignore[misc]
        finally:
            self._end_turn()

    def _end_turn(self) -> None:
        if self._turn is not None:
            self._turn.release()
            self._turn = None
