"""Which web processes and workers run: each writes a row while it lives, with what it knows of itself.

A row is removed when its process ends in order. One that was not updated for a while belongs to a process that was
killed, hangs, or is cut off from the database.
"""

import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, InterfaceError, close_old_connections, connection
from django.db.models import QuerySet

from mailer.models import Installation, Process
from mailer.store import accounts, clock, counting

log = logging.getLogger(__name__)

EVERY = 5.0  # seconds
SILENCE = timedelta(seconds=2 * EVERY)  # no living process is silent for longer
LATELY = timedelta(seconds=30)  # a process not seen for longer does not count as running
FORGOTTEN_AFTER = timedelta(days=7)
A_MINUTE = timedelta(minutes=1)

State = dict[str, Any]


class Presence(threading.Thread):
    """Keeps the row of this process, and writes what it counted, until it is stopped.

    A database that is down is retried.
    """

    def __init__(self, kind: Process.Kind, state: Callable[[], State] = dict) -> None:
        super().__init__(name="presence", daemon=True)
        self._row = Process(id=uuid.uuid4(), kind=kind, host=socket.gethostname()[:255], pid=os.getpid())
        self._state = state
        self._stopping = threading.Event()

    def run(self) -> None:
        while not self._stopping.is_set():
            self._quietly(self._write)
            self._quietly(counting.flush)
            self._stopping.wait(EVERY)
        self._quietly(counting.flush)
        self._quietly(self._remove)
        connection.close()

    def stop(self, patience: float = 3.0) -> None:
        """Remove the row, if the database answers in time."""
        self._stopping.set()
        if self.is_alive():
            self.join(patience)

    def _quietly(self, act: Callable[[], None]) -> None:
        try:
            close_old_connections()
            act()
        except (DatabaseError, InterfaceError, OSError) as error:
            log.debug("process not registered", extra={"error": type(error).__name__})
            connection.close()
        else:
            close_old_connections()  # the pool has few, and requests need them

    def _write(self) -> None:
        now, starts = clock.now(), self._row._state.adding
        self._row.state = self._state()
        self._row.seen_at = now
        self._row.started_at = self._row.started_at or now
        self._row.save()
        if starts:
            self._succeed(now - SILENCE)

    def _remove(self) -> None:
        Process.objects.filter(pk=self._row.pk).delete()
        if self._row.started_at:
            self._succeed(max(self._row.started_at, clock.now() - SILENCE))

    def _succeed(self, seen_before: datetime) -> None:
        """Stop counting killed processes as missing whose MAILER_HOME this one looks after.

        A row of one that lives, which was taken for dead, is back within seconds.
        """
        if home := self._row.state.get("home"):
            dead = Process.objects.filter(kind=self._row.kind, state__home=home, seen_at__lt=seen_before)
            dead.exclude(pk=self._row.pk).delete()


def running(kind: Process.Kind, now: datetime) -> "QuerySet[Process]":
    """Return processes that were seen lately, by the database's clock."""
    return Process.objects.filter(kind=kind, seen_at__gte=now - LATELY).order_by("host", "pid")


def worker_swept_lately() -> bool:
    """Tell whether a worker swept in the last minute that may send what is planned here."""
    account = accounts.known_account()
    swept = Installation.objects.values_list("swept_at", flat=True).get(pk=1)
    # Compared with the last sweep and not with the time, since that may be taken back; see mailer.sending.clocks.
    if swept and account and (account.swept_at is None or account.swept_at < swept - A_MINUTE):
        return False
    return swept is not None and abs(clock.now() - swept) < A_MINUTE


def idle_workers(now: datetime) -> str:
    """Say which workers run and may not send, and why; return "" if there are none."""
    found = [one for one in running(Process.Kind.WORKER, now) if one.state.get("because")]
    return " ".join(
        (f"The worker {one.host}:{one.pid} is running but may not send: {one.state['because']}") for one in found
    )


def forget_old(now: datetime) -> None:
    """Remove the rows of processes that were not seen for a week."""
    Process.objects.filter(seen_at__lt=now - FORGOTTEN_AFTER).delete()
