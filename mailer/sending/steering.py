"""Pause, resume, cancel. Once pause or cancel has returned, no request starts."""

import time
from collections.abc import Callable
from functools import partial

from django.db import transaction
from django.db.models import QuerySet

from mailer.models import Batch, Send
from mailer.sending import hints, lifecycle
from mailer.sending.expiring import expire_attempts
from mailer.sending.lifecycle import finish_if_done
from mailer.sending.scheduling import fire, wait_for_its_time


def pause(send: int, waiting: Callable[[int], None] = lambda in_flight: None) -> None:
    """Pause a send, and wait until nothing of it is in flight. Raises WrongState if it is over.

    `waiting` is told the number of requests in flight, each time it changes.
    """
    lifecycle.pause(send)
    _wait_for_requests(send, waiting)


def pause_welcome(version: Send, waiting: Callable[[int], None] = lambda in_flight: None) -> list[Send]:
    """Pause the welcome that this is a version of, as `pause` does, and return its versions that are paused now."""
    lifecycle.pause_welcome(version)
    paused = list(paused_beside(version))
    for send in paused:
        _wait_for_requests(send.pk, waiting)
    return paused


def paused_beside(version: Send) -> QuerySet[Send]:
    """Return the paused versions of the welcome that this is a version of."""
    paused = lifecycle.versions_beside(version).filter(state=Send.State.PAUSED).select_related("account")
    return paused.defer("html", "text", "article").order_by("pk")


def resume(send: int) -> None:
    """Continue the send, and wake slots for it. One whose schedule is still to come waits for it again.

    A schedule that could not fire (missed, or with nobody to mail) fires now.
    """
    if wait_for_its_time(send):
        return
    if Send.objects.issues().filter(pk=send, state=Send.State.PAUSED, batches=None).exists():
        fire(send, Send.State.PAUSED)
        return
    with transaction.atomic():
        lifecycle.go_on(send)
        hints.spread(Send.objects.only("pk", "max_per_hour").get(pk=send))
        transaction.on_commit(partial(hints.enqueue, send, hints.MOST))
    finish_if_done(send)


def cancel(send: int, waiting: Callable[[int], None] = lambda in_flight: None) -> None:
    """Cancel what still waits, for good, and wait until nothing is in flight; what was sent stays sent."""
    lifecycle.cancel(send)
    _wait_for_requests(send, waiting)
    lifecycle.cancel_planned(send)  # those whose request in flight was refused


def _wait_for_requests(send: int, waiting: Callable[[int], None]) -> None:
    told = 0
    while in_flight := Batch.objects.filter(send=send, state=Batch.State.POSTING).count():
        if in_flight != told:
            waiting(in_flight)
            told = in_flight
        time.sleep(0.2)
        expire_attempts()  # else a dead worker would be waited for until its lease ends
