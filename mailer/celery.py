"""The Celery app: how its messages travel, and what runs when one is heard. `mailer.broker` enqueues them."""

from typing import Any

from celery import Celery, Task
from django.conf import settings

from mailer import concurrency
from mailer.config.brokers import LONGEST_CONNECTING


class HintedTask(Task):  # type: ignore[misc]
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run in a slot of this process. If none is free, or the worker stops, the row waits in the database."""
        kind = concurrency.issues if self.name in ("mailer.deliver_send", "mailer.deliver_batch") else concurrency.mails
        with kind.slot() as taken:
            return super().__call__(*args, **kwargs) if taken else None


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
        # mailer.worker.embedded waits for a broker that is down: with one line, and so that the process knows.
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
