"""Claim one planned batch: the attempt is committed before the socket opens.

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
from django.db.models import F

from mailer.config import exhaustion
from mailer.models import Attempt, Batch, Delivery
from mailer.sending import circuit_breaker, high_water_mark, recovery, restore_guard, send_lock, statements
from mailer.sending.outcomes import plan_again
from mailer.sending.restore_guard import Restored
from mailer.sending.statements import Members, Taken
from mailer.sending.worker_locks import this_worker
from mailer.store import accounts, clock, schema
from subscribers.models import Subscription, may_be_mailed

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Claim:
    """The right to make one request for one batch."""

    attempt: uuid.UUID
    number: int  # of all attempts of this installation; 0 for one that needs no request
    batch: int
    send: int
    account: int
    members: Members
    committed: float  # time.monotonic() just after the commit
    lease_until: datetime  # by the database's clock
    notes_time: bool = True  # its acceptance writes the time of the send's last request


class _BreakerOpen(Exception):
    """Rolls the claim back; the batch waits for the first sweep after the breaker closed."""


def claim_next(send_id: int) -> Claim | None:
    """Claim the send's first due batch: mark it `posting` and skip who left since. Return None if not possible now.

    None if none is due, the send does not run or is not this process's (see store.accounts), the circuit breaker is
    open, this machine's clock is wrong, or the database was restored from a backup or migrated by a newer version.
    Without members everybody had left: the batch is `empty`, and needs no request.
    """
    attempt, begun = uuid.uuid4(), time.monotonic()
    if not (schema.may_claim() and recovery.may_claim()) or exhaustion.rests():
        return None
    try:
        taken = _claim(send_id, attempt, begun)
        if taken is not None and taken.members:
            high_water_mark.remember(taken.number)
        return taken
    except Restored as error:
        log.critical("sending stopped", extra={"because": str(error)})
        return None
    except (_BreakerOpen, recovery.Hung):
        return None
    except (OperationalError, InterfaceError):
        _release_lost_claim(attempt, begun + settings.MAILER_LEASE)
        raise
    except (OSError, MemoryError, RuntimeError) as error:
        if not (detail := exhaustion.shortage(error)):
            raise
        exhaustion.ran_out(detail)
        try:
            _release(attempt, detail)
        except (OperationalError, InterfaceError):
            _release_lost_claim(attempt, begun + settings.MAILER_LEASE)
        return None


def _claim(send_id: int, attempt: uuid.UUID, begun: float) -> Claim | None:
    with transaction.atomic():
        # Shared, so that pause and cancel wait for this claim or prevent it.
        send = statements.share_running_send(send_id)
        if send is None:
            return None
        # The time is not read earlier: somebody may have held the send alone.
        now, open_, on_trial, wrong_clock = statements.breaker_of(send.account)
        if wrong_clock:
            return None  # the sweep says so, and what to do
        if open_:
            raise _BreakerOpen
        taken = statements.take_next_batch(send_id, attempt, now)
        if taken is None:
            return None
        batch, members = taken.batch, _last_look(taken, send.newsletter, now)
        lease_until = now + timedelta(seconds=settings.MAILER_LEASE)
        number = 0
        if not members:
            Batch.objects.filter(pk=batch).update(state=Batch.State.EMPTY, current_attempt=None)
        else:
            if on_trial and not circuit_breaker.enter(send.account, now):
                raise _BreakerOpen
            statements.open_attempt(attempt, batch, this_worker(), len(members), now, lease_until)
            if not send.requested:
                statements.write_first_request(send.pk, now)
            number = restore_guard.count_attempt()
        recovery.refuse_if_hung(begun)
        notes_time = statements.must_note(send, now)
    committed = time.monotonic()
    return Claim(attempt, number, batch, send.pk, send.account, members, committed, lease_until, notes_time)


def _last_look(taken: Taken, newsletter: str, now: datetime) -> Members:
    """Return the members that may be mailed now; mark the others `skipped` with the reason.

    Nobody left most batches since the plan. For those the database alone decides, which takes half the time. That
    nobody left shows in the batch's counters, which change in the transactions that give a delivery its outcome.
    """
    members = statements.mailable_members(taken.batch, newsletter, now)
    if len(members) == taken.open:
        return members
    return _skip_who_left(taken.batch, newsletter, now)


def _skip_who_left(batch_id: int, newsletter: str, now: datetime) -> Members:
    members = []
    skipped = defaultdict(list)
    for delivery, public_id, email, name, wish, suppressed, held_at in statements.open_subscribers(
        batch_id, newsletter, now
    ):
        if may_be_mailed(wish, suppressed) and public_id is not None and email is not None and not held_at:
            members.append((delivery, public_id, email, name))
        else:
            skipped[_why_not(email, wish, suppressed, held_at)].append(delivery)
    for reason, deliveries in skipped.items():
        count = Delivery.objects.filter(pk__in=deliveries, outcome=None).update(
            outcome=Delivery.Outcome.SKIPPED, reason=reason
        )
        Batch.objects.filter(pk=batch_id).update(skipped=F("skipped") + count)
    return Members.of(members)


def _why_not(email: str | None, state: str | None, suppressed: str | None, held_at: str | None) -> str:
    if email is None:
        return "erased"
    if suppressed:
        return f"suppressed: {suppressed}"
    if may_be_mailed(state, suppressed):
        return f"bounced in a suspected outage of {held_at}"
    return "unsubscribed" if state == Subscription.State.UNSUBSCRIBED else "not confirmed"


def _release_lost_claim(attempt: uuid.UUID, until: float) -> None:
    """Give the claim back unsent if it was committed although the connection was lost around COMMIT.

    A server that restarts is waited for until the lease ends, which is `until` by time.monotonic(): otherwise the
    attempt would become `unknown`.
    """
    while True:
        connection.close()
        try:
            _release(attempt, "the database connection was lost during the claim")
            return
        except (OperationalError, InterfaceError):
            if time.monotonic() >= until:
                raise
            time.sleep(0.5)


def _release(attempt: uuid.UUID, detail: str) -> None:
    """Give the claim back unsent, if it was committed: its batch waits again, unless an older attempt was accepted."""
    row = Attempt.objects.filter(pk=attempt).values_list("batch__send", "batch").first()
    if row is None:
        return
    with send_lock.alone(row[0]):
        if not statements.end_attempt(attempt, Attempt.State.UNSENT, detail, None, "", clock.now()):
            return
        plan_again(*row, attempt)
        if account := accounts.known_account():
            circuit_breaker.answered(account.pk)
    log.warning("claim released", extra={"attempt": attempt, "because": detail})
