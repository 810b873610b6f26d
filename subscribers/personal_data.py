"""Collect everything that is stored about one subscriber, to give it to them (GDPR, articles 15 and 20).

A history may be long, so it is read in chunks and never held in memory as a whole.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from operator import attrgetter
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from subscribers import records, signed_links
from subscribers.addresses import Address
from subscribers.models import Consent, Subscriber, Suppression

CHUNK = 1000

Held = dict[str, Any]  # what is held of one person, as JSON has it; see docs/privacy.md


@dataclass(frozen=True)
class Newest:
    """The part of a history to return: this many steps, without those that are newer still."""

    steps: int
    skipped: int = 0


def held(address: Address, part: Newest | None = None) -> Held | None:
    """Return all that is held, as JSON types but with iterators for long lists, or None if nothing is held.

    Times are UTC, ISO 8601. What other apps hold is in it too: settings.HELD.
    """
    subscriber = Subscriber.objects.filter(email_key=address.key).first()
    suppression = Suppression.objects.filter(hash=signed_links.suppression_hash(address.key)).first()
    if subscriber is None and suppression is None:
        return None
    return {
        "email": subscriber.email if subscriber else address.email,
        "id": str(subscriber.public_id) if subscriber else None,
        "name": subscriber.name if subscriber else "",
        "language": subscriber.language if subscriber else "",
        "since": _time(subscriber.created_at) if subscriber else None,
        "suppressed": _suppressed(suppression),
        "subscriptions": _subscriptions(subscriber) if subscriber else [],
        "history": _history(subscriber, suppression, part),
        "links_asked_for": _letters(subscriber) if subscriber else [],
        "told": _notices(subscriber) if subscriber else [],
        "welcomes_due": _welcomes_due(subscriber) if subscriber else [],
        "former_ids": _former_ids(subscriber) if subscriber else [],
        "sends": iter(import_string(settings.HELD)(subscriber.pk) if subscriber else ()),
    }


def as_json(held: Held) -> Iterator[str]:
    """Return the pieces of a JSON document with what `held` returned; each step and send has a line of its own."""
    before = "{\n  "
    for name, value in held.items():
        yield f"{before}{json.dumps(name)}: "
        if isinstance(value, Iterator):
            yield from _lines(value)
        else:
            yield json.dumps(value, ensure_ascii=False)
        before = ",\n  "
    yield "\n}\n"


def _lines(items: Iterator[Any]) -> Iterator[str]:
    before, after = "[\n    ", "[]"
    for item in items:
        yield before + json.dumps(item, ensure_ascii=False)
        before, after = ",\n    ", "\n  ]"
    yield after


def _time(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None


def _suppressed(suppression: Suppression | None) -> Held | None:
    if suppression is None:
        return None
    return {
        "reason": suppression.reason,
        "at": _time(suppression.at),
        "note": suppression.note,
        "erased_at": _time(suppression.erased_at),
    }


def _subscriptions(subscriber: Subscriber) -> list[Held]:
    return [
        {
            "newsletter": wish.newsletter,
            "state": wish.state,
            "since": _time(wish.changed_at),
            "confirmation_due": _time(wish.confirmation_due),
            "confirmations_sent": wish.confirmation_tries,
        }
        for wish in subscriber.subscriptions.order_by("newsletter")
    ]


def _history(subscriber: Subscriber | None, suppression: Suppression | None, part: Newest | None) -> Iterator[Held]:
    """Return the steps; of an erased subscriber only the erasure, which stays the first step if they come back."""
    erased = records.erasure(suppression) if suppression else None
    steps = _steps(subscriber, part) if subscriber else iter(())
    return map(_step, merge([erased] if erased else [], steps, key=attrgetter("at")))


def _steps(subscriber: Subscriber, part: Newest | None) -> Iterator[Consent]:
    """Return steps, oldest first, each chunk by a query of its own: no cursor waits for a slow download."""
    if part:
        newest = subscriber.consents.order_by("-at", "-pk")[part.skipped : part.skipped + part.steps]
        yield from reversed(newest)
        return
    found = steps = subscriber.consents.order_by("at", "pk")
    while chunk := list(found[:CHUNK]):
        yield from chunk
        found = steps.filter(at__gte=chunk[-1].at).exclude(at=chunk[-1].at, pk__lte=chunk[-1].pk)


def _step(step: Consent) -> Held:
    return {
        "at": _time(step.at),
        "newsletter": step.newsletter,
        "step": step.step,
        "how": step.how,
        "source": step.source,
        "basis": step.basis,
        "wording": step.wording,
        "wording_version": step.wording_version,
        "language": step.language,
        "network": step.ip,
        "claimed": step.claimed or {},
    }


def _notices(subscriber: Subscriber) -> list[Held]:
    """Return what they were told without asking, stored for two days."""
    return [
        {"at": _time(notice.at), "to": notice.email, "of": notice.kind}
        for notice in subscriber.notices.order_by("at", "pk")
    ]


def _welcomes_due(subscriber: Subscriber) -> list[Held]:
    """Return the newsletters whose welcome they are to get, since when."""
    return [
        {"newsletter": due.newsletter, "since": _time(due.at)} for due in subscriber.welcomes_due.order_by("newsletter")
    ]


def _former_ids(subscriber: Subscriber) -> list[dict[str, str]]:
    """Return the ids by which links from before a move still unsubscribe, and from what."""
    return [
        {"id": str(former.public_id), "newsletter": former.newsletter}
        for former in subscriber.former_ids.order_by("pk")
    ]


def _letters(subscriber: Subscriber) -> list[Held]:
    """Return letters, kept for two days; one of them may hold an address that is not confirmed yet."""
    return [
        {"at": _time(letter.asked_at), "to": letter.email, "for": letter.purpose}
        for letter in subscriber.letters.order_by("asked_at", "pk")
    ]
