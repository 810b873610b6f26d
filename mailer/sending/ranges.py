"""Plan a send to very many subscribers range by range, each a transaction with its batches.

The state `planning` claims nothing. Any worker plans the next range, one at a time, and goes on where another one was
killed; the last range makes the send `sending`. Who is in it was frozen when it began (`Planning`): those who had
subscribed by then, less those who left before their range was planned. Who leaves after it is skipped by the last look.
"""

import logging
from collections.abc import Iterator

from django.db.models import Max, QuerySet

from mailer.models import Batch, Planning, Send
from mailer.sending import lifecycle
from mailer.sending.planning import (
    anew_when_overtaken,
    audience,
    batch_size,
    make_batches,
    make_deliveries,
    release,
    same_subscribers_throughout,
)
from mailer.store import accounts, schema
from subscribers.models import Subscription

log = logging.getLogger(__name__)

# Subscribers in a range. Others wait for the row of the send, and who is erased for their row, until it is committed.
RANGE = 25_000


def waiting() -> Iterator[int]:
    """Yield the sends that a worker of this process may go on planning."""
    planning = accounts.own_sends().filter(state=Send.State.PLANNING)
    yield from planning.order_by("pk").values_list("pk", flat=True)


@anew_when_overtaken
def plan_next_range(send_id: int) -> bool:
    """Plan the next range of a send that is `planning`. Return False if there is none, or another worker is at it."""
    if not Planning.objects.filter(pk=send_id).exists() or not schema.may_claim():
        return False
    with same_subscribers_throughout():
        send = _locked(send_id)
        if send is None:
            return False
        planning = Planning.objects.get(pk=send_id)
        chosen = _not_yet_planned(send, planning)
        size = range_size(send)
        last = _last_of_range(chosen, size)
        if last is not None:
            _write(send, chosen.filter(subscriber_id__lte=last), size)
            Planning.objects.filter(pk=send_id).update(position=last)
            return True
        _write(send, chosen, chosen.count())
        lifecycle.end_planning(send_id)
        release(send)
    return False


def range_size(send: Send) -> int:
    """Return how many subscribers fill a range, so that no batch but the send's last is smaller than others."""
    size = batch_size(send)
    return max(1, RANGE // size) * size


def _locked(send_id: int) -> Send | None:
    """Lock the row of the send, as a claim does: pause and cancel wait for this range or prevent it."""
    planning = accounts.own_sends().filter(pk=send_id, state=Send.State.PLANNING)
    return planning.select_for_update(skip_locked=True).defer("html", "text", "article").first()


def _not_yet_planned(send: Send, planning: Planning) -> QuerySet[Subscription]:
    return audience(send.newsletter).filter(
        subscriber_id__gt=planning.position, subscriber_id__lte=planning.until, changed_at__lte=planning.frozen_at
    )


def _last_of_range(chosen: QuerySet[Subscription], size: int) -> int | None:
    """Return the subscriber with whom a range of this size ends, or None if fewer are left."""
    return next(iter(chosen.order_by("subscriber_id").values_list("subscriber_id", flat=True)[size - 1 : size]), None)


def _write(send: Send, chosen: QuerySet[Subscription], members: int) -> None:
    last = Batch.objects.filter(send=send).aggregate(last=Max("number"))["last"]
    first = 0 if last is None else last + 1
    make_batches(send, members, first)
    make_deliveries(send, chosen, members, first)
    send.planned += members
    Send.objects.filter(pk=send.pk).update(planned=send.planned)
