"""What the ledger holds of a person is gone with their subscriber row. `subscribers.optin.forget` calls this."""

from django.db import connection

from mailer.models import Delivery, Event, HardBounce


def forget_reader(subscriber: int, email: str) -> None:
    """No event and no delivery quotes this reader any more; outcomes, facts and counters stay.

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
    deliveries.filter(outcome=Delivery.Outcome.REJECTED).update(reason="refused by the provider")
