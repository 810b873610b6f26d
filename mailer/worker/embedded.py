"""A Celery worker in threads of this process: the same code in `mailer worker` and in a command without a broker.

Threads, because the work waits for the provider; more cores are more worker processes. Issues and single mails have a
Celery worker each, so that a confirmation never waits behind an issue. Both take what they do from the database, so a
broker that is down is waited for while the sweep feeds the slots.
"""

import gc
import logging
import os
import socket
import threading
import time
from queue import SimpleQueue
from typing import Any

from celery.exceptions import WorkerShutdown
from celery.worker import state as worker_state
from django.conf import settings
from django.db import connection
from django.template import engines
from kombu.asynchronous import set_event_loop

# Celery would import the tasks later; if it could not (no descriptor left), it would log that and drop their hints.
import mailer.tasks  # noqa: F401
import subscribers.tasks  # noqa: F401
from mailer import broker, celery, concurrency
from mailer.config.exhaustion import shortage
from mailer.config.logs import place_of
from mailer.models import Attempt
from mailer.providers.current import configured_provider
from mailer.sending import restore_guard, worker_locks
from mailer.sending.worker_locks import this_worker
from mailer.store import accounts, schema
from mailer.worker.sweeping import Sweeper

log = logging.getLogger(__name__)

LONGEST_PAUSE = 30.0  # seconds between two looks for a broker that is down
SLOW = 60.0  # seconds that a sweep or a batch may take besides a request and its answer: the database may be busy


