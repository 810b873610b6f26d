"""Signed posts to the event webhook, like SendGrid's, about requests of any time."""

import base64
import json
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.test import Client
from django.utils import timezone

from mailer.models import Attempt, Send
from mailer.providers.answers import Accepted, Answer, OutcomeUnknown
from mailer.sending.claiming import Claim
from mailer.sending.settling import settle
from mailer.store.installation import public_id
from tests.events import PATH, EventKeys
from tests.mailer.sending.outgoing import claimed, close_breaker

KEYS = EventKeys()  # of the account
OTHERS = EventKeys()  # of another account
OURS = (base64.b64decode(KEYS.public),)
LOST = OutcomeUnknown("no answer", None)
OK = Accepted("id")


def report_evidence(attempt: UUID, at: datetime, by: EventKeys = KEYS) -> int:
    """Post one event that puts this request at a time of the provider's clock; return the status."""
    ids = {"mailer_installation": public_id(), "mailer_attempt": str(attempt), "mailer_delivery": "1"}
    return _post([{"event": "processed", "timestamp": int(at.timestamp()), "sg_event_id": uuid4().hex, **ids}], by)


def junk(by: EventKeys = OTHERS) -> int:
    """Post something that is not ours; return the status."""
    return _post([], by)


def _post(events: list[object], by: EventKeys) -> int:
    body = json.dumps(events).encode()
    client = Client(raise_request_exception=False)
    return client.post(PATH, data=body, content_type="application/json", headers=by.headers(body)).status_code


def requests(send: Send, *answers: Answer, ago: timedelta) -> list[Claim]:
    """Make a request for each batch, `ago` and then a minute apart, with these answers."""
    taken = []
    for number, answer in enumerate(answers):
        close_breaker()
        taken.append(claimed(send, number))
        settle(taken[-1], answer)
        started(taken[-1], ago - timedelta(minutes=number))
    return taken


def started(taken: Claim, ago: timedelta) -> None:
    Attempt.objects.filter(pk=taken.attempt).update(started_at=timezone.now() - ago)


def report_evidence_of(taken: Claim, by: EventKeys = KEYS) -> int:
    """Post an event of this request, with the second at which it was made."""
    return report_evidence(taken.attempt, Attempt.objects.get(pk=taken.attempt).started_at, by)
