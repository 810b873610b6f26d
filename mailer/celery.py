"""The Celery app. A message carries one id and is only a hint: the rows in the database are the queue.

So losing a message delays, doubling it changes nothing, and publishing one may fail.
"""

import logging
import queue
import ssl
import threading
import time
from typing import Any

from celery import Celery, Task
from django.conf import settings
from kombu.exceptions import OperationalError as BrokerError

from mailer import concurrency

log = logging.getLogger(__name__)

ASKED_AGAIN_AFTER = 10.0  # seconds for which an unreachable broker is left alone, so that nobody waits for it
LONGEST_CONNECTING = 3.0  # seconds, also for a server that takes the connection and says nothing


class HintedTask(Task):  # type: ignore[misc]
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run in a slot of this process. If none is free, or the worker stops, the row waits in the database."""
        kind = concurrency.issues if self.name in ("mailer.deliver_send", "mailer.deliver_batch") else concurrency.mails
        with kind.slot() as taken:
            return super().__call__(*args, **kwargs) if taken else None

    def hint(self, row: int) -> bool:
        """Enqueue a hint of one row, as `enqueue` does."""
        return enqueue(self.name, row)


class _Broker:
    """What this process knows of the broker: when it may be asked again."""

    away_until = 0.0  # time.monotonic()
    was_away = False


def enqueue(task: str, row: int) -> bool:
    """Enqueue a hint of one row. Return False if no broker takes it: the sweep finds the row.

    Never raises, and never waits long for a broker; a web process does not wait at all, see `enqueue_aside`.
    """
    if settings.EMBEDDED and not embedded_worker_runs:
        return False  # without a broker only a worker in this very process would hear it
    return _aside.put(task, row) if _aside is not None else _publish(task, row)


def enqueue_aside() -> None:
    """Enqueue in a thread from now on: visitors must not wait for a broker, nor be told that the database is away."""
    global _aside
    _aside = _Aside()


class _Aside:
    """A thread that talks to the broker for others. Hints beyond its limit are left to the sweep."""

    def __init__(self) -> None:
        self._hints: queue.Queue[tuple[str, int]] = queue.Queue(1000)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def put(self, task: str, row: int) -> bool:
        with self._starting:  # with the first hint, so after gunicorn's fork
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="hints", daemon=True)
                self._thread.start()
        try:
            self._hints.put_nowait((task, row))
        except queue.Full:
            return False
        return True

    def _run(self) -> None:
        while True:
            _publish(*self._hints.get())


_aside: _Aside | None = None


def _publish(task: str, row: int) -> bool:
    if time.monotonic() < _Broker.away_until:
        return False
    try:
        app.send_task(task, (row,), retry=False, ignore_result=True)
    # Whatever it is, a missing module or a wrong URL: the row is committed, and a worker finds it.
    except Exception as error:  # noqa: BLE001
        _Broker.away_until = time.monotonic() + ASKED_AGAIN_AFTER
        if not _Broker.was_away:
            about = {"error": type(error).__name__, "reason": _reason(error)}
            log.warning("broker unavailable, workers will find the row", extra=about)
        _Broker.was_away = True
        return False
    _Broker.was_away = False
    return True


class BrokerAway(Exception):
    """The broker does not answer now; the message says where and why."""


def reach_broker() -> None:
    """Connect to the broker once. Raises BrokerAway for an outage, and other errors for what waiting does not cure."""
    if settings.EMBEDDED:
        return
    connection = app.connection_for_write()
    try:
        # A second try only if the first one failed at once.
        connection.ensure_connection(max_retries=1, interval_start=0, timeout=LONGEST_CONNECTING / 2)
    except (BrokerError, OSError) as error:
        raise BrokerAway(f"{connection.hostname}:{connection.port} cannot be reached ({_reason(error)})") from error
    finally:
        connection.release()


# Errors of the libraries behind the brokers, by name: they are loaded only when used.
REFUSALS = {
    "AuthenticationError": "refuses the password",
    "AccessRefused": "refuses user, password or virtual host",
    "NotAllowed": "has no such virtual host for this user",
    "ResponseError": "refuses the request; is the database number right?",
    "NoPermissionError": "does not give this user enough permissions",
    "BusyLoadingError": "is still loading its data",
}


def _reason(error: BaseException) -> str:
    """Return the system's or TLS's own message: the text of a library's error may hold a URL with a password."""
    chain = []
    while error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__ or error
    for one in chain:
        if isinstance(one, ssl.SSLCertVerificationError):
            return (
                f"its certificate is not trusted: {one.verify_message}; give the authority's certificate with "
                "ssl_ca_certs=FILE in the URL, or turn verification off with ssl_cert_reqs=none"
            )
        if isinstance(one, ssl.SSLError):
            return f"TLS failed ({one.reason or 'no answer'}); does this port use TLS?"
    for one in chain:
        if refusal := REFUSALS.get(type(one).__name__):
            return f"it answers but {refusal}"
    if any(isinstance(one, TimeoutError) for one in chain):
        return "no answer to TLS; does this port use TLS?" if settings.BROKER.tls else "it does not answer"
    said = [one.strerror for one in chain if isinstance(one, OSError) and one.strerror]
    return said[0] if said else type(chain[min(1, len(chain) - 1)]).__name__


