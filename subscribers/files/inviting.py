"""Queue confirmation emails to many pending subscribers: one after the other, because the rows are the queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Max

from subscribers import clock
from subscribers.installations import list_id_of
from subscribers.models import Subscription


@dataclass
class Invitations:
    """When the next one goes out. A provider and its customers would be alarmed by a thousand at once."""

    per_hour: int
    next_at: datetime


def invitations(newsletter: str, per_hour: int) -> Invitations:
    """Start after all confirmations that this newsletter has put off already: the rate holds for both."""
    now = clock.now()
    waiting = Subscription.objects.filter(newsletter=newsletter, confirmation_due__gt=now)
    last = waiting.aggregate(last=Max("confirmation_due"))["last"]
    return Invitations(per_hour, last + timedelta(hours=1 / per_hour) if last else now)


def invite(newsletter: str, email_keys: Sequence[str], invitations: Invitations) -> int:
    """Queue a confirmation email for each of these who is pending and was never mailed; return how many.

    In the caller's transaction, some thousands at a time. The sweep sends them.
    """
    asked = Subscription.objects.filter(
        newsletter=newsletter,
        subscriber__email_key__in=email_keys,
        state=Subscription.State.PENDING,
        confirmation_due=None,
        confirmation_tries=0,
    )
    ids = list(asked.order_by("pk").values_list("pk", flat=True))
    list_id = list_id_of(newsletter)
    for pk in ids:
        Subscription.objects.filter(pk=pk).update(confirmation_due=invitations.next_at, list_id=list_id)
        invitations.next_at += timedelta(hours=1 / invitations.per_hour)
    return len(ids)
