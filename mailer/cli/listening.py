"""What `mailer serve` asks of gunicorn beyond its own: patience has an end, and the log holds no reader's token."""

import contextlib
import logging
import socket
import sys
import time
from typing import Any

from django.conf import settings
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker

from mailer import journals, proxies
from mailer.exhaustion import shortage
from mailer.keeping import Keeper
from mailer.models import Process
from mailer.presence import Presence

log = logging.getLogger(__name__)

SENT = 10.0  # seconds in which a request must have come in whole
ANSWERED = 60.0  # seconds in which it must be answered, and the answer taken


class PatientWorker(ThreadWorker):  # type: ignore[misc]
    """Hangs up on clients that drip: gunicorn waits for ever, and as many as it has threads would close every door."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._busy: dict[Any, float] = {}  # connection → since when a thread is busy with it
        self._short = False  # the last connection could not be accepted

    def run(self) -> None:
        presence, keeper = Presence(Process.Kind.WEB, lambda: journals.state() | proxies.state()), Keeper()
        presence.start()
        keeper.start()
        try:
            super().run()
        finally:
            keeper.stop()
            presence.stop()

    def init_process(self) -> None:
        """One that cannot start for want of descriptors or memory ends, and gunicorn starts another.

        By itself gunicorn takes that for a fault of the application and ends as a whole.
        """
        try:
            super().init_process()
        except (OSError, MemoryError, RuntimeError) as error:
            if self.booted or not (words := shortage(error)):
                raise
            log.error("a web process could not start, another is tried", extra={"because": words})
            time.sleep(1)
            sys.exit(1)

    def accept(self, listener: Any) -> None:
        """Without a descriptor for it a connection waits. By itself gunicorn ends, and cuts the others off."""
        try:
            super().accept(listener)
        except (OSError, MemoryError, RuntimeError) as error:
            if not (words := shortage(error)):
                raise
            if not self._short:
                log.error("connections wait", extra={"because": words})
            self._short = True
            time.sleep(0.1)  # it is still there when the loop comes round
        else:
            self._short = False

    def handle(self, conn: Any) -> Any:
        self._busy[conn] = time.monotonic()
        try:
            return super().handle(conn)
        finally:
            del self._busy[conn]

    def notify(self) -> None:
        """Called each second by the thread that also closes connections, so that none is another one by now."""
        super().notify()
        now = time.monotonic()
        for conn, since in list(self._busy.items()):
            if now - since > ANSWERED:
                _hang_up(conn.sock, socket.SHUT_RDWR)
            elif now - since > SENT:
                # The request ends here; whoever sent it whole still gets the answer.
                _hang_up(conn.sock, socket.SHUT_RD)


def _hang_up(connection: socket.socket, how: int) -> None:
    with contextlib.suppress(OSError):  # it went away by itself
        connection.shutdown(how)


class TokenlessLog(Logger):  # type: ignore[misc]
    """gunicorn's log, written as ours is. A request that it cannot read is named without it: that has the path."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        self.error_log.setLevel(settings.MAILER_LOG_LEVEL)
        self.error_log.addFilter(_without_request)


def _without_request(record: logging.LogRecord) -> bool:
    if str(record.msg).startswith("Invalid request from"):
        record.msg, record.args = "a request that is not HTTP was refused", ()
    elif str(record.msg).startswith("Error handling request"):
        record.msg, record.args = "a request failed before it reached a page", ()
    return True
