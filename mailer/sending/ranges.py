"""Plan a send to very many subscribers range by range, each a transaction with its batches.

The state `planning` claims nothing. Any worker plans the next range, one at a time, and goes on where another one was
killed; the last range makes the send `sending`. Who is in it was frozen when it began (`Planning`): those who had
subscribed by then, less those who left before their range was planned. Who leaves after it is skipped by the last look.
Whoever undid their leaving counts as subscribed since before it.
"""

import logging
from collections.abc import Iterator

from django.db import connection, transaction
from django.db.models import Max, QuerySet

from mailer.models import Batch, Delivery, Planning, Send
from mailer.sending import lifecycle
from mailer.sending.planning import (
    anew_when_overtaken,
    audience,
    batch_size,
    make_batches,
    make_deliveries,
    release,
    trim_batches,
)
from mailer.store import accounts, schema
from subscribers.models import Subscription

log = logging.getLogger(__name__)

# Subscribers in a range. Others wait for the row of the send, and who is erased for their own, until it is committed.
RANGE = 10_000

# Who is erased meanwhile is left out or waits. Without it each erasure failed the commit of its whole range.
LOCKED = "FOR KEY SHARE OF subscribers_subscriber"


def waiting() -> Iterator[int]:
    """Yield the sends that a worker of this process may go on planning."""
    planning = accounts.own_sends().filter(state=Send.State.PLANNING)
    yield from planning.order_by("pk").values_list("pk", flat=True)


@anew_when_overtaken
def plan_next_range(send_id: int) -> bool:
    """Plan the next range of a send that is `planning`. Return False if there is none, or another worker is at it."""
    if not Planning.objects.filter(pk=send_id).exists() or not schema.may_claim():
        return False
    with transaction.atomic():
        send = _locked(send_id)
        if send is None:
            return False
        planning = Planning.objects.get(pk=send_id)
        planning.position = _plan_range(send, planning) or planning.position
        if _not_yet_planned(send, planning).values("pk")[:1]:  # in order: `exists` would not use the index
            planning.save(update_fields=["position"])
            return True
        lifecycle.end_planning(send_id)
        release(send)
    return False


def range_size(send: Send) -> int:
    """Return how many subscribers fill a range, so that no batch but the send's last is smaller than others."""
    size = batch_size(send)
    return max(1, RANGE // size) * size


def _locked(send_id: int) -> Send | None:
    """Lock the row of the send: pause and cancel wait for this range or prevent it."""
    planning = accounts.own_sends().filter(pk=send_id, state=Send.State.PLANNING)
    return planning.select_for_update(skip_locked=True).defer("html", "text", "article").first()


def _not_yet_planned(send: Send, planning: Planning) -> QuerySet[Subscription]:
    """Return those left to plan, in order."""
    left = audience(send.newsletter).filter(
        subscriber_id__gt=planning.position, subscriber_id__lte=planning.until, changed_at__lte=planning.frozen_at
    )
    # PostgreSQL does not conclude this from the join, and read all subscribers before the range: 6 s at the
    # five-millionth, now 0.05.
    left = left.extra(where=["subscribers_subscriber.id > %s"], params=[planning.position])
    return left.order_by("subscriber_id")


def _plan_range(send: Send, planning: Planning) -> int | None:
    """Plan as many as fill a range. Return the last of them, or None if there were none."""
    last = Batch.objects.filter(send=send).aggregate(last=Max("number"))["last"]
    first, size = 0 if last is None else last + 1, range_size(send)
    make_batches(send, size, first)
    chosen = _not_yet_planned(send, planning)[:size]
    members = make_deliveries(send, chosen, first, LOCKED if connection.vendor == "postgresql" else "")
    trim_batches(send, first, members)
    send.planned += members
    Send.objects.filter(pk=send.pk).update(planned=send.planned)
    made = Delivery.objects.filter(batch__send=send, batch__number__gte=first)
    position: int | None = made.aggregate(last=Max("subscriber_id"))["last"]
    return position
