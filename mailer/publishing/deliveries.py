"""Who got what of a send."""

from django.db.models import F, OuterRef, QuerySet, Subquery

from mailer.models import BOUNCED, Batch, Delivery, Event, Fact, Send

FACTS = {"delivered": Fact.DELIVERED, "bounced": BOUNCED, "complained": Fact.COMPLAINED}

# Address and reason of each; an erased subscriber has no address.
Rows = QuerySet[Delivery, tuple[str | None, str | None]]


def with_outcome(send: Send, outcome: str) -> Rows:
    """Return the deliveries of the send with this outcome, in the order in which they were planned.

    It is a fact of FACTS, `waiting`, an outcome of deliveries or else a state of batches.
    """
    deliveries = Delivery.objects.filter(send=send).order_by("pk")
    if outcome in FACTS:
        return _with_fact(deliveries, int(FACTS[outcome]))
    if outcome in (Delivery.Outcome.SKIPPED, Delivery.Outcome.REJECTED):
        deliveries = deliveries.filter(outcome=outcome)
    else:
        waiting = [Batch.State.PLANNED, Batch.State.POSTING]
        states = waiting if outcome == "waiting" else [outcome]
        deliveries = deliveries.filter(outcome=None, batch__state__in=states)
    return deliveries.values_list("subscriber__email", "reason")


def _with_fact(deliveries: QuerySet[Delivery], bits: int) -> Rows:
    """Return those with this fact, and what the provider last said of it, as long as its events are kept."""
    told = Event.objects.filter(delivery=OuterRef("pk"), details__isnull=False).order_by("-at")
    found = deliveries.annotate(known=F("facts").bitand(bits)).filter(known__gt=0)
    return found.annotate(said=Subquery(told.values("details__reason")[:1])).values_list("subscriber__email", "said")
