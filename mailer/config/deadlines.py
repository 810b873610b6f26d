"""Limit how long a web request waits for the database in all: connecting, statements, locks, commits, and nothing else.

What else it does may be slow, a frozen broker or a visitor's line, and says nothing about the database.

A PostgreSQL that is stopped or cut off does not refuse, it hangs, and neither a pool's timeout nor one of the server's
ends that. So one thread watches the sockets of all requests: shortly before the time is over it asks the server to
cancel (somebody else may hold a lock), and then it shuts the socket down, so that the thread that waits there gets an
error.

Once the database was found down, requests fail at once for a second, then one of them looks again. Otherwise each would
hang, and all those behind them would wait for a thread.
"""

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

CANCEL_BEFORE = 0.3  # seconds before the end
CLOSED_FOR = 1.0  # seconds for which a database that was found down is not asked
_LOOK_EVERY = 0.1


class CircuitBreaker:
    """Open while the database is taken to be down; one request a second gets through to look."""

    def __init__(self) -> None:
        self._open_until = 0.0
        self._lock = threading.Lock()

    def refuses(self, look_for: float) -> bool:
        """Tell whether the caller must not ask. The one that may ask after a second gets `look_for` seconds."""
        if not self._open_until:
            return False
        with self._lock:
            now = time.monotonic()
            if now < self._open_until:
                return True
            self._open_until = now + look_for
            return False

    def open(self) -> None:
        self._open_until = time.monotonic() + CLOSED_FOR

    def close(self) -> None:
        self._open_until = 0.0


breaker = CircuitBreaker()


class Deadline:
    """The time that a thread has for the database. It runs while the thread waits for it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.reached = False  # the database did what it was asked, at least once
        self.missed = False
        self.cancelled = False  # the connection is spoilt: a cancel that comes late would hit its next user
        self._left = seconds
        self._ends: float | None = None  # while the thread waits
        self._watched: tuple[Any, int] | None = None  # psycopg's connection, and a descriptor of our own of its socket
        self._lock = threading.Lock()

    def left(self) -> float:
        """Return the seconds left."""
        ends = self._ends
        return self._left if ends is None else max(0.0, ends - time.monotonic())

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the time in the block, in which this thread waits for the database."""
        if self._ends is not None:
            yield  # within another wait
            return
        self._ends = time.monotonic() + self._left
        try:
            yield
        finally:
            with self._lock:
                self._left, self._ends = self.left(), None

    def watch(self, connection: Any) -> None:
        """Cut this connection, and no other, when the time is over."""
        with self._lock:
            self._forget()
            # A descriptor of our own: psycopg's may be closed, and its number be another file's, when we use it.
            self._watched = connection, os.dup(connection.fileno())
        _watcher.watch(self)

    def release(self) -> None:
        """Stop watching."""
        with self._lock:
            self._forget()

    def look(self) -> None:
        """Act if the time is nearly over; the watcher calls this every now and then."""
        with self._lock:
            if self._watched is None or self._ends is None:
                return
            connection, descriptor = self._watched
            left = self._ends - time.monotonic()
            if left > CANCEL_BEFORE or _has_answered(descriptor):
                return
            if not self.cancelled:
                self.cancelled = True
                _cancel(connection)
            if left <= 0:
                self.missed = True
                breaker.open()
                with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connected:
                    connected.shutdown(socket.SHUT_RDWR)
                self._forget()

    def _forget(self) -> None:
        if self._watched is not None:
            os.close(self._watched[1])
            self._watched = None
        _watcher.forget(self)


def _has_answered(descriptor: int) -> bool:
    """Tell whether an answer is there that the thread has not read yet: the machine is busy, or was asleep."""
    answers = select.poll()
    answers.register(descriptor, select.POLLIN)
    return bool(answers.poll(0))


def _cancel(connection: Any) -> None:
    """Cancel in a separate thread: it needs its own connection, which a stopped server does not accept."""
    import psycopg  # not needed on SQLite, and slow to load

    # Without it (before libpq 17) psycopg would hold Python's lock while it waits, and stop the whole process.
    if psycopg.capabilities.has_cancel_safe():
        threading.Thread(target=_cancel_quietly, args=(connection,), name="cancel", daemon=True).start()


def _cancel_quietly(connection: Any) -> None:
    import psycopg

    with contextlib.suppress(psycopg.Error):
        connection.cancel_safe(timeout=2.0)


class _Watcher:
    """One thread for all deadlines of the process. It starts with the first, so after gunicorn's fork."""

    def __init__(self) -> None:
        self._deadlines: set[Deadline] = set()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def watch(self, deadline: Deadline) -> None:
        self._deadlines.add(deadline)
        if self._thread is None or not self._thread.is_alive():
            with self._starting:
                if self._thread is None or not self._thread.is_alive():
                    self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
                    self._thread.start()

    def forget(self, deadline: Deadline) -> None:
        self._deadlines.discard(deadline)

    def _run(self) -> None:
        while True:
            time.sleep(_LOOK_EVERY)
            for deadline in self._deadlines.copy():
                deadline.look()


_watcher = _Watcher()
_of_thread = threading.local()


def current() -> Deadline | None:
    """Return the deadline of this thread, if any: outside of web requests there is none."""
    return getattr(_of_thread, "deadline", None)


@contextmanager
def within(seconds: float) -> Iterator[Deadline]:
    """Wait for the database for at most this long in the block; then this thread gets an OperationalError."""
    deadline = Deadline(seconds)
    _of_thread.deadline = deadline
    try:
        yield deadline
    finally:
        _of_thread.deadline = None
        deadline.release()
        if deadline.reached and not deadline.missed:
            breaker.close()


def shortened(seconds: float) -> float:
    """Return the seconds that this thread may wait, at most `seconds`."""
    deadline = current()
    return seconds if deadline is None else min(seconds, deadline.left())


def waiting() -> AbstractContextManager[None]:
    """Return a context manager for a block in which this thread waits for the database."""
    deadline = current()
    return nullcontext() if deadline is None else deadline.running()


def refused() -> bool:
    """Tell whether this thread should not ask the database, because it was found down a moment ago."""
    deadline = current()
    return deadline is not None and breaker.refuses(deadline.seconds)
