"""What a dead or stalled worker left behind gets a name: `unknown`, and in a rehearsal the answer itself."""

import logging
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from mailer.models import REHEARSAL, Attempt, Batch, Send
from mailer.sending import owners
from mailer.sending.settling import accept_by, leave_unknown
from mailer.sendgrid.rehearsal import accepted_attempts

log = logging.getLogger(__name__)


def expire_attempts() -> int:
    """Open attempts whose owner is dead or whose lease ran out are `unknown`; returns how many.

    A dead owner never makes a batch `planned`: its request may have arrived a moment before it died.
    """
    now = timezone.now()
    expired = 0
    for attempt, owner, lease_until in Attempt.objects.filter(state=Attempt.State.OPEN).values_list(
        "pk", "owner", "lease_until"
    ):
        if lease_until < now:
            expired += leave_unknown(attempt, "the worker's lease ran out before an answer was written")
        elif owners.is_dead(owner):
            expired += leave_unknown(attempt, "the worker died before an answer was written")
    if expired:
        owners.tidy(set(Attempt.objects.filter(state=Attempt.State.OPEN).values_list("owner", flat=True)))
    settle_rehearsals()
    return expired


def settle_rehearsals() -> None:
    """Unknown attempts of rehearsals are settled by the local record, which is written before it is answered."""
    unknown = Batch.objects.filter(state=Batch.State.UNKNOWN, send__provider=REHEARSAL)
    for send, batch, attempt in unknown.values_list("send", "pk", "current_attempt"):
        recorded = accepted_attempts(Path(settings.HOME) / "rehearsals", send)
        if str(attempt) in recorded:
            accept_by(attempt, "record")
        else:
            plan_unknown_again(batch)


def plan_unknown_again(batch: int) -> bool:
    """An unknown batch goes out once more, because somebody knows or accepts that it may not have arrived."""
    with transaction.atomic():
        send = Send.objects.select_for_update().filter(batches=batch).only("pk", "state").get()
        changed = Batch.objects.filter(pk=batch, state=Batch.State.UNKNOWN).update(
            state=Batch.State.PLANNED, current_attempt=None, hinted_at=None, was_unknown=True
        )
        if changed:
            # The one way out of `finished`.
            Send.objects.filter(pk=send.pk, state__in=[Send.State.FINISHED, Send.State.CANCELLED]).update(
                state=Send.State.SENDING, finished_at=None
            )
    return bool(changed)
