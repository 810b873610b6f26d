"""Evidence: an event shows that the provider accepted its whole request; silence, if we could hear, that it did not.

Waiting alone shows nothing. Events may be posted to nobody: the webhook's key is another account's, its address is
wrong, the web process is down. So silence counts only where the provider's events of the same minutes were heard.
"""

import logging
from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet, TextChoices

from mailer.models import Attempt, Batch, Event
from mailer.providers.current import configured_provider
from mailer.sending import send_lock, webhook_posts
from mailer.sending.lifecycle import finish_if_done
from mailer.sending.outcomes import accept
from mailer.store import clock

log = logging.getLogger(__name__)

AROUND = timedelta(minutes=15)  # events this close to a request, on both sides of it, show that it would be heard of
SHORT = 1 / 25  # of MAILER_EVIDENCE_WAIT: silence enough to ask a person, and not to act alone
NEVER = (Attempt.State.REFUSED, Attempt.State.UNSENT)  # the provider took none of these, whatever an event says


class Doubt(TextChoices):
    """Why silence about an unknown request does not show that it never arrived."""

    NO_WEBHOOK = "no-webhook", "no event webhook is set up, so only the provider's own records can tell"
    REPORTED = "reported", "an event arrived and is being applied"
    SINGLE = "single-request", "its send has no other request to compare with: only a person can decide"
    REFUSED = "posts-refused", "posts to the event webhook are refused: its event may be among them"
    UNHEARD = "not-heard", "no events arrived for other requests around it, so its own may have been lost"
    EARLY = "too-early", "events arrived for requests around it, but not for it; one may still arrive"


def record(attempts: Collection[UUID]) -> None:
    """Record that the provider accepted these attempts, because an event of each came. Repeating changes nothing.

    An event of a request that was refused, or never made, is not evidence: something is wrong, and the log says so.
    """
    if not attempts:
        return
    record_accepted(attempts)
    rows = Attempt.objects.filter(pk__in=list(attempts), evidence_at=None)
    for attempt, batch, send, state in rows.order_by("batch").values_list("pk", "batch", "batch__send", "state"):
        if state in (Attempt.State.REFUSED, Attempt.State.UNSENT):
            log.error("event for a request that was not accepted", extra={"attempt": attempt, "state": state})
            continue
        _record(attempt, batch, send)
        finish_if_done(send)


def record_accepted(attempts: Collection[UUID]) -> None:
    """Record the evidence of those that are known to be accepted. Nearly all are, and need no lock of their send."""
    if attempts:
        silent = Attempt.objects.filter(pk__in=list(attempts), evidence_at=None, state=Attempt.State.ACCEPTED)
        silent.update(evidence_at=clock.now())


def _record(attempt: UUID, batch: int, send: int) -> None:
    with send_lock.alone(send):
        now = clock.now()
        open_ = Attempt.objects.filter(pk=attempt, state__in=[Attempt.State.OPEN, Attempt.State.UNKNOWN])
        news = open_.update(state=Attempt.State.ACCEPTED, ended_at=now, evidence_at=now)
        if not news:  # accepted before; or refused a moment ago, and then it proves nothing
            Attempt.objects.filter(pk=attempt, state=Attempt.State.ACCEPTED).update(evidence_at=now)
            return
        accept(batch, attempt, Batch.SettledBy.EVENT)


def full_wait() -> timedelta:
    """Return how long silence must last before a batch is sent again without a person."""
    # A provider may repeat a failed post for 24 hours.
    return timedelta(seconds=settings.MAILER_EVIDENCE_WAIT)


def is_heard() -> bool:
    """Tell whether the provider's events are accepted here: without them silence is not evidence."""
    events = configured_provider().events
    return events is not None and bool(events.keys())


def doubt_about(batch: Batch, wait: timedelta) -> Doubt | None:
    """Return why silence does not show that an unknown batch never arrived; None if it does, after `wait` of it.

    If a batch was sent again and lost again, each request must be shown to have got nowhere.
    """
    attempts = batch.attempts.filter(state=Attempt.State.UNKNOWN)
    doubts = [_doubt_about(attempt, batch, wait) for attempt in attempts]
    return next((doubt for doubt in Doubt if doubt in doubts), None) if doubts else Doubt.UNHEARD


def _doubt_about(attempt: Attempt, batch: Batch, wait: timedelta) -> Doubt | None:
    if not is_heard():
        return Doubt.NO_WEBHOOK
    if Event.objects.filter(attempt=attempt.pk, applied_at=None).exists():
        return Doubt.REPORTED
    if not _has_other_requests(batch):
        return Doubt.SINGLE
    account = batch.send.account_id
    if account is None:
        return Doubt.UNHEARD
    if webhook_posts.misses_posts(account, attempt.started_at + full_wait()):
        return Doubt.REFUSED
    if not _heard_around(attempt, account):
        return Doubt.UNHEARD
    return Doubt.EARLY if clock.now() - attempt.started_at < wait else None


def _has_other_requests(batch: Batch) -> bool:
    others = Attempt.objects.filter(batch__send=batch.send_id).exclude(batch=batch)
    return others.exclude(state__in=NEVER).exists()


def _heard_around(attempt: Attempt, account: int) -> bool:
    """Tell whether events of the account came since that happened, by its own clock, shortly before and shortly after.

    Only those of requests of ours say whose they are. A key may be another account's, and what it signs for another
    installation is not kept.
    """
    at = attempt.started_at
    ours = Attempt.objects.filter(batch__send__account=account).exclude(state__in=NEVER)
    heard = Event.objects.filter(received_at__gt=at, attempt__in=ours.values("pk"))
    # The nearest first: of those before it only they came after it, so the others need not be walked through.
    before = heard.filter(at__range=(at - AROUND, at)).order_by("-at")
    after = heard.filter(at__range=(at, at + AROUND)).order_by("at")
    return _any(before) and _any(after)


def _any(events: QuerySet[Event]) -> bool:
    # Not exists(): it takes the order away.
    return bool(events.values_list("pk")[:1])
