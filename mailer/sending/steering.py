"""Pause, resume, cancel. After pause or cancel returned, no request starts."""

import time
from collections.abc import Callable

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from mailer.models import Batch, Send
from mailer.sending.expiring import expire_attempts, plan_unknown_again
from mailer.sending.planning import hint
from mailer.sending.settling import accept_by, finish_if_done


class WrongState(Exception):
    """The send is in a state in which this cannot be done; the text says which."""


def pause(send: int, waiting: Callable[[int], None] = lambda in_flight: None) -> None:
    """The send is paused and nothing of it is in flight; a finished or cancelled send is left as it is.

    `waiting` is told the number of requests in flight, each time it changes.
    """
    with transaction.atomic():
        state = _locked_state(send)
        if state not in (Send.State.SENDING, Send.State.SCHEDULED, Send.State.PAUSED):
            raise WrongState(state)
        Send.objects.filter(pk=send).exclude(state=Send.State.PAUSED).update(state=Send.State.PAUSED, reason="")
    _wait_for_requests(send, waiting)


def resume(send: int) -> None:
    """The send goes on; its planned batches are hinted."""
    with transaction.atomic():
        state = _locked_state(send)
        if state != Send.State.PAUSED:
            raise WrongState(state)
        Send.objects.filter(pk=send).update(state=Send.State.SENDING, reason="")
        transaction.on_commit(lambda: hint_planned(send))
    finish_if_done(send)


def cancel(send: int, waiting: Callable[[int], None] = lambda in_flight: None) -> None:
    """Those who still waited are `cancelled`, for good; what was sent stays sent."""
    with transaction.atomic():
        state = _locked_state(send)
        if state in (Send.State.FINISHED, Send.State.CANCELLED):
            raise WrongState(state)
        Send.objects.filter(pk=send).update(state=Send.State.CANCELLED, reason="", finished_at=timezone.now())
        _cancel_planned(send)
    _wait_for_requests(send, waiting)
    _cancel_planned(send)  # those whose request in flight was refused


def cancel_leftovers() -> None:
    """What a `cancel` that was killed left planned is cancelled."""
    Batch.objects.filter(send__state=Send.State.CANCELLED, state=Batch.State.PLANNED).update(
        state=Batch.State.CANCELLED
    )


def resend_unknown(send: int) -> int:
    """Every unknown batch goes out once more; returns how many. Readers who had it get it twice.

    The one way out of `finished`, and of `cancelled` for these batches alone.
    """
    over = (Send.State.FINISHED, Send.State.CANCELLED)
    unknown = list(_unknown(send).values_list("pk", flat=True))
    again = [batch for batch in unknown if plan_unknown_again(batch, over)]
    hint(again)
    return len(again)


def assume_sent(send: int) -> int:
    """Every unknown batch counts as accepted on the editor's word; returns how many."""
    attempts = list(_unknown(send).values_list("current_attempt", flat=True))
    return sum(accept_by(attempt, "editor") for attempt in attempts if attempt)


def hint_planned(send: int) -> None:
    hint(list(Batch.objects.filter(send=send, state=Batch.State.PLANNED).values_list("pk", flat=True)))


def _unknown(send: int) -> QuerySet[Batch]:
    return Batch.objects.filter(send=send, state=Batch.State.UNKNOWN)


def _locked_state(send: int) -> str:
    return str(Send.objects.select_for_update().values_list("state", flat=True).get(pk=send))


def _cancel_planned(send: int) -> None:
    Batch.objects.filter(send=send, state=Batch.State.PLANNED).update(state=Batch.State.CANCELLED)


def _wait_for_requests(send: int, waiting: Callable[[int], None]) -> None:
    told = 0
    while in_flight := Batch.objects.filter(send=send, state=Batch.State.POSTING).count():
        if in_flight != told:
            waiting(in_flight)
            told = in_flight
        time.sleep(0.2)
        expire_attempts()  # else a dead worker would be waited for until its lease ends
