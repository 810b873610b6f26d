"""Erase what the ledger holds of a person, with their subscriber row. `subscribers.erasing.forget` calls this."""

from django.db import connection
from django.db.models import Q

from mailer.models import Attempt, Delivery, Event, HardBounce

REFUSED = "refused by the provider"  # instead of its text, which may quote an address


def forget_subscriber(subscriber: int, email: str) -> None:
    """Remove the subscriber from events, deliveries and requests; outcomes, facts and counters stay.

    What servers answered may quote addresses. In the caller's transaction.
    """
    deliveries = Delivery.objects.filter(subscriber=subscriber)
    Event.objects.filter(delivery__in=deliveries.values("pk"), details__isnull=False).update(details=None)
    # Of bounces without ids, only those that wait for the outcome of a request keep an address.
    Event.objects.filter(applied_at=None, delivery=None, details__email__iexact=email).update(details=None)
    # Do not wait: whatever judges bounces may lock them and wait for this subscriber. `outages.prune` deletes those.
    bounces = HardBounce.objects.filter(delivery__in=deliveries.values("pk"))
    if connection.features.has_select_for_update_skip_locked:
        bounces = bounces.select_for_update(skip_locked=True)
    HardBounce.objects.filter(pk__in=[bounce.pk for bounce in bounces]).delete()
    # Whatever it says: it may quote a former address, or the address in another notation.
    rejected = deliveries.filter(outcome=Delivery.Outcome.REJECTED)
    for delivery in rejected.select_related("batch"):
        _forget_answers(delivery)
    rejected.update(reason=REFUSED)


def _forget_answers(rejected: Delivery) -> None:
    """Remove the refusal's text from its requests too: a batch was halved until its subscriber was alone."""
    root = rejected.batch.split_from_id or rejected.batch_id
    family = Attempt.objects.filter(Q(batch=root) | Q(batch__split_from=root), state=Attempt.State.REFUSED)
    family.filter(detail=rejected.reason).update(detail=REFUSED)
