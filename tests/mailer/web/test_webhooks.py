# ruff: noqa: F811 — the fixtures are those of tests/mailer/sending
import base64
import gzip
import json
import logging
import time
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import DataError, OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mailer.events import facts, storing
from mailer.models import Event
from mailer.store import counting
from mailer.store.installation import public_id
from tests.events import PATH, SIGNATURE, TIMESTAMP, EventKeys
from tests.installing import an_installation
from tests.mailer.reports import ada, issue  # noqa: F401 — whom it was mailed to, and what
from tests.mailer.sending.conftest import _own_home, api  # noqa: F401 — the same stage

pytestmark = pytest.mark.django_db

KEYS = EventKeys()


@pytest.fixture(autouse=True)
def _our_key(settings):
    settings.SENDGRID_WEBHOOK_KEYS = (base64.b64decode(KEYS.public),)
    an_installation()


def report(**more):
    given = {"event": "delivered", "timestamp": int(time.time()), "sg_event_id": uuid4().hex}
    ids = {"mailer_installation": public_id(), "mailer_attempt": str(uuid4()), "mailer_delivery": "1"}
    return given | ids | more


def post(body: bytes | None = None, *, at=None, by=KEYS, headers=None):
    """Post as a client from outside: no exception of our views reaches the test."""
    body = json.dumps([report()]).encode() if body is None else body
    given = by.headers(body, at) | (headers or {})
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    return client.post(PATH, data=body, content_type="application/json", headers=given)


def test_signed_events_are_stored_and_applied_before_the_answer():
    assert post().status_code == 204
    assert Event.objects.get().applied_at


@pytest.mark.parametrize("hours", [-25, -3, 3, 25])
def test_a_web_process_with_a_wrong_clock_takes_events(monkeypatch, hours):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has the clock of its machine")
    right = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: right() + timedelta(hours=hours))
    assert post().status_code == 204


def test_events_are_posted_and_nothing_else(client):
    for method in (client.get, client.head, client.put, client.delete):
        assert method(PATH).status_code == 405


def test_without_a_key_nothing_is_believed(settings):
    settings.SENDGRID_WEBHOOK_KEYS = ()
    answer = post()
    assert answer.status_code == 403
    assert b"SENDGRID_WEBHOOK_PUBLIC_KEY is not set" in answer.content


def test_what_sendgrid_did_not_sign_now_is_refused():
    """The posts are unsigned, forged, stale, from the future, or malformed."""
    body = json.dumps([report()]).encode()
    answers = [
        Client(raise_request_exception=False).post(PATH, data=body, content_type="application/json"),
        post(by=EventKeys()),
        post(at=int(time.time()) - 26 * 3600),
        post(at=int(time.time()) + 3600),
        post(headers={SIGNATURE: "not base64"}),
        post(headers={SIGNATURE: "ÿÿ"}),
        post(headers={TIMESTAMP: "yesterday"}),
        post(body, headers={SIGNATURE: KEYS.headers(body + b" ")[SIGNATURE]}),
    ]
    assert [answer.status_code for answer in answers] == [403] * len(answers)
    assert not Event.objects.exists()


def test_a_post_that_is_replayed_changes_nothing():
    body = json.dumps([report(), report()]).encode()
    headers = KEYS.headers(body)
    assert [post(body, headers=headers).status_code for _ in range(3)] == [204] * 3
    assert Event.objects.count() == 2


def test_a_repeat_of_a_day_ago_is_taken():
    assert post(at=int(time.time()) - 24 * 3600).status_code == 204
    assert Event.objects.count() == 1


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b'"x"', b"[", b"\x00", b"event=delivered", b"[" * 100_000])
def test_a_body_that_is_not_an_array_is_refused_with_an_explanation(body):
    answer = post(body)
    assert answer.status_code == 400
    assert b"JSON" in answer.content


def test_strange_events_do_no_harm_to_their_neighbours():
    strange = [
        None,
        1,
        "x",
        [],
        {},
        report(event=None),
        report(event="x" * 100),
        report(timestamp=2**70),
        report(timestamp=-1),
        report(timestamp="now"),
        report(mailer_delivery="9" * 30, mailer_attempt="no uuid"),
        report(event="bounce", reason="a\0b", type=["bounce"], status=511, email={"a": 1}),
        report(event="nul\0"),
        report(sg_event_id=["x"], url={"a": []}),
        report(event="an_event_of_tomorrow"),
    ]
    assert post(json.dumps([*strange, report()]).encode()).status_code == 204
    kept = list(Event.objects.order_by("kind").values_list("kind", flat=True))
    assert kept == ["an_event_of_tomorrow", "bounced", "delivered", "delivered", "delivered"]
    assert Event.objects.get(kind="bounced").details == {"reason": "ab"}


def test_events_of_another_installation_on_the_account_are_acknowledged_and_dropped():
    assert post(json.dumps([report(mailer_installation=str(uuid4()))]).encode()).status_code == 204
    assert not Event.objects.exists()


def test_a_body_larger_than_djangos_limit_for_forms_is_taken():
    assert post(json.dumps([report(filler="x" * 1000) for _ in range(700)]).encode()).status_code == 204
    assert Event.objects.count() == 700


def test_a_compressed_body_is_refused_unopened():
    bomb = gzip.compress(b" " * 50_000_000)
    assert post(bomb, headers={"Content-Encoding": "gzip"}).status_code == 415


@pytest.mark.parametrize("error", [OperationalError("10.0.0.7 is down"), DataError("bad")])
def test_while_the_database_is_away_sendgrid_is_told_to_come_again(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(storing, "_of_this_installation", fail)
    answer = post()
    assert answer.status_code == 503
    assert b"10.0.0.7" not in answer.content


@pytest.mark.parametrize("known", [False, True], ids=["the first of its request", "a later one"])
def test_stored_events_are_acknowledged_even_when_they_cannot_be_applied_yet(issue, ada, known, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("a defect with ada@readers.example")

    if known:
        post(json.dumps([issue.about(ada, "processed")]).encode())
    monkeypatch.setattr(facts, "add", fail)
    assert post(json.dumps([issue.about(ada, "delivered")]).encode()).status_code == 204
    assert Event.objects.get(kind="delivered").applied_at is None
    assert [record.levelno for record in caplog.records if "not applied yet" in record.message] == [logging.ERROR]
    assert "ada@" not in caplog.text


def test_posts_are_counted_without_a_write_for_each():
    counting._pending.clear()
    hour_ago = json.dumps([report(timestamp=int(time.time()) - 3600)]).encode()
    assert post(hour_ago).status_code == 204
    assert post(hour_ago).status_code == 204
    with CaptureQueriesContext(connection) as asked:
        for _ in range(200):
            assert post(b"[]", headers={SIGNATURE: "forged"}).status_code == 403
    written = [one["sql"] for one in asked if one["sql"].startswith(("INSERT", "UPDATE"))]
    assert len(written) < 20, "that some were refused is on record, and seldom written"
    counting.flush()
    found = counting.totals()
    assert found["webhook_posts"] == {"stored": 2, "refused": 200}
    lags = found["webhook_lag_seconds"]
    assert (lags["7200.0"], lags["sum"] >= 3600) == (1, True), "a repeat says nothing about how late events come"