def why_no_broker() -> str:
    """Say why the broker cannot be used, for the operator; return "" if it can, or if none is needed."""
    try:
        reach_broker()
    except BrokerAway as away:
        return f"CELERY_BROKER_URL: {away}"
    except Exception as error:  # noqa: BLE001 — a missing module, a wrong URL: the sentence says which
        return f"CELERY_BROKER_URL: {what_is_wrong(error)}"
    return ""


def what_is_wrong(error: Exception) -> str:
    """Say why no broker can be used, without values: the text of such an error may hold a URL with a password."""
    if isinstance(error, ImportError):
        return f"{error}; install mailer with all its dependencies"
    if isinstance(error, MemoryError):
        return "out of memory; give the process more, or lower MAILER_LANES"
    return f"the broker cannot be used ({type(error).__name__}); check the URL"


# Set by mailer.worker.embedded while this process holds a worker.
embedded_worker_runs = False


def make_app(current: bool) -> Celery:
    """Make a Celery app with our tasks. Each worker needs its own: an app holds the queues that its worker consumes."""
    made = Celery(
        "mailer", task_cls=HintedTask, broker=settings.BROKER_URL or "memory://localhost/", set_as_current=current
    )
    made.conf.update(
        task_ignore_result=True,
        # A message only wakes a slot, so it is done with once it is heard; whatever it was about waits in the database.
        task_acks_late=False,
        # Single mails have their own queue and their own worker, so a confirmation never waits behind an issue.
        task_default_queue="issues",
        task_routes={"subscribers.*": {"queue": "confirmations"}, "mailer.tell_editor": {"queue": "confirmations"}},
        worker_prefetch_multiplier=1,
        task_time_limit=120,
        timezone="UTC",
        broker_connection_timeout=LONGEST_CONNECTING,
        # mailer.worker.embedded waits for a broker that is away: with one line, and so that the process knows.
        broker_connection_retry_on_startup=False,
        broker_connection_retry=False,
        broker_use_ssl=settings.BROKER.tls,
        broker_transport_options=_transport_options(current),
        # Longer than MAILER_HTTP_TIMEOUT, or each rolling restart would leave requests without an answer.
        worker_soft_shutdown_timeout=settings.MAILER_HTTP_TIMEOUT + 5,
        worker_enable_soft_shutdown_on_idle=True,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
    )
    made.autodiscover_tasks(["mailer", "subscribers"])
    return made


def _transport_options(current: bool) -> dict[str, float]:
    if settings.EMBEDDED:
        # The default of 1 s between looks made the embedded worker ten times slower.
        return {"polling_interval": 0.02}
    if settings.BROKER_URL.startswith("redis"):
        return {
            "visibility_timeout": 300,
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
            "socket_connect_timeout": LONGEST_CONNECTING,
            # A worker's own connection waits for messages; on the others somebody waits.
            "socket_timeout": LONGEST_CONNECTING if current else 30,
        }
    return {}


app = make_app(current=True)
