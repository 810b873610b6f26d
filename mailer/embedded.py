"""A Celery worker in threads of this process: the same code in `mailer worker` and in a command without a broker.

Threads, because the work waits for the provider: lanes are threads, and more cores are more worker processes. Issues
and confirmation mails have a worker each, so that a confirmation never waits behind an issue.
"""

import gc
import logging
import socket
import threading
import time
from typing import Any

from celery.worker import state as worker_state
from django.conf import settings
from django.db import connection
from kombu.asynchronous import set_event_loop

from mailer import celery, schema
from mailer.models import Attempt
from mailer.sending import owners, restoring
from mailer.sending.owners import this_owner
from mailer.sweeping import Sweeper

log = logging.getLogger(__name__)


class EmbeddedWorker:
    """Started, it takes hints and sweeps; stopped, no request of it is in flight (or `patience` seconds are over)."""

    def __init__(self) -> None:
        self._sweeper = Sweeper()
        self._stopping = threading.Event()
        self._making = threading.Lock()

    def start(self) -> None:
        """Raises Restored."""
        schema.is_newer()  # a worker that was restarted during an upgrade waits, as one that runs does
        restoring.check()
        this_owner()
        owners.tidy(set(Attempt.objects.filter(state=Attempt.State.OPEN).values_list("owner", flat=True)))
        worker_state.should_stop = None
        celery.embedded_worker_runs = True
        for queue, lanes in (("issues", settings.MAILER_LANES), ("confirmations", 1)):
            threading.Thread(target=self._serve, args=(queue, lanes), name=f"celery-{queue}", daemon=True).start()
        self._sweeper.start()
        gc.freeze()  # what was loaded until now stays; the collector need not look at it again
        log.info("worker started", extra={"lanes": settings.MAILER_LANES, "provider": settings.PROVIDER})

    def stop(self, patience: float | None = None) -> None:
        """No new task starts; those in flight are waited for."""
        until = time.monotonic() + (settings.MAILER_HTTP_TIMEOUT + 5 if patience is None else patience)
        self._stopping.set()
        self._sweeper.stop()
        celery.embedded_worker_runs = False
        worker_state.should_stop = 0
        while worker_state.active_requests and time.monotonic() < until:
            time.sleep(0.05)
        self._sweeper.join(2)
        log.info("worker stopped", extra={"in_flight": len(worker_state.active_requests)})

    def _serve(self, queue: str, lanes: int) -> None:
        """Take the hints of one queue. A worker that gives up is replaced, or the process would only look busy."""
        try:
            while not self._stopping.is_set():
                self._controller(queue, lanes).start()
                if not self._stopping.wait(1):
                    log.error("the worker of a queue gave up, another takes its place", extra={"queue": queue})
        finally:
            connection.close()

    def _controller(self, queue: str, lanes: int) -> Any:
        app = celery.make_app(current=False)
        with self._making:
            # kombu keeps one event loop for the whole process, and each worker takes the one that it finds. Two workers
            # in one loop read each other's sockets, so each is made to find none.
            set_event_loop(None)
            return app.WorkController(
                app=app,
                pool_cls="threads",
                concurrency=lanes,
                queues=[queue],
                hostname=f"{queue}@{socket.gethostname()}",
                without_gossip=True,
                without_mingle=True,
                without_heartbeat=True,
            )
