"""The states of a send and the changes between them; mailer.sending.scheduling has those of a schedule.

Each holds the send alone first, as a claim shares it first: in another order the two could deadlock. Only a welcome is
locked before its versions.
"""

import logging
from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, When
from django.db.models.functions import Coalesce

from mailer.models import REHEARSAL, Attempt, Batch, Planning, Send, Welcome
from mailer.sending import send_lock, statements
from mailer.store import clock

log = logging.getLogger(__name__)

UNFINISHED = (Send.State.SCHEDULED, *Send.UNDER_WAY, Send.State.PAUSED)


class WrongState(Exception):
    """The send is in a state in which this cannot be done; the message says which."""


def pause(send: int) -> None:
    """Pause a send; the requests in flight are still made. Raises WrongState if it is over.

    One that is being planned goes on with that, and is paused then: half a plan must not be taken for a whole one. The
    version of a welcome that is in use is not over, although nobody may wait for it.
    """
    with transaction.atomic():
        idle = [Send.State.FINISHED for _ in _lock_in_use(send=send)]
        with send_lock.alone(send):
            _require(send, *UNFINISHED, *idle)
            if not _hold_after_planning(send, ""):
                running = Send.objects.filter(pk=send).exclude(state=Send.State.PAUSED)
                running.update(state=Send.State.PAUSED, reason="", finished_at=None)


def hold(send: int, reason: str) -> None:
    """Let a send that was just planned, or is being planned, start paused, in the caller's transaction."""
    if not _hold_after_planning(send, reason):
        Send.objects.filter(pk=send).update(state=Send.State.PAUSED, reason=reason)


def _hold_after_planning(send: int, reason: str) -> bool:
    """Return False if the send is not being planned."""
    planning = Planning.objects.filter(pk=send)
    if planning.filter(paused=False).update(paused=True):
        Send.objects.filter(pk=send).update(reason=reason)
    return planning.exists()


def end_planning(send: int) -> None:
    """Make a send whose row is locked `sending`, or `paused` if somebody wanted that, now that all of it is planned.

    If everybody left meanwhile it is `finished`: a paused one without batches is a schedule that chose nobody yet.
    """
    paused = Planning.objects.filter(pk=send, paused=True).exists()
    Planning.objects.filter(pk=send).delete()
    if not Batch.objects.filter(send=send).exists():
        Send.objects.filter(pk=send).update(state=Send.State.FINISHED, finished_at=clock.now(), reason="")
        return
    Send.objects.filter(pk=send).update(state=Send.State.PAUSED if paused else Send.State.SENDING)


def pause_for(send: int, reason: str) -> None:
    """Pause a send that is under way, and keep the reason; a cancelled one stays cancelled."""
    if Send.objects.filter(pk=send, state=Send.State.SENDING).update(state=Send.State.PAUSED, reason=reason):
        log.error("send paused", extra={"send": send})


def pause_welcome(version: Send, reason: str = "", **language: str) -> None:
    """Pause the welcome that this is a version of, in all its languages or this one.

    That is the version in use, also while nobody waits for it, and former ones that somebody waits for, or may again:
    a late answer can show that a request was never made.
    """
    with transaction.atomic():
        in_use = _lock_in_use(newsletter=version.newsletter, rehearsal=version.is_rehearsal, **language)
        unknown = Batch.objects.filter(state=Batch.State.UNKNOWN).values("send")
        goes_on = Q(state=Send.State.SENDING) | Q(Q(pk__in=in_use) | Q(pk__in=unknown), state=Send.State.FINISHED)
        versions = versions_beside(version).filter(goes_on, **language)
        for send in list(versions.order_by("pk").values_list("pk", flat=True)):
            with send_lock.alone(send):
                if versions.filter(pk=send).update(state=Send.State.PAUSED, reason=reason, finished_at=None):
                    # Who pauses it at a terminal reads the answer of the command, and needs no warning beside it.
                    log.log(logging.WARNING if reason else logging.INFO, "welcome paused", extra={"send": send})


def versions_beside(version: Send) -> QuerySet[Send]:
    """Return the versions of the welcome that this is one of, in all its languages."""
    versions = Send.objects.filter(kind=Send.Kind.WELCOME, newsletter=version.newsletter)
    return versions.filter(provider=REHEARSAL) if version.is_rehearsal else versions.exclude(provider=REHEARSAL)