class EmbeddedWorker:
    """Once started, it takes hints and sweeps. Once stopped, it claims nothing, and no request of it is in flight."""

    def __init__(self) -> None:
        self._sweeper = Sweeper()
        self._stopping = threading.Event()
        # Not an Event: its lock would be waited for by a signal handler that interrupts the thread that holds it.
        self._ended: SimpleQueue[None] = SimpleQueue()
        self._making = threading.Lock()
        self._threads: dict[str, threading.Thread] = {}  # by queue
        self._cut_off: set[str] = set()  # queues whose broker is down
        self.failure = ""  # why it cannot go on, for the operator

    def start(self) -> None:
        """Start the threads. Raises Restored."""
        self._import_what_is_used_later()
        schema.is_newer()  # a worker restarted during an upgrade waits, as a running one does
        restore_guard.check()
        accounts.this_account()
        this_worker()
        worker_locks.tidy(set(Attempt.objects.filter(state=Attempt.State.OPEN).values_list("worker", flat=True)))
        worker_state.should_stop = None
        broker.embedded_worker_runs = True
        for kind in concurrency.ALL:
            kind.open()
        for kind, count in ((concurrency.issues, settings.MAILER_LANES), (concurrency.mails, 1)):
            queue = QUEUES[kind.name]
            consumer = threading.Thread(target=self._serve, args=(queue, count), name=f"celery-{queue}", daemon=True)
            self._threads[queue] = consumer
            consumer.start()
        self._sweeper.start()
        gc.freeze()  # what was loaded until now stays; the collector need not look at it again
        if not settings.BROKER.is_verified:
            log.warning("broker certificate not verified (ssl_cert_reqs=none)")
        log.info("worker started", extra={"lanes": settings.MAILER_LANES, "provider": settings.PROVIDER})

    def wait(self) -> None:
        """Return when `end` was called, or when it cannot go on and says so in `failure`."""
        self._ended.get()

    def end(self) -> None:
        """Let `wait` return. May be called by a signal handler."""
        self._ended.put(None)

    def complaints(self) -> list[str]:
        """Return this worker's problems that a restart may solve. An outage of the database is not one."""
        patience = 2 * settings.MAILER_LEASE + SLOW
        dead = [queue for queue, consumer in self._threads.items() if not consumer.is_alive()]
        found = [f"the queue {queue} is not being consumed" for queue in dead]
        if self._sweeper.silent_for > patience or not self._sweeper.is_alive():
            found.append(f"it has not swept for {self._sweeper.silent_for:.0f} s")
        for kind in concurrency.ALL:
            if kind.longest_piece > patience:
                found.append(f"a slot for {kind.name} has been busy with the same task for {kind.longest_piece:.0f} s")
        return [] if self._stopping.is_set() else found

    def state(self) -> dict[str, Any]:
        """Return what metrics show of this worker."""
        return {
            "well": not self.complaints(),
            "may_send": not self._sweeper.idle_because,
            "because": self._sweeper.idle_because,
            "broker": None if settings.EMBEDDED else not self._cut_off,
            "swept": round(self._sweeper.silent_for, 1),
            "lanes": {
                kind.name: {"busy": kind.busy, "free": kind.free, "longest": round(kind.longest_piece, 1)}
                for kind in concurrency.ALL
            },
        }

    def stop(self, patience: float | None = None) -> int:
        """Claim nothing more, and wait for requests in flight. Return how many are left after `patience` seconds."""
        until = time.monotonic() + (settings.MAILER_HTTP_TIMEOUT + 5 if patience is None else patience)
        self._stopping.set()
        for kind in concurrency.ALL:
            kind.stop()
        self._sweeper.stop()
        broker.embedded_worker_runs = False
        worker_state.should_stop = 0
        in_flight = sum(kind.wait_until_idle(until) for kind in concurrency.ALL)
        if self._sweeper.is_alive():  # not if the start failed
            self._sweeper.join(2)
        log.info("worker stopped", extra={"in_flight": in_flight})
        return in_flight

    def _import_what_is_used_later(self) -> None:
        """Import what Celery and Django load by name at the first use, while there are descriptors.

        If an import fails half-way for want of one, some packages cannot be imported again.
        """
        os.environ.setdefault("CELERY_SKIP_CHECKS", "1")  # Django's checks are for developers, and each queue ran them
        engines.all()
        try:
            celery.app.connection_for_write().get_transport_cls()
            self._controller("issues", concurrency=1)
            configured_provider().get_ready()
        except Exception as error:
            if shortage(error):
                raise
            # A missing package, a wrong URL: the thread that meets it names it, and ends the process.

    def _serve(self, queue: str, concurrency: int) -> None:
        """Take the hints of one queue until the worker stops. Only an outage of the broker does not end the process."""
        try:
            while not self._stopping.is_set():
                try:
                    if self._broker_answers(queue):
                        self._take_hints(queue, concurrency)
                except (OSError, RuntimeError) as error:
                    if not (reason := shortage(error)):
                        raise
                    # It may be over in a moment; the sweep feeds the slots meanwhile.
                    log.error("queue consumer paused", extra={"queue": queue, "because": reason})
                    self._stopping.wait(LONGEST_PAUSE / 6)
                self._stopping.wait(1)  # a broker that answers and gives nothing must not be asked in a tight loop
        # A missing module, no memory, a bug: a process that only looks busy is worse than one that ends.
        except Exception as error:  # noqa: BLE001
            log.critical(
                "worker failed",
                extra={"queue": queue, "error": type(error).__name__, "at": place_of(error)},
            )
            self.failure = f"the worker cannot consume the queue {queue}: {broker.what_is_wrong(error)}"
            self.end()
        finally:
            connection.close()

    def _broker_answers(self, queue: str) -> bool:
        """Wait for the broker; log one line when it is down and one when it is back. Return False at a stop."""
        pause, away = 1.0, False
        while not self._stopping.is_set():
            try:
                broker.reach_broker()
            except broker.BrokerAway as error:
                if not away:
                    log.warning(
                        "broker unavailable, taking batches from the database",
                        extra={"queue": queue, "reason": str(error)},
                    )
                away = True
                self._cut_off.add(queue)
                self._stopping.wait(pause)
                pause = min(LONGEST_PAUSE, 2 * pause)
                continue
            self._cut_off.discard(queue)
            if away:
                log.info("broker is back", extra={"queue": queue})
            return True
        return False

    def _take_hints(self, queue: str, concurrency: int) -> None:
        """Run a Celery worker until the broker is lost or everything stops. Raises whatever else ends it."""
        worker = self._controller(queue, concurrency)
        try:
            # Not worker.start(), which logs a traceback for whatever ends it and returns as if nothing was wrong.
            worker.blueprint.start(worker)
        except WorkerShutdown as lost:
            if lost.__cause__ is None and not self._stopping.is_set():
                raise RuntimeError("Celery stopped by itself") from lost
        finally:
            worker.stop()

    def _controller(self, queue: str, concurrency: int) -> Any:
        app = celery.make_app(current=False)
        with self._making:
            # kombu keeps one event loop for the whole process, and each worker takes the one that it finds. Two workers
            # in one loop read each other's sockets, so each is made to find none.
            set_event_loop(None)
            return app.WorkController(
                app=app,
                pool_cls="threads",
                concurrency=concurrency,
                queues=[queue],
                hostname=f"{queue}@{socket.gethostname()}",
                without_gossip=True,
                without_mingle=True,
                without_heartbeat=True,
            )


QUEUES = {concurrency.issues.name: "issues", concurrency.mails.name: "confirmations"}
