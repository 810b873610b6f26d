"""A worker takes one planned batch: the attempt is committed before the socket opens.

What a crash leaves behind after that commit is `unknown`, never mailed again blindly.
"""

import logging
import time
import uuid
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F, OuterRef, Subquery
from django.utils import timezone

from mailer.models import Attempt, Batch, Delivery, Send
from mailer.sending import gate, restoring
from mailer.sending.owners import this_owner
from mailer.sending.restoring import Restored
from subscribers.models import Subscription, Suppression

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Member:
    """A reader of an attempt: a delivery of its batch without an outcome when the attempt was committed."""

    delivery: int
    public_id: uuid.UUID
    email: str
    name: str


@dataclass(frozen=True)
class Claim:
    """The right to make one request for one batch."""

    attempt: uuid.UUID
    number: int  # of all attempts of this installation
    batch: int
    send: int
    provider: str
    members: tuple[Member, ...]
    committed: float  # time.monotonic() just after the commit
    lease_until: datetime


class _GateClosed(Exception):
    """Rolls the claim back; the batch waits for the first sweep after the gate opened."""


def claim(batch_id: int) -> Claim | None:
    """The batch is `posting` and ours, with everybody taken out who left since it was planned; or None, not now.

    None when another worker has it, its send does not run or is of another provider, its time has not come, the gate
    is closed, the database was restored from a backup, or nobody is left in the batch (then it is `empty`).
    """
    attempt = uuid.uuid4()
    try:
        taken = _claim(batch_id, attempt)
    except Restored as error:
        log.critical("nothing is sent", extra={"because": str(error)})
        return None
    except _GateClosed:
        Batch.objects.filter(pk=batch_id, state=Batch.State.PLANNED).update(hinted_at=None)
        return None
    except (OperationalError, InterfaceError):
        _release_lost_claim(attempt)
        raise
    if taken is not None:
        restoring.remember(taken.number)
    return taken


def _claim(batch_id: int, attempt: uuid.UUID) -> Claim | None:
    with transaction.atomic():
        send = _lock_running_send(batch_id)
        if send is None:
            return None
        now = timezone.now()  # not earlier: the lock may have been waited for
        if gate.closed_until(send.provider, now) is not None:
            raise _GateClosed
        taken = Batch.objects.filter(pk=batch_id, state=Batch.State.PLANNED, not_before__lte=now).update(
            state=Batch.State.POSTING, current_attempt=attempt
        )
        if not taken:
            return None
        members = _last_look(batch_id, send)
        if not members:
            Batch.objects.filter(pk=batch_id).update(state=Batch.State.EMPTY, current_attempt=None)
            return None
        if not gate.enter(send.provider, now):
            raise _GateClosed
        lease_until = now + timedelta(seconds=settings.MAILER_LEASE)
        Attempt.objects.create(
            pk=attempt, batch_id=batch_id, owner=this_owner(), lease_until=lease_until, members=len(members)
        )
        Send.objects.filter(pk=send.pk, first_request_at=None).update(first_request_at=now)
        number = restoring.count_attempt()
    return Claim(attempt, number, batch_id, send.pk, send.provider, members, time.monotonic(), lease_until)


def _lock_running_send(batch_id: int) -> Send | None:
    """The batch's send, locked so that pause and cancel wait for this claim or prevent it."""
    return (
        Send.objects.select_for_update(of=("self",))
        .filter(batches=batch_id, state=Send.State.SENDING, provider=settings.PROVIDER)
        .only("pk", "provider", "newsletter")
        .first()
    )


def _last_look(batch_id: int, send: Send) -> tuple[Member, ...]:
    """The members that may be mailed now; the others become `skipped` with the reason."""
    wish = Subscription.objects.filter(subscriber=OuterRef("subscriber"), newsletter=send.newsletter)
    suppression = Suppression.objects.filter(hash=OuterRef("subscriber__suppression_hash"))
    rows = (
        Delivery.objects.filter(batch=batch_id, outcome=None)
        .annotate(wish=Subquery(wish.values("state")[:1]), suppressed=Subquery(suppression.values("reason")[:1]))
        .order_by("pk")
        .values_list("pk", "subscriber__public_id", "subscriber__email", "subscriber__name", "wish", "suppressed")
    )
    members, skipped = [], defaultdict(list)
    for delivery, public_id, email, name, state, suppressed in rows:
        reason = _why_not(email, state, suppressed)
        if reason:
            skipped[reason].append(delivery)
        else:
            members.append(Member(delivery, public_id, email, name))
    for reason, deliveries in skipped.items():
        count = Delivery.objects.filter(pk__in=deliveries, outcome=None).update(
            outcome=Delivery.Outcome.SKIPPED, reason=reason
        )
        Batch.objects.filter(pk=batch_id).update(skipped=F("skipped") + count)
    return tuple(members)


def _why_not(email: str | None, state: str | None, suppressed: str | None) -> str:
    if email is None:
        return "erased"
    if suppressed:
        return f"suppressed: {suppressed}"
    if state == Subscription.State.ACTIVE:
        return ""
    return "unsubscribed" if state == Subscription.State.UNSUBSCRIBED else "not confirmed"


def _release_lost_claim(attempt: uuid.UUID) -> None:
    """The connection was lost around COMMIT: if the claim was committed all the same, it is given back unsent.

    A server that restarts is waited for as long as a lease lasts: without us the attempt would become `unknown`.
    """
    until = timezone.now() + timedelta(seconds=settings.MAILER_LEASE)
    while True:
        connection.close()
        try:
            if Attempt.objects.filter(pk=attempt, state=Attempt.State.OPEN).exists():
                _release(attempt)
            return
        except (OperationalError, InterfaceError):
            if timezone.now() >= until:
                raise
            time.sleep(0.5)


def _release(attempt: uuid.UUID) -> None:
    with transaction.atomic():
        if Attempt.objects.filter(pk=attempt, state=Attempt.State.OPEN).update(
            state=Attempt.State.UNSENT, ended_at=timezone.now(), words="the database was lost while claiming"
        ):
            Batch.objects.filter(current_attempt=attempt).update(
                state=Batch.State.PLANNED, current_attempt=None, hinted_at=None
            )
            gate.answered(settings.PROVIDER)
            log.warning("claim released after the database was lost", extra={"attempt": attempt})
