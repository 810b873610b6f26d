"""Accepted emails, and the provider's reports about them."""

import json
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from mailer.events import processing, storing
from mailer.models import Attempt, Batch, Delivery, Fact, Send
from mailer.providers.answers import Accepted
from mailer.providers.sendgrid.webhook import parse
from mailer.sending.settling import settle
from mailer.store.installation import public_id
from subscribers.models import Subscriber
from tests import readers
from tests.events import event
from tests.mailer.sending.outgoing import claimed, close_breaker, planned

HARD = {"type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 no such user"}
SOFT = {"type": "blocked", "status": "4.2.2", "reason": "452 4.2.2 mailbox full"}
POLICY = {"type": "blocked", "status": "5.7.1", "bounce_classification": "Reputation"}
DAY = 86_400


@dataclass
class Mailed:
    """A request for a send, and how its events look."""

    send: Send
    attempt: Any

    def about(self, reader: Subscriber, kind: str, **more: Any) -> dict[str, Any]:
        delivery = Delivery.objects.get(send=self.send, subscriber=reader)
        request = {
            "message_id": "id",
            "installation": public_id(),
            "send": str(self.send.pk),
            "attempt": str(self.attempt),
        }
        return event(kind, request, {"email": reader.email, "delivery": str(delivery.pk)}, **more)


def mailed(slug: str = "2026-11-20", answer: Any = None, ago: timedelta = timedelta(0)) -> Mailed:
    send = planned(slug=slug)
    close_breaker()
    claim = claimed(send)
    settle(claim, answer or Accepted("id"))
    asked = timezone.now() - ago
    Send.objects.filter(pk=send.pk).update(first_request_at=asked)
    Attempt.objects.filter(pk=claim.attempt).update(started_at=asked)
    return Mailed(send, claim.attempt)


def post(*reports: dict[str, Any]) -> int:
    """Apply these events; return how many were new."""
    stored = storing.store(parse(json.dumps(reports).encode()))
    processing.apply(stored.left)
    return stored.new


def counters(send: Send) -> dict[str, int]:
    fields = ("delivered", "deferred", "dropped", "bounced", "bounced_hard", "complained")
    rows = Batch.objects.filter(send=send).values(*fields)
    sums = {field: sum(row[field] for row in rows) for field in fields}
    return {field: number for field, number in sums.items() if number}


def facts(reader: Subscriber) -> list[Fact]:
    return [
        Fact(one) for one in Delivery.objects.filter(subscriber=reader).order_by("pk").values_list("facts", flat=True)
    ]


def nameless(email: str, **more: Any) -> dict[str, Any]:
    return {"event": "bounce", "email": email, "timestamp": int(time.time()), "sg_event_id": uuid4().hex, **HARD} | more


@pytest.fixture
def ada(api) -> Subscriber:
    return readers.confirmed()


@pytest.fixture
def issue(ada) -> Mailed:
    return mailed()
