"""What an answer means: the table of settling. Every write is conditional on the attempt still being the batch's own.

A late answer of a worker whose lease ran out still counts, as long as nothing settled the batch otherwise.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping

from django.db import transaction
from django.db.models import F, QuerySet

from mailer.models import Attempt, Batch, Delivery
from mailer.providers.answers import (
    Accepted,
    Answer,
    ConnectFailed,
    DeadlinePassed,
    Exhausted,
    OutcomeUnknown,
    RateLimited,
    RecipientsRejected,
    Refused,
    UnlocatedRefusal,
)
from mailer.sending import circuit_breaker, send_lock, statements
from mailer.sending.claiming import Claim
from mailer.sending.lifecycle import finish_if_done, pause_for
from mailer.sending.outcomes import accept, leave_unknown, pending, place_of, plan_again
from mailer.sending.splitting import MOST_ROUNDS, only_one_left, refuse_single, split
from mailer.store import clock

log = logging.getLogger(__name__)


def settle(claim: Claim, answer: Answer) -> None:
    """Write the provider's answer into attempt, batch, deliveries, circuit breaker and send."""
    match answer:
        case Accepted():
            _accept(claim, answer)
        case RecipientsRejected():
            _reject_subscribers(claim, answer)
        case UnlocatedRefusal():
            _search_the_place(claim, answer)
        case Refused():
            _refuse(claim, answer)
        case RateLimited():
            circuit_breaker.rate_limited(claim.account, clock.now(), answer.wait, answer.detail)
            _plan_again(claim, Attempt.State.REFUSED, answer.detail, answer.status)
        case Exhausted():
            # This machine's problem: it rests, and others may go on.
            circuit_breaker.answered(claim.account)
            _plan_again(claim, Attempt.State.UNSENT, answer.detail)
        case ConnectFailed():
            circuit_breaker.failed(claim.account, clock.now(), answer.detail)
            _plan_again(claim, Attempt.State.UNSENT, answer.detail)
            log.warning("request not sent", extra={**place_of(claim.batch), "because": answer.detail})
        case DeadlinePassed():
            circuit_breaker.answered(claim.account)
            _plan_again(claim, Attempt.State.UNSENT, "the worker was stopped before it made the request")
        case OutcomeUnknown():
            circuit_breaker.failed(claim.account, clock.now(), answer.detail)
            leave_unknown(claim.attempt, answer.detail, answer.status, answer.cause or f"answered {answer.status}")
    finish_if_done(claim.send)


def defect(claim: Claim, error: Exception) -> None:
    """Plan the batch again and pause the send with the reason: nothing was sent because our own code failed."""
    circuit_breaker.answered(claim.account)
    with send_lock.alone(claim.send):
        _end_attempt(claim, Attempt.State.UNSENT, type(error).__name__)
        if _back_to_planned(claim):
            pause_for(claim.send, f"mailer could not build a request ({type(error).__name__}); please report this bug")


def _accept(claim: Claim, answer: Accepted) -> None:
    with transaction.atomic():
        now = statements.share_send(claim.send)
        news = statements.end_attempt(claim.attempt, Attempt.State.ACCEPTED, "", answer.status, answer.message_id, now)
        if news:
            accept(claim.batch, claim.attempt, Batch.SettledBy.WORKER)
        if claim.notes_time:
            statements.note_last_request(claim.send, now)
        circuit_breaker.accepted(claim.account)


def _reject_subscribers(claim: Claim, answer: RecipientsRejected) -> None:
    """Reject those the provider named, with its message; the rest goes at once, in halves after three rounds."""
    refused = {claim.members.deliveries[index]: detail for index, detail in answer.detail.items()}
    circuit_breaker.answered(claim.account)
    with send_lock.alone(claim.send):
        _end_attempt(
            claim, Attempt.State.REFUSED, f"{len(refused)} of {len(claim.members)} recipients rejected", answer.status
        )
        if not _mine(claim).update(rounds=F("rounds") + 1):
            return
        _reject(claim.batch, refused)
        if len(refused) == len(claim.members):
            single = len(claim.members) == 1
            state = Batch.State.REFUSED if single else Batch.State.EMPTY
            _mine(claim).update(state=state, refused_alone=0, current_attempt=None)
            return
        batch = Batch.objects.get(pk=claim.batch)
        _back_to_planned(claim)
        if batch.rounds > MOST_ROUNDS and not batch.was_unknown and not only_one_left(batch):
            split(batch)


def _search_the_place(claim: Claim, answer: UnlocatedRefusal) -> None:
    """Halve a batch that the provider refused without saying whom it means, until the subscriber is alone."""
    circuit_breaker.answered(claim.account)
    with send_lock.alone(claim.send):
        _end_attempt(claim, Attempt.State.REFUSED, answer.detail, answer.status)
        if not _mine(claim).exists():
            return
        batch = Batch.objects.get(pk=claim.batch)
        _back_to_planned(claim)
        if batch.was_unknown:
            # An older attempt may have gone out whole, and its evidence must still fit this batch.
            pause_for(claim.send, answer.detail)
        elif not only_one_left(batch):
            split(batch)
        elif not refuse_single(batch, claim.members.deliveries[0], answer.detail):
            pause_for(claim.send, answer.detail)


def _refuse(claim: Claim, answer: Refused) -> None:
    """Pause a send that the provider refuses as a whole, with its message; its subscribers wait."""
    circuit_breaker.answered(claim.account)
    with send_lock.alone(claim.send):
        _end_attempt(claim, Attempt.State.REFUSED, answer.detail, answer.status)
        if _back_to_planned(claim):
            pause_for(claim.send, answer.detail)


def _plan_again(claim: Claim, attempt: Attempt.State, detail: str, status: int | None = None) -> None:
    with send_lock.alone(claim.send):
        _end_attempt(claim, attempt, detail, status)
        _back_to_planned(claim)


def _mine(claim: Claim) -> QuerySet[Batch]:
    return pending(claim.batch, claim.attempt)


def _back_to_planned(claim: Claim) -> bool:
    return plan_again(claim.send, claim.batch, claim.attempt)


def _end_attempt(claim: Claim, state: Attempt.State, detail: str, status: int | None = None) -> bool:
    """End the attempt in this state. Return False if it had ended before."""
    return statements.end_attempt(claim.attempt, state, detail, status, "", clock.now())


def _reject(batch: int, refused: Mapping[int, str]) -> None:
    """Reject deliveries with the provider's messages: a statement per message, since the send is held."""
    named = defaultdict(list)
    for delivery, detail in refused.items():
        named[detail].append(delivery)
    for detail, deliveries in named.items():
        count = Delivery.objects.filter(pk__in=deliveries, batch=batch, outcome=None).update(
            outcome=Delivery.Outcome.REJECTED, reason=detail
        )
        Batch.objects.filter(pk=batch).update(rejected=F("rejected") + count)
