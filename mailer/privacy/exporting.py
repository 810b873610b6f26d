"""Export what the ledger holds of one subscriber. `subscribers.personal_data` calls this."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, Subquery

from mailer.models import Attempt, Delivery, Event, Fact, HardBounce


def sends_of(subscriber: int) -> Iterator[dict[str, Any]]:
    """Return what was planned for the subscriber, oldest first, with its outcome, and events as long as they are kept.

    As JSON types; times are UTC, ISO 8601.
    """
    went = Attempt.objects.filter(batch=OuterRef("batch")).exclude(state__in=["refused", "unsent"])
    found = Delivery.objects.filter(subscriber=subscriber).select_related("batch", "send")
    found = found.defer("send__html", "send__text")
    found = found.annotate(asked_at=Subquery(went.order_by("-started_at").values("started_at")[:1]))
    held = dict(HardBounce.objects.filter(delivery__subscriber=subscriber).values_list("pk", "held_until"))
    for delivery in found.order_by("pk"):
        told = Event.objects.filter(delivery=delivery.pk, details__isnull=False).order_by("at")
        yield {
            "newsletter": delivery.send.newsletter,
            "issue": delivery.send.slug,
            "subject": delivery.send.subject,
            "provider": delivery.send.provider,
            "outcome": delivery.outcome or delivery.batch.state,
            "reason": delivery.reason or "",
            "at": None if delivery.outcome else _time(delivery.asked_at),
            "facts": [str(fact.name).lower() for fact in Fact if delivery.facts & fact],
            "held_apart_until": _time(held.get(delivery.pk)),
            "events": [{"at": _time(event.at), "kind": event.kind, "details": event.details} for event in told],
        }


def _time(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None
