"""The Celery app. A message carries one id and is only a hint: the rows in the database are the queue.

So losing a message delays, doubling it changes nothing, and publishing one may fail.
"""

import logging

from celery import Celery, Task
from django.conf import settings
from kombu.exceptions import OperationalError as BrokerError

log = logging.getLogger(__name__)


class HintedTask(Task):  # type: ignore[misc]
    def hint(self, row: int) -> bool:
        """Tell a worker of one row, as `publish_hint` does."""
        return publish_hint(self.name, row)


def publish_hint(task: str, row: int) -> bool:
    """Tell a worker of one row, if a worker can be told; never raises and never waits long for a broker.

    The sweep finds what was not told.
    """
    if settings.EMBEDDED and not embedded_worker_runs:
        return False  # without a broker only a worker in this very process would hear it
    try:
        app.send_task(task, (row,), retry=False, ignore_result=True)
    except (BrokerError, OSError) as error:
        log.warning("broker not reached, the sweep will find the row", extra={"error": type(error).__name__})
        return False
    return True


def why_no_broker() -> str:
    """Why the broker cannot be reached, in words for the operator; empty when it can, or when none is needed."""
    if settings.EMBEDDED:
        return ""
    connection = app.connection_for_write()
    try:
        connection.ensure_connection(max_retries=1, timeout=3)
    except (BrokerError, OSError) as error:
        cause = error.__cause__ or error
        words = getattr(cause, "strerror", None) or type(cause).__name__
        return f"CELERY_BROKER_URL: {connection.hostname}:{connection.port} is not reached ({words})"
    finally:
        connection.release()
    return ""


# Set by mailer.embedded while this process holds a worker.
embedded_worker_runs = False


def make_app(current: bool) -> Celery:
    """A Celery app with our tasks. Each worker needs its own: an app holds the queues that its worker consumes."""
    made = Celery(
        "mailer", task_cls=HintedTask, broker=settings.BROKER_URL or "memory://localhost/", set_as_current=current
    )
    made.conf.update(
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        # Single mails have their own queue and their own worker, so a confirmation never waits behind an issue.
        task_default_queue="issues",
        task_routes={"subscribers.*": {"queue": "confirmations"}, "mailer.tell_editor": {"queue": "confirmations"}},
        worker_prefetch_multiplier=1,
        task_time_limit=120,
        timezone="UTC",
        broker_connection_timeout=3,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options=_transport_options(),
        worker_cancel_long_running_tasks_on_connection_loss=True,
        # Longer than MAILER_HTTP_TIMEOUT, or each rolling restart would leave requests without an answer.
        worker_soft_shutdown_timeout=settings.MAILER_HTTP_TIMEOUT + 5,
        worker_enable_soft_shutdown_on_idle=True,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
    )
    made.autodiscover_tasks(["mailer", "subscribers"])
    return made


def _transport_options() -> dict[str, float]:
    if settings.EMBEDDED:
        # The default of 1 s between looks made the embedded worker ten times slower.
        return {"polling_interval": 0.02}
    if settings.BROKER_URL.startswith("redis"):
        return {
            "visibility_timeout": 300,
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
            "socket_connect_timeout": 3,
            "socket_timeout": 30,
        }
    return {}


app = make_app(current=True)
