"""Evidence: an event of a request proves that the provider took it whole; long silence, that it never did."""

import logging
from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from mailer import clock
from mailer.models import Attempt, Batch, Send
from mailer.sending.settling import call_accepted, finish_if_done

log = logging.getLogger(__name__)

# Where requests before and after it are heard of, this share of MAILER_EVIDENCE_WAIT is silence enough.
SHORT = 1 / 24

Proof = tuple[UUID, int, int]  # attempt, its batch, its send


def prove(attempts: Collection[UUID]) -> None:
    """Each of these attempts was accepted by the provider, because an event of it came. Repeating changes nothing.

    An event of a request that was refused, or never made, is no evidence: something is wrong, and the log says so.
    """
    if not attempts:
        return
    rows = Attempt.objects.filter(pk__in=list(attempts), evidence_at=None)
    # Nearly all of them: what is accepted needs no lock of its send.
    rows.filter(state=Attempt.State.ACCEPTED).update(evidence_at=clock.now())
    for attempt, batch, send, state in rows.order_by("batch").values_list("pk", "batch", "batch__send", "state"):
        if state in (Attempt.State.REFUSED, Attempt.State.UNSENT):
            log.error("an event of a request that was not accepted", extra={"attempt": attempt, "state": state})
            continue
        _prove(attempt, batch, send)
        finish_if_done(send)


def _prove(attempt: UUID, batch: int, send: int) -> None:
    with transaction.atomic():
        Send.objects.select_for_update().filter(pk=send).values_list("pk").first()
        now = clock.now()
        open_ = Attempt.objects.filter(pk=attempt, state__in=[Attempt.State.OPEN, Attempt.State.UNKNOWN])
        news = open_.update(state=Attempt.State.ACCEPTED, ended_at=now, evidence_at=now)
        if not news:  # accepted before; or refused a moment ago, and then it proves nothing
            Attempt.objects.filter(pk=attempt, state=Attempt.State.ACCEPTED).update(evidence_at=now)
            return
        if not call_accepted(batch, attempt, "event"):
            log.error("accepted late, readers may have it twice", extra={"attempt": attempt})


def never_arrived(batch: Batch) -> bool:
    """Negative evidence: no event of an unknown request came for so long that it was hardly accepted.

    Without a webhook key silence means nothing.
    """
    if batch.current_attempt is None or not settings.SENDGRID_WEBHOOK_KEYS:
        return False
    attempt = batch.attempts.filter(pk=batch.current_attempt).first()
    if attempt is None or attempt.evidence_at:
        return False
    silent = clock.now() - attempt.started_at
    wait = timedelta(seconds=settings.MAILER_EVIDENCE_WAIT)
    if silent >= wait:
        return True
    return silent >= wait * SHORT and _heard_around(attempt, batch.send_id)


def _heard_around(attempt: Attempt, send: int) -> bool:
    """Events came of a request of this send before it and of one after it."""
    heard = Attempt.objects.filter(batch__send=send, evidence_at__isnull=False)
    return (
        heard.filter(started_at__lt=attempt.started_at).exists()
        and heard.filter(started_at__gt=attempt.started_at).exists()
    )
