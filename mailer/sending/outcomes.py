"""Decide a batch that no answer settled: `unknown`, then accepted or planned again by other knowledge.

Every write is conditional on the attempt still being the batch's own.
"""

import logging
from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from mailer.models import Attempt, Batch, Send
from mailer.sending import send_lock, statements
from mailer.sending.lifecycle import reopen
from mailer.store import clock

log = logging.getLogger(__name__)

PENDING = (Batch.State.POSTING, Batch.State.UNKNOWN)


def leave_unknown(attempt: UUID, detail: str, status: int | None = None, cause: str = "") -> bool:
    """Make the attempt and its batch `unknown`: what happened is not known, so nobody is emailed again blindly.

    `cause` stands in the log instead of words that are the provider's.
    """
    row = Attempt.objects.filter(pk=attempt).values_list("batch", "batch__send", "batch__was_unknown").first()
    if row is None:
        return False
    batch, send, resent = row
    # Only after a resend can an older attempt just be found accepted. Else the sweep must not wait for the send: a
    # worker may be suspended in a claim of it, and whoever waits to hold it alone stops all others.
    with send_lock.alone(send) if resent else transaction.atomic():
        ended = Attempt.objects.filter(pk=attempt, state=Attempt.State.OPEN).update(
            state=Attempt.State.UNKNOWN, ended_at=clock.now(), detail=detail[:500], status=status
        )
        if ended:
            end = _accepted_before(batch) or {"state": Batch.State.UNKNOWN, "was_unknown": True}
            pending(batch, attempt).filter(state=Batch.State.POSTING).update(**end)
    if ended:
        why = {"attempt": attempt, "status": status, "because": cause or detail}
        log.error("outcome unknown", extra={**place_of(batch), **why})
    return bool(ended)


def place_of(batch: int) -> dict[str, int | str]:
    """Return where a batch belongs, as the log says it: the send's id, its issue's slug, the batch's number in it."""
    send, slug, number = Batch.objects.values_list("send", "send__slug", "number").get(pk=batch)
    return {"send": send, "issue": slug, "batch": number}


def pending(batch: int, attempt: UUID) -> QuerySet[Batch]:
    """Return the batch if this attempt of it has it, and is not settled."""
    return Batch.objects.filter(pk=batch, current_attempt=attempt, state__in=PENDING)


def _accepted_before(batch: int) -> dict[str, Any] | None:
    """Return what becomes of a batch whose subscribers an older attempt turned out to have reached, after a resend."""
    older = Attempt.objects.filter(batch=batch, state=Attempt.State.ACCEPTED).values_list("pk", flat=True).first()
    if older is None:
        return None
    return {"state": Batch.State.ACCEPTED, "settled_by": Batch.SettledBy.WORKER, "current_attempt": older}


def accept(batch: int, attempt: UUID, settled_by: Batch.SettledBy) -> None:
    """Accept a batch because this attempt of it was accepted, unless it has ended in another way: that is final.

    In the caller's transaction, which shares the send or holds it. After a resend the late knowledge makes the second
    request needless, if that was not made yet; if it is being made, its own end sees what is known here.
    """
    if not statements.accept_batch(batch, attempt, settled_by):
        log.error("accepted late, subscribers may get it twice", extra={"attempt": attempt})


def accept_by(attempt: UUID, settled_by: Batch.SettledBy) -> bool:
    """Accept an attempt without an answer by other knowledge: the rehearsal's record, or the editor's word."""
    with transaction.atomic():
        # Attempt before batch, as everywhere: else two could wait for each other.
        Attempt.objects.select_for_update().filter(pk=attempt).values_list("pk").first()
        changed = Batch.objects.filter(current_attempt=attempt, state__in=PENDING).update(
            state=Batch.State.ACCEPTED, settled_by=settled_by
        )
        if changed and settled_by != Batch.SettledBy.EDITOR:
            Attempt.objects.filter(pk=attempt).update(state=Attempt.State.ACCEPTED, ended_at=clock.now())
    return bool(changed)


def plan_again(send: int, batch: int, attempt: UUID) -> bool:
    """Let the batch wait again, since nobody got this request. Return False if another attempt has the batch.

    In the caller's transaction, which holds the send alone. Those whom an older attempt turned out to have reached,
    after a resend, have it. A send that was over goes on.
    """
    end = _accepted_before(batch)
    if end:
        return bool(pending(batch, attempt).update(**end))
    if not pending(batch, attempt).update(state=Batch.State.PLANNED, current_attempt=None):
        return False
    reopen(send)
    return True


def plan_unknown_again(
    batch: int, attempt: UUID | None = None, out_of: Collection[Send.State] = (Send.State.FINISHED,)
) -> bool:
    """Plan an unknown batch once more, because somebody knows or accepts that it may not have arrived.

    Only if `attempt`, if given, is its last one: the decision was about this one. A send that was over, in one of the
    states `out_of`, goes on.
    """
    send = Batch.objects.values_list("send", flat=True).filter(pk=batch).first()
    if send is None:
        return False
    with send_lock.alone(send):
        unknown = Batch.objects.filter(pk=batch, state=Batch.State.UNKNOWN)
        judged = unknown.filter(current_attempt=attempt) if attempt else unknown
        end = _accepted_before(batch)
        if end:  # a former version could leave it unknown all the same
            judged.update(**end)
            return False
        changed = judged.update(state=Batch.State.PLANNED, current_attempt=None, was_unknown=True)
        if changed:
            reopen(send, out_of)
    return bool(changed)
