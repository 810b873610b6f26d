"""When posts to the webhook were last accepted and refused."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from mailer.models import Installation, WebhookKey
from mailer.sending import webhook_posts
from mailer.store import clock
from mailer.web.bodies import FAULT, Fault
from tests.mailer.sending.listening import KEYS, OK, OTHERS, OURS, junk, report_evidence_of, requests

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _our_key(settings):
    settings.SENDGRID_WEBHOOK_KEYS = OURS


@pytest.fixture
def taken(four):
    return requests(four, OK, ago=timedelta(minutes=1))[0]


def verified_at(host="127.0.0.1"):
    return WebhookKey.objects.filter(account__host=host).values_list("verified_at", flat=True).first()


def refused_at():
    return Installation.objects.get().events_refused_at


def writes(queries: CaptureQueriesContext) -> list[str]:
    verbs = ("INSERT", "UPDATE", "DELETE")
    return [query["sql"] for query in queries if query["sql"].startswith(verbs)]


def test_a_post_that_verifies_and_one_that_is_refused_are_recorded(taken):
    assert (verified_at(), refused_at()) == (None, None)
    assert (report_evidence_of(taken), report_evidence_of(taken, OTHERS)) == (204, 403)
    verified, refused = verified_at(), refused_at()
    assert verified < refused < clock.now()


def test_only_an_event_of_a_request_tells_whose_a_key_is(taken):
    assert junk(KEYS) == 204
    assert not WebhookKey.objects.exists()
    report_evidence_of(taken)
    first = verified_at()
    WebhookKey.objects.update(verified_at=first - timedelta(minutes=1))
    assert junk(KEYS) == 204, "from now on each post of that key says that the account is heard"
    assert verified_at() >= first
    assert verified_at("api.sendgrid.com") is None


def test_a_flood_of_junk_is_not_a_flood_of_writes(taken, monkeypatch):
    report_evidence_of(taken)
    began = clock.now()
    monkeypatch.setattr(webhook_posts.clock, "now", lambda: began)  # however long a busy machine takes
    with CaptureQueriesContext(connection) as queries:
        assert {junk() for _ in range(50)} == {403}
    assert len(writes(queries)) == 1
    assert refused_at() == began
    monkeypatch.setattr(webhook_posts.clock, "now", lambda: began + timedelta(seconds=6))
    junk()
    assert refused_at() == began + timedelta(seconds=6)


def test_each_change_between_taken_and_refused_is_recorded_at_once(taken):
    for _ in range(3):
        report_evidence_of(taken)
        assert (refused_at() or clock.now() - timedelta(days=1)) < verified_at()
        junk()
        assert refused_at() > verified_at()


def test_a_refusal_is_answered_also_while_the_database_is_away(monkeypatch):
    def away():
        raise DatabaseError("away")

    monkeypatch.setattr(webhook_posts.clock, "now", away)
    assert junk() == 403


@pytest.mark.parametrize("environ", [{"HTTP_CONTENT_ENCODING": "gzip"}, *({FAULT: fault} for fault in Fault)])
def test_whatever_is_not_taken_counts_as_refused(client, environ):
    answer = client.post("/webhooks/sendgrid/", data=b"[]", content_type="application/json", **environ)
    assert answer.status_code >= 400
    assert refused_at()