def _lock_in_use(**which: Any) -> list[int]:
    """Lock these welcomes, and return their versions in use.

    Before the sends, as whoever renews them: else a version that is just being made would not be paused with its former
    one.
    """
    return list(Welcome.objects.select_for_update().filter(**which).order_by("pk").values_list("send", flat=True))


def end_formers() -> None:
    """Finish the paused versions of welcomes that are in use no longer, once nobody waits for them any more."""
    paused = Send.objects.filter(kind=Send.Kind.WELCOME, state=Send.State.PAUSED)
    for version in paused.exclude(pk__in=Welcome.objects.values("send")).values_list("pk", flat=True):
        end_former(version)


def end_former(version: int) -> None:
    """Finish a paused version of a welcome that is in use no longer, unless somebody waits for it or may again."""
    states = [Batch.State.PLANNED, Batch.State.POSTING, Batch.State.UNKNOWN]
    open_ = Batch.objects.filter(send=OuterRef("pk"), state__in=states)
    with send_lock.alone(version):
        idle = Send.objects.filter(~Exists(open_), pk=version, state=Send.State.PAUSED)
        idle.update(state=Send.State.FINISHED, finished_at=clock.now(), reason="")


def go_on(send: int) -> None:
    """Continue a paused send, in the caller's transaction. Raises WrongState if it is not paused."""
    with send_lock.alone(send):
        # If it pauses once more, that is news again.
        anew = {"reason": "", "notified": ""}
        if Planning.objects.filter(pk=send, paused=True).update(paused=False):
            Send.objects.filter(pk=send).update(**anew)
            return
        _require(send, Send.State.PAUSED)
        Send.objects.filter(pk=send).update(state=Send.State.SENDING, **anew)


def cancel(send: int) -> None:
    """Cancel a send and its planned batches, not the requests in flight. Raises WrongState if it is over."""
    with send_lock.alone(send):
        _require(send, *UNFINISHED)
        Planning.objects.filter(pk=send).delete()
        Send.objects.filter(pk=send).update(state=Send.State.CANCELLED, reason="", finished_at=clock.now())
        cancel_planned(send)


def cancel_planned(send: int) -> None:
    """Cancel the planned batches of a send."""
    Batch.objects.filter(send=send, state=Batch.State.PLANNED).update(state=Batch.State.CANCELLED)


def cancel_leftovers() -> None:
    """Cancel the batches that a killed `cancel` left planned."""
    Batch.objects.filter(send__state=Send.State.CANCELLED, state=Batch.State.PLANNED).update(
        state=Batch.State.CANCELLED
    )


def reopen(send: int, out_of: Collection[Send.State] = (Send.State.FINISHED,)) -> None:
    """Continue a send that was over, because one of its batches is planned again; in the caller's transaction."""
    Send.objects.filter(pk=send, state__in=out_of).update(state=Send.State.SENDING, finished_at=None)


def finish_if_done(send: int) -> bool:
    """Finish a send if nothing of it is planned or posting. Return whether it did.

    Called after each commit, never inside: of two workers that settle at the same time the later one sees both.
    """
    if statements.has_open_batch(send):
        return False
    open_ = Batch.objects.filter(send=OuterRef("pk"), state__in=[Batch.State.PLANNED, Batch.State.POSTING])
    over = Send.objects.filter(~Exists(open_), pk=send, state=Send.State.SENDING)
    if not over.exists():
        return False
    # Checked again with the row locked: a resend that held it until now may have planned a batch.
    with send_lock.alone(send):
        done = over.update(
            state=Send.State.FINISHED, finished_at=clock.now(), last_request_at=_last_request(send), reason=""
        )
    if done:
        log.info("send finished", extra={"send": send})
    return bool(done)


def _last_request(send: int) -> Case:
    """Return when the last request was accepted; while a send runs, it is noted once a second.

    That is enough of a welcome, which ends after each request: the attempts of years would be looked through.
    """
    answered = Attempt.objects.filter(batch__send=send, state=Attempt.State.ACCEPTED, status__isnull=False)
    last = Coalesce(answered.order_by("-ended_at").values("ended_at")[:1], "last_request_at")
    return Case(When(kind=Send.Kind.WELCOME, then=F("last_request_at")), default=last)


def _require(send: int, *allowed: Send.State) -> None:
    state = Send.objects.values_list("state", flat=True).get(pk=send)
    if state not in allowed:
        raise WrongState(state)
