"""Issues in the middle of a send, as the tests of sending need them."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from mailer.content.rendering import Image, RenderedIssue
from mailer.models import Attempt, Batch, CircuitBreaker, Delivery, Send
from mailer.sending.accounting import count
from mailer.sending.claiming import Claim, claim_next
from mailer.sending.delivering import deliver_next
from mailer.sending.lifecycle import finish_if_done
from mailer.sending.planning import Plan, plan_send
from mailer.sending.reconciling import resend_unknown, unknown_of
from mailer.store import clock
from subscribers.models import Subscriber

PLACEHOLDER = "zq0123456789abcdef"
SKETCH = Image(
    sha256=hashlib.sha256(b"a sketch").hexdigest(),
    extension="png",
    content_type="image/png",
    width=320,
    height=200,
    content=b"a sketch",
)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def issue(slug: str = "2026-11-20", source: str = "first source", images: tuple[Image, ...] = ()) -> RenderedIssue:
    return RenderedIssue(
        slug=slug,
        language="en",
        subject=f"The Weekly {slug}",
        preheader="boards and compilers",
        html=f'<p>{source}</p><a href="{PLACEHOLDER}">unsubscribe</a>',
        text=f"{source}\n\nunsubscribe: {PLACEHOLDER}\n",
        article=f"<p>{source}</p>",
        images=images,
        placeholders={"unsubscribe": PLACEHOLDER},
        source_sha256=sha256(source),
        content_sha256=sha256(f"rendered {source}"),
    )


def a_plan(newsletter: str = "weekly", provider: str | None = None, **kinds: Any) -> Plan:
    """Make a plan for this process's provider, unless another is named."""
    return Plan(
        settings.NEWSLETTERS[newsletter], issue(**kinds), provider or settings.PROVIDER, "https://news.example.com"
    )


def planned(**kinds: Any) -> Send:
    return plan_send(a_plan(**kinds))


def batches(send: Send) -> list[Batch]:
    return list(Batch.objects.filter(send=send).order_by("number"))


def batch_of(send: Send, number: int = 0) -> Batch:
    return Batch.objects.get(send=send, number=number)


def states(send: Send) -> list[str]:
    """Return the states of the send's batches, in order."""
    return [batch.state for batch in batches(send)]


def attempts(send: Send) -> list[str]:
    """Return the states of the attempts, in the order in which they were made."""
    return list(Attempt.objects.filter(batch__send=send).order_by("started_at").values_list("state", flat=True))


@contextmanager
def no_other_batch_due(batch: Batch) -> Iterator[None]:
    """Let the other batches of its send wait, so that the next one is this."""
    others = Batch.objects.filter(send=batch.send_id).exclude(pk=batch.pk)
    due = dict(others.values_list("pk", "not_before"))
    others.filter(pk__in=due).update(not_before=clock.now() + timedelta(days=1))
    try:
        yield
    finally:
        for pk, not_before in due.items():
            Batch.objects.filter(pk=pk).update(not_before=not_before)


def claim(batch_id: int) -> Claim | None:
    """Claim this batch of its send. Return None if that is not possible now, or if everybody in it had left."""
    for batch in Batch.objects.filter(pk=batch_id):
        with no_other_batch_due(batch):
            taken = claim_next(batch.send_id)
        return taken if taken and taken.members else None
    return None


def deliver_batch(batch_id: int) -> None:
    """Deliver this batch of its send, unless that is not possible now."""
    for batch in Batch.objects.filter(pk=batch_id):
        with no_other_batch_due(batch):
            deliver_next(batch.send_id)
        finish_if_done(batch.send_id)


def claimed(send: Send, number: int = 0) -> Claim:
    taken = claim(batch_of(send, number).pk)
    assert taken is not None
    return taken


def resend_all(send: Send) -> int:
    """Plan everything that is unknown again, as somebody who accepts each duplicate."""
    return resend_unknown(send.pk, sum(one.may_get_it_twice for one in unknown_of(send.pk)))


def outcomes(send: Send) -> dict[str, tuple[str | None, str | None]]:
    """Return address → outcome and reason."""
    rows = Delivery.objects.filter(send=send).order_by("pk")
    return {row[0]: (row[1], row[2]) for row in rows.values_list("subscriber__email", "outcome", "reason")}


def everybody() -> list[Subscriber]:
    return list(Subscriber.objects.order_by("pk"))


def deliver_all(send: Send, rounds: int = 40) -> None:
    """Deliver every planned batch and what that plans anew, while the send runs and the circuit breaker is closed."""
    for _ in range(rounds):
        waiting = [batch.pk for batch in batches(send) if batch.state == Batch.State.PLANNED]
        send.refresh_from_db()
        if not waiting or send.state != Send.State.SENDING:
            return
        for batch in waiting:
            close_breaker()
            deliver_batch(batch)
    raise AssertionError("it does not come to an end")


def close_breaker() -> None:
    CircuitBreaker.objects.update(open_until=None, trial_until=None)


def balanced(send: Send) -> None:
    """Assert that the equation holds, and that each batch's counters agree with its deliveries."""
    send.refresh_from_db()
    sums = count(send)
    parts = (sums.accepted, sums.skipped, sums.rejected, sums.unknown, sums.waiting, sums.cancelled)
    assert sums.planned == sum(parts), str(sums)
    for batch in batches(send):
        members = list(Delivery.objects.filter(batch=batch).values_list("outcome", flat=True))
        assert batch.size == len(members)
        assert batch.skipped == members.count("skipped")
        assert batch.rejected == members.count("rejected")
        if batch.state in ("empty", "refused"):
            assert None not in members


def in_thread(act: Callable[[], Any]) -> threading.Thread:
    """Run `act` in a thread with a database connection of its own."""

    def run() -> None:
        try:
            act()
        finally:
            connection.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread
