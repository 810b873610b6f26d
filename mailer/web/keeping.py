"""What a web process does besides requests: it applies the journal of unsubscribes, and keeps link keys current."""

import contextlib
import logging
import threading
import time

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from mailer.store import installation
from subscribers import applying

log = logging.getLogger(__name__)

EVERY = 2.0  # seconds
REFRESHED_EVERY = 10.0


class Keeper(threading.Thread):
    """Works as long as the web process runs. A database that is down is retried."""

    def __init__(self) -> None:
        super().__init__(name="keeper", daemon=True)
        self._stopping = threading.Event()
        self._refreshed = -REFRESHED_EVERY

    def stop(self, patience: float = 3.0) -> None:
        self._stopping.set()
        self.join(patience)

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                close_old_connections()
                self._turn()
            # OSError: a full disk, or a file in MAILER_HOME that another user owns.
            except (DatabaseError, InterfaceError, OSError) as error:
                log.debug("background work failed, will retry", extra={"error": type(error).__name__})
                connection.close()
            self._stopping.wait(EVERY)
        with contextlib.suppress(DatabaseError, InterfaceError, OSError):
            self._turn()  # who left in the last two seconds
        connection.close()

    def _turn(self) -> None:
        if path := settings.LEAVING_JOURNAL:
            applying.apply(path)
        if time.monotonic() >= self._refreshed + REFRESHED_EVERY:
            installation.refresh()
            self._refreshed = time.monotonic()
