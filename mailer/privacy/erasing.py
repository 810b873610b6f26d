"""What the ledger holds of a person is gone with their subscriber row. `subscribers.erasing.forget` calls this."""

from django.db import connection
from django.db.models import Q

from mailer.models import Attempt, Delivery, Event, HardBounce

REFUSED = "refused by the provider"  # instead of its words, which may quote an address


def forget_reader(subscriber: int, email: str) -> None:
    """No event, delivery or request quotes this reader any more; outcomes, facts and counters stay.

    What servers answered holds addresses, in their words. In the caller's transaction.
    """
    deliveries = Delivery.objects.filter(subscriber=subscriber)
    Event.objects.filter(delivery__in=deliveries.values("pk"), details__isnull=False).update(details=None)
    # Of bounces without ids, those that wait for the outcome of a request are the only ones that keep an address.
    Event.objects.filter(applied_at=None, delivery=None, details__email__iexact=email).update(details=None)
    # Not waited for: who judges bounces may hold them and wait for this reader. `outages.prune` deletes those.
    bounces = HardBounce.objects.filter(delivery__in=deliveries.values("pk"))
    if connection.features.has_select_for_update_skip_locked:
        bounces = bounces.select_for_update(skip_locked=True)
    HardBounce.objects.filter(pk__in=[bounce.pk for bounce in bounces]).delete()
    # Whatever it says: it may quote an address that the reader had before, or write it in another way.
    rejected = deliveries.filter(outcome=Delivery.Outcome.REJECTED)
    for delivery in rejected.select_related("batch"):
        _forget_answers(delivery)
    rejected.update(reason=REFUSED)


def _forget_answers(rejected: Delivery) -> None:
    """Take the words of the refusal off its requests too: a batch was halved until its reader was alone."""
    root = rejected.batch.split_from_id or rejected.batch_id
    family = Attempt.objects.filter(Q(batch=root) | Q(batch__split_from=root), state=Attempt.State.REFUSED)
    family.filter(words=rejected.reason).update(words=REFUSED)
