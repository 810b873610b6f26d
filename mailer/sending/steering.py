"""Pause, resume, cancel. After pause or cancel returned, no request starts."""

import time
from collections.abc import Callable
from functools import partial

from django.db import transaction

from mailer.celery import MOST_HINTS, hint_send
from mailer.models import Batch, Send
from mailer.sending.expiring import expire_attempts
from mailer.sending.planning import spread
from mailer.sending.scheduling import fire, wait_for_its_time
from mailer.sending.settling import finish_if_done
from mailer.store import clock


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
    """Let the send go on, and wake slots for it. One whose schedule is still to come waits for it again.

    A schedule that could not fire (missed, or with nobody to mail) fires now.
    """
    if wait_for_its_time(send):
        return
    if Send.objects.filter(pk=send, state=Send.State.PAUSED, batches=None).exists():
        fire(send, Send.State.PAUSED)
        return
    with transaction.atomic():
        state = _locked_state(send)
        if state != Send.State.PAUSED:
            raise WrongState(state)
        # Should it pause once more, that is news again.
        Send.objects.filter(pk=send).update(state=Send.State.SENDING, reason="", notified="")
        spread(Send.objects.only("pk", "max_per_hour").get(pk=send))
        transaction.on_commit(partial(hint_send, send, MOST_HINTS))
    finish_if_done(send)


def cancel(send: int, waiting: Callable[[int], None] = lambda in_flight: None) -> None:
    """Those who still waited are `cancelled`, for good; what was sent stays sent."""
    with transaction.atomic():
        state = _locked_state(send)
        if state in (Send.State.FINISHED, Send.State.CANCELLED):
            raise WrongState(state)
        Send.objects.filter(pk=send).update(state=Send.State.CANCELLED, reason="", finished_at=clock.now())
        _cancel_planned(send)
    _wait_for_requests(send, waiting)
    _cancel_planned(send)  # those whose request in flight was refused


def cancel_leftovers() -> None:
    """What a `cancel` that was killed left planned is cancelled."""
    Batch.objects.filter(send__state=Send.State.CANCELLED, state=Batch.State.PLANNED).update(
        state=Batch.State.CANCELLED
    )


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
