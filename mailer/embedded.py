"""A Celery worker in threads of this process: the same code in `mailer worker` and in a command without a broker.

Threads, because the work waits for the provider: lanes are threads, and more cores are more worker processes. Issues
and confirmation mails have a worker each, so that a confirmation never waits behind an issue.
"""

import logging
import socket
import threading
import time
from typing import Any

from celery.worker import state as worker_state
from django.conf import settings
from django.db import connection

from mailer import celery
from mailer.models import Attempt
from mailer.sending import owners
from mailer.sending.owners import this_owner
from mailer.sweeping import Sweeper

log = logging.getLogger(__name__)


class EmbeddedWorker:
    """Started, it takes hints and sweeps; stopped, no request of it is in flight (or `patience` seconds are over)."""

    def __init__(self) -> None:
        self._sweeper = Sweeper()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        this_owner()
        owners.tidy(set(Attempt.objects.filter(state=Attempt.State.OPEN).values_list("owner", flat=True)))
        worker_state.should_stop = None
        celery.embedded_worker_runs = True
        self._run("issues", settings.MAILER_LANES)
        self._run("confirmations", 1)
        self._sweeper.start()
        log.info("worker started", extra={"lanes": settings.MAILER_LANES, "provider": settings.PROVIDER})

    def stop(self, patience: float | None = None) -> None:
        """No new task starts; those in flight are waited for."""
        until = time.monotonic() + (settings.MAILER_HTTP_TIMEOUT + 5 if patience is None else patience)
        self._sweeper.stop()
        celery.embedded_worker_runs = False
        worker_state.should_stop = 0
        while worker_state.active_requests and time.monotonic() < until:
            time.sleep(0.05)
        self._sweeper.join(2)
        log.info("worker stopped", extra={"in_flight": len(worker_state.active_requests)})

    def _run(self, queue: str, lanes: int) -> None:
        app = celery.make_app(current=False)
        controller: Any = app.WorkController(
            app=app,
            pool_cls="threads",
            concurrency=lanes,
            queues=[queue],
            hostname=f"{queue}@{socket.gethostname()}",
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )

        def run() -> None:
            try:
                controller.start()
            finally:
                connection.close()

        thread = threading.Thread(target=run, name=f"celery-{queue}", daemon=True)
        thread.start()
        self._threads.append(thread)
