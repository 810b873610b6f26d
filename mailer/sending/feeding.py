"""Feed the slots of a worker from the database: it is the queue, and a Celery message only wakes a slot.

So without a broker a send is slower by the time between two sweeps, and nothing stops.
"""

import logging
import time
from collections.abc import Callable, Iterator

from django.db import InterfaceError, OperationalError, connection

from mailer import concurrency
from mailer.config.logs import place_of
from mailer.models import Batch, Send
from mailer.sending import circuit_breaker, hints, ranges
from mailer.sending.delivering import deliver_next
from mailer.sending.lifecycle import finish_if_done
from mailer.store import accounts, clock, interruptions

log = logging.getLogger(__name__)

# A slot is given back after this long with one send: for others, and because brokers take long tasks for lost.
MOST_BATCHES = 20
LONGEST = 30.0  # seconds


def feed(send: int) -> None:
    """Deliver batches of the send one after the other, and wake a slot for those that are left. Hold a slot for it."""
    if _deliver_some(send, time.monotonic() + LONGEST):
        hints.enqueue(send)


def feed_slots() -> None:
    """Give each free slot of this process to a send that waits, in turn. They go on until nothing waits any longer."""
    free = concurrency.issues.free
    waiting = list(_waiting(free))
    for number in range(free if waiting else 0):
        send, batches = waiting[number % len(waiting)]
        if number // len(waiting) < batches:
            concurrency.issues.run_aside(_go_on_with(send))


def _go_on_with(send: int) -> Callable[[], None]:
    def go_on() -> None:
        following: int | None = send
        while following is not None:
            unfinished = _deliver_some(following, time.monotonic() + LONGEST)
            # Another send may have waited longer. With a broker its hints see to that.
            following = _next_after(following) if unfinished and not hints.enqueue(following) else None

    return go_on


def _deliver_some(send: int, until: float) -> bool:
    """Tell whether batches of the send, or ranges to plan, are left only because its turn is over."""
    try:
        while ranges.plan_next_range(send):
            if not concurrency.issues.is_open or time.monotonic() >= until:
                return concurrency.issues.is_open
        for _ in range(MOST_BATCHES):
            if not concurrency.issues.is_open or time.monotonic() >= until:
                return concurrency.issues.is_open
            if not deliver_next(send):
                finish_if_done(send)
                return False
    except (OperationalError, InterfaceError) as error:
        interruptions.failed(error)  # the sweep goes on when it is over
        connection.close()
        return False
    # A bug of ours paused the send and is reported there. Not its message: it may hold an address.
    except Exception as error:  # noqa: BLE001
        log.error("batch not delivered", extra={"send": send, "error": type(error).__name__, "at": place_of(error)})
        return False
    return True


def _waiting(at_most: int) -> Iterator[tuple[int, int]]:
    """Yield sends of this worker with due batches, and how many are due, counted to `at_most`; and those to plan."""
    yield from ((send, 1) for send in ranges.waiting())
    now = clock.now()
    account = accounts.known_account()
    if account is None or circuit_breaker.open_until(account.pk, now) is not None:
        return
    # Welcomes have a slot of their own: mailer.worker.welcoming.
    running = accounts.own_sends().filter(state=Send.State.SENDING, kind=Send.Kind.ISSUE)
    for send in running.order_by("last_request_at", "pk").values_list("pk", flat=True):
        due = Batch.objects.filter(send=send, state=Batch.State.PLANNED, not_before__lte=now)
        if count := due.values("pk")[:at_most].count():
            yield send, count


def _next_after(send: int) -> int | None:
    """Return the send that waits and is next in line after this one; itself if it is alone."""
    waiting = sorted(found for found, _ in _waiting(1))
    return next((found for found in waiting if found > send), waiting[0] if waiting else None)
