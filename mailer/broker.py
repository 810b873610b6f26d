"""Hints to workers, by way of a broker. A message carries one id: the rows in the database are the queue.

So losing a message delays, doubling it changes nothing, and publishing one may fail.
"""

import logging
import queue
import ssl
import threading
import time
from typing import Any

from django.conf import settings

from mailer.config.brokers import LONGEST_CONNECTING

log = logging.getLogger(__name__)

ASKED_AGAIN_AFTER = 10.0  # seconds for which an unreachable broker is left alone, so that nobody waits for it


def _app() -> Any:
    """Return the Celery app. Most commands need none, and loading Celery took a sixth of their time."""
    from mailer.celery import app

    return app


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
    """Enqueue in a thread from now on: visitors must not wait for a broker, nor be told that the database is down."""
    global _aside
    _aside = _Aside()
    if not settings.EMBEDDED:
        _app()  # now, before gunicorn forks


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
        _app().send_task(task, (row,), retry=False, ignore_result=True)
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
    from kombu.exceptions import OperationalError as BrokerError

    connection = _app().connection_for_write()
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
