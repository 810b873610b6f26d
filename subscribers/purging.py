"""Delete addresses that somebody entered and nobody confirmed: they may be anybody's."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from subscribers.models import Consent, Subscriber, Subscription

KEPT = timedelta(days=30)
WAITED = timedelta(days=90)
AT_ONCE = 500


def purge_unconfirmed(now: datetime) -> int:
    """Delete requests of 30 days ago that led to nothing, and subscribers without any other; return how many.

    Anybody who ever confirmed, left or came by a file stays: their history protects them from being mailed again.
    """
    more = Consent.objects.filter(subscriber=OuterRef("subscriber"), newsletter=OuterRef("newsletter"))
    old = Subscription.objects.filter(
        # Also what waited this long for a worker to mail it, for example of a newsletter that no longer exists.
        Q(confirmation_due=None) | Q(confirmation_due__lt=now - WAITED),
        ~Exists(more.exclude(step=Consent.Step.REQUESTED)),
        state=Subscription.State.PENDING,
        changed_at__lt=now - KEPT,
    )
    purged = 0
    while rows := dict(old.values_list("pk", "subscriber")[:AT_ONCE]):
        with transaction.atomic():
            # Looked at again: one may have confirmed meanwhile.
            purged += old.filter(pk__in=list(rows)).delete()[0]
            Subscriber.objects.filter(pk__in=rows.values(), subscriptions=None, created_at__lt=now - KEPT).delete()
    return purged
