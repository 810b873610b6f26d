"""The slots of this process: how many tasks of one kind it runs at a time. After a stop none starts.

Work comes from Celery's pool and from the sweep's own threads, so neither of them knows alone what is in flight.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from mailer.config.logs import place_of
from mailer.store import interruptions

log = logging.getLogger(__name__)


class Slots:
    """At most `count()` pieces of work at a time. Open until `stop`."""

    def __init__(self, name: str, count: Callable[[], int]) -> None:
        self.name = name
        self._count = count
        self._changed = threading.Condition()
        self._busy = 0
        self._open = True
        self._since: dict[int, float] = {}  # thread that holds a slot → when it began with its last piece of work

    @contextmanager
    def slot(self) -> Iterator[bool]:
        """Hold a slot for the block. Yield False if none is free or the worker stops: then others do the work."""
        taken = self._take()
        try:
            if taken:
                self._since[threading.get_ident()] = time.monotonic()
            yield taken
        finally:
            if taken:
                self._give_back()

    def run_aside(self, work: Callable[[], None]) -> bool:
        """Do `work` in a thread of its own. Return False if no slot is free."""
        if not self._take():
            return False

        def hold_a_slot() -> None:
            self._since[threading.get_ident()] = time.monotonic()
            try:
                work()
            except (OperationalError, InterfaceError) as error:
                interruptions.failed(error)
            # It stays due in the database. Not the error's message: it may hold an address.
            except Exception as error:  # noqa: BLE001
                log.error(
                    "task failed in a worker thread", extra={"error": type(error).__name__, "at": place_of(error)}
                )
            finally:
                try:
                    connection.close()
                finally:
                    self._give_back()

        try:
            threading.Thread(target=hold_a_slot, name=f"{self.name}-slot", daemon=True).start()
        except RuntimeError:  # the system has no thread left
            self._give_back()
            raise
        return True

    def _take(self) -> bool:
        with self._changed:
            taken = self._open and self._busy < self._count()
            self._busy += taken
            return taken

    def _give_back(self) -> None:
        with self._changed:
            self._busy -= 1
            self._since.pop(threading.get_ident(), None)
            self._changed.notify_all()

    @property
    def is_open(self) -> bool:
        """Return False once the worker stops. Ask before each piece of work, also while holding a slot."""
        if threading.get_ident() in self._since:
            self._since[threading.get_ident()] = time.monotonic()
        return self._open

    @property
    def longest_piece(self) -> float:
        """Return the seconds that the slowest slot has spent on one task."""
        now = time.monotonic()
        return max(0.0, now - min(self._since.copy().values(), default=now))

    @property
    def busy(self) -> int:
        return self._busy

    @property
    def free(self) -> int:
        return max(0, self._count() - self._busy) if self._open else 0

    def open(self) -> None:
        with self._changed:
            self._open = True

    def stop(self) -> None:
        """Start no task from now on. A busy slot ends after its current task."""
        with self._changed:
            self._open = False

    def wait_until_idle(self, until: float) -> int:
        """Wait for running tasks, until this `time.monotonic()` at most. Return how many are left."""
        with self._changed:
            while self._busy and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            return self._busy


issues = Slots("issues", lambda: int(settings.MAILER_LANES))
# Confirmations, links that subscribers asked for and notices to the editor never wait behind an issue.
mails = Slots("mails", lambda: 1)
# Nor does the welcome of those who confirmed.
welcomes = Slots("welcomes", lambda: 1)
ALL = (issues, mails, welcomes)
