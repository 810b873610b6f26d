"""Django's SQLite, whose writers wait in line.

Left to SQLite they sleep and try again, each time longer, so that the one that waited longest tries least often: of
sixteen subscribers who left at once, again and again, one in a hundred waited a third of a second. In line it is 0.06
s. Between processes it is worse, because one whose threads write one after the other leaves another no moment to come
in between: two web processes had one in a hundred wait for more than a second.
"""

import contextlib
import functools
import locale
import os
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.db import OperationalError
from django.db.backends.sqlite3 import base

from mailer.config import deadlines
from mailer.store import losses
from subscribers import shared_files

MOMENT = 0.0005  # seconds
EAGER = 0.005  # seconds in which a process may take turn after turn; each change of process costs a moment


@contextlib.contextmanager
def next_of_all(path: str, until: float) -> Iterator[None]:
    """Let no other process begin to write before this one, from here to the end of the block.

    Without the file, or when the wait took until then, it runs all the same: this decides who is first, not who may.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        yield
        return
    try:
        while not _locked(descriptor) and time.monotonic() < until:
            time.sleep(MOMENT)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        return shared_files.try_lock(descriptor)
    except OSError:
        return False


@functools.cache
def recognize_inserts() -> None:
    """Make Python count the rows of an INSERT in a Turkish terminal, too.

    Before 3.13 its sqlite3 looks for "insert" with the letters of the C library, where the small letter of I is not i.
    """
    with contextlib.closing(sqlite3.connect(":memory:")) as memory:
        memory.execute("CREATE TABLE one (number INTEGER)")
        if memory.execute("INSERT INTO one VALUES (1)").rowcount == 1:
            return
    for plain in ("C.UTF-8", "C"):
        with contextlib.suppress(locale.Error):
            locale.setlocale(locale.LC_CTYPE, plain)
            return


class DatabaseWrapper(base.DatabaseWrapper):
    """Has its process's turn from BEGIN to the end of the transaction; processes take turns."""

    _turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)  # by file

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._turn: threading.Lock | None = None
        self._waits: float | None = None  # seconds, of the connection that is open

    def get_new_connection(self, conn_params: Any) -> Any:
        recognize_inserts()
        return super().get_new_connection(conn_params)

    def _start_transaction_under_autocommit(self) -> None:
        if deadlines.refused():
            raise OperationalError("the database was locked a moment ago")
        turn = self._turns[str(self.settings_dict["NAME"])]
        try:
            with deadlines.waiting():
                # A process whose turn does not come in time asks SQLite, which says that the file is locked.
                if turn.acquire(timeout=self._patience()):
                    self._turn = turn
                self._begin(time.monotonic() + self._patience())
        except BaseException:
            self._end_turn()
            losses.lost()
            if deadlines.current() is not None:
                deadlines.breaker.open()
            raise
        if deadline := deadlines.current():
            deadline.reached = True

    def _begin(self, until: float) -> None:
        """Wait here: SQLite's own waiting would sleep longer and longer, while other processes take turn after turn."""
        line = f"{self.settings_dict['NAME']}.next"
        self._wait_for_others(0)
        try:
            with next_of_all(line, until):
                """Let the connection that has waited longest go first."""
            if not self._try_to_begin(min(until, time.monotonic() + EAGER)):
                with next_of_all(line, until):
                    if not self._try_to_begin(until):
                        super()._start_transaction_under_autocommit()  # type: ignore[misc]
        finally:
            self._wait_for_others(self._patience())

    def _try_to_begin(self, until: float) -> bool:
        while True:
            try:
                super()._start_transaction_under_autocommit()  # type: ignore[misc]
                return True
            except OperationalError as error:
                if "locked" not in str(error):
                    raise
            if time.monotonic() >= until:
                return False
            time.sleep(MOMENT)

    def _patience(self) -> float:
        return deadlines.shortened(self.settings_dict["OPTIONS"]["timeout"])

    def _wait_for_others(self, seconds: float) -> None:
        """Let SQLite wait this long for the writers of other processes. A connection serves many requests."""
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
