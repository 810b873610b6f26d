# ruff: noqa: F811 — the fixtures are those of tests/mailer/sending
import json
import logging
import os
import random
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mailer.events import processing, storing, suppressing
from mailer.models import Attempt, Batch, Delivery, Event, Fact, HardBounce, PolicyBounce
from mailer.providers.answers import OutcomeUnknown, Refused
from mailer.providers.current import configured_provider
from mailer.providers.sendgrid.webhook import parse
from subscribers.models import Subscription, Suppression
from tests import readers
from tests.mailer.reports import DAY, HARD, POLICY, SOFT, Mailed, ada, counters, facts, issue, mailed, nameless, post  # noqa: F401 — whom it was mailed to, and what
from tests.mailer.sending.conftest import _own_home, api  # noqa: F401 — the same stage
from tests.mailer.sending.outgoing import in_thread

pytestmark = pytest.mark.django_db


# ---------------------------------------------------------------- stored once


def test_an_event_that_comes_three_times_is_stored_and_counted_once(issue, ada):
    report = issue.about(ada, "delivered")
    assert [post(report), post(report, report), post(report | {"sg_event_id": "a new id for a repeat"})] == [1, 0, 0]
    assert counters(issue.send) == {"delivered": 1}
    assert Event.objects.filter(applied_at=None).count() == 0


def test_two_events_of_one_id_are_one(issue, ada):
    report = issue.about(ada, "delivered")
    assert post(report, report | {"event": "processed"}) == 1


def test_events_of_another_installation_are_dropped(issue, ada):
    report = issue.about(ada, "bounce", **HARD)
    assert post(report | {"mailer_installation": str(uuid4())}) == 0
    assert post({"event": "delivered", "timestamp": 1, "email": "x@elsewhere.example"}) == 0
    assert readers.suppression_of(ada) is None


def test_events_of_attempts_that_we_do_not_know_are_kept(issue, ada):
    assert post(issue.about(ada, "delivered") | {"mailer_attempt": str(uuid4())}) == 1
    assert post(issue.about(ada, "bounce", **HARD) | {"mailer_attempt": str(uuid4())}) == 1
    assert counters(issue.send) == {}
    assert readers.suppression_of(ada) is None
    assert Event.objects.filter(applied_at=None).count() == 0


def test_ten_thousand_events_in_one_body_are_taken(issue, ada):
    one = issue.about(ada, "deferred", attempt="1")
    many = [one | {"sg_event_id": str(n), "timestamp": one["timestamp"] - n} for n in range(10_000)]
    assert post(*many) == 10_000
    assert counters(issue.send) == {"deferred": 1}


def test_a_fact_of_a_delivery_of_another_send_is_none(issue, ada):
    other = mailed(slug="2026-11-21")
    post(issue.about(ada, "delivered") | {"mailer_attempt": str(other.attempt)})
    post(issue.about(ada, "bounce", **HARD) | {"mailer_attempt": str(other.attempt)})
    assert (counters(issue.send), counters(other.send)) == ({}, {})
    assert readers.suppression_of(ada) is None


# ---------------------------------------------------------------- evidence


def test_any_event_proves_the_whole_request(ada):
    lost = mailed(answer=OutcomeUnknown("no answer", None))
    assert Batch.objects.get(send=lost.send).state == "unknown"
    post(lost.about(ada, "processed"))
    assert Batch.objects.get(send=lost.send).state == "accepted"
    assert Attempt.objects.get(pk=lost.attempt).evidence_at


def test_an_event_of_a_refused_request_is_an_alarm_and_nothing_else(ada, caplog):
    refused = mailed(answer=Refused("forbidden", 403))
    post(refused.about(ada, "delivered"), refused.about(ada, "bounce", **HARD))
    assert Batch.objects.get(send=refused.send).state == "planned"
    assert facts(ada) == [Fact(0)]
    assert readers.suppression_of(ada) is None
    assert [record.levelno for record in caplog.records if "event" in record.message] == [logging.ERROR]
    assert Event.objects.filter(applied_at=None).count() == 0


# ---------------------------------------------------------------- any order, any repetition


def everything() -> dict[str, Any]:
    """Return everything that events change."""
    return {
        "facts": list(Delivery.objects.order_by("pk").values_list("pk", "facts")),
        "batches": list(Batch.objects.order_by("pk").values("pk", "state", *processing.facts.FIELDS)),
        "attempts": list(Attempt.objects.order_by("pk").values_list("pk", "state")),
        "suppressed": list(Suppression.objects.order_by("hash").values_list("hash", "reason", "note")),
        "hard": list(HardBounce.objects.order_by("pk").values()),
        "policies": list(PolicyBounce.objects.order_by("pk").values()),
        "wishes": list(Subscription.objects.order_by("pk").values_list("pk", "state")),
        "events": sorted(Event.objects.exclude(applied_at=None).values_list("fact_hash", "kind", "delivery"), key=str),
    }


def test_any_order_and_any_repetition_lead_to_the_same_end(api, monkeypatch):
    monkeypatch.setattr(processing, "LEFT_ALONE", timedelta(0))
    one, two, three, four = readers.crowd(4)
    past, lost, last = (
        mailed(slug="first", ago=timedelta(days=20)),
        mailed(slug="second", ago=timedelta(days=6), answer=OutcomeUnknown("no answer", None)),
        mailed(slug="third"),
    )
    reports = [
        *(issue.about(one, "bounce", **SOFT) for issue in (past, lost, last)),
        *(issue.about(two, "bounce", **SOFT) for issue in (past, lost, last)),
        last.about(two, "delivered"),
        lost.about(two, "bounce", **HARD),
        past.about(three, "delivered"),
        last.about(three, "spamreport"),
        last.about(three, "dropped", reason="Bounced Address"),
        nameless(four.email, timestamp=int(time.time()) - 2 * DAY),
        last.about(four, "unsubscribe"),
        last.about(one, "bounce", **POLICY),
    ]

    def end(*posts: list[dict[str, Any]]) -> dict[str, Any]:
        with transaction.atomic():
            for reports in posts:
                post(*reports)
            processing.apply_leftovers()
            found = everything()
            transaction.set_rollback(True)
        return found

    expected = end(reports)
    assert len(expected["suppressed"]) == 4

    examples = int(os.environ.get("MAILER_TEST_EXAMPLES", "10"))

    @hypothesis_settings(max_examples=examples)
    @given(st.randoms(use_true_random=False), st.integers(1, 5))
    def play(chance: random.Random, size: int) -> None:
        some = [*reports, *chance.choices(reports, k=5)]
        chance.shuffle(some)
        assert end(*(some[start : start + size] for start in range(0, len(some), size))) == expected

    play()


@pytest.mark.django_db(transaction=True)
def test_two_posts_of_the_same_events_at_once_disturb_each_other_nowhere(api):
    """PostgreSQL locks rows one by one; in two orders that would be a deadlock."""
    everybody = readers.crowd(40)
    issue = mailed()
    reports = [issue.about(reader, kind) for reader in everybody for kind in ("delivered", "deferred")]
    failed: list[DatabaseError] = []

    def work(seed: int) -> None:
        mine = list(reports)
        random.Random(seed).shuffle(mine)
        try:
            for start in range(0, len(mine), 10):
                post(*mine[start : start + 10])
        except DatabaseError as error:
            failed.append(error)

    threads = [in_thread(lambda seed=seed: work(seed)) for seed in range(3)]
    for thread in threads:
        thread.join()
    assert failed == []
    assert counters(issue.send) == {"delivered": 40, "deferred": 40}


# ---------------------------------------------------------------- the sweep's part


@pytest.fixture
def stored(issue, ada, monkeypatch):
    """Store events as a crash leaves them: not applied."""
    monkeypatch.setattr(processing, "LEFT_ALONE", timedelta(0))
    reports = [issue.about(ada, "delivered"), issue.about(ada, "bounce", **HARD)]
    with monkeypatch.context() as patched:
        patched.setattr(storing, "_only_adds_a_fact", lambda event, known: False)
        return storing.store(parse(json.dumps(reports).encode())).left


def test_what_a_crash_left_is_applied_by_the_sweep(issue, ada, stored):
    assert processing.apply_leftovers() == 2
    assert counters(issue.send) == {"delivered": 1, "bounced": 1, "bounced_hard": 1}
    assert readers.suppression_of(ada) == "bounce"
    assert processing.apply_leftovers() == 0


def test_events_that_just_came_are_left_to_their_own_post(issue, stored, monkeypatch):
    monkeypatch.setattr(processing, "LEFT_ALONE", timedelta(seconds=10))
    assert processing.apply_leftovers() == 0


def test_a_crash_before_readers_were_touched_is_made_up_for(issue, ada, stored, monkeypatch):
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(suppressing, "react", crash)
        with pytest.raises(KeyboardInterrupt):
            processing.apply(stored)
    assert counters(issue.send) == {"delivered": 1, "bounced": 1, "bounced_hard": 1}
    assert readers.suppression_of(ada) is None
    processing.apply_leftovers()
    assert counters(issue.send) == {"delivered": 1, "bounced": 1, "bounced_hard": 1}
    assert readers.suppression_of(ada) == "bounce"


def test_an_event_that_cannot_be_applied_holds_up_no_other(issue, ada, stored, monkeypatch, caplog):
    events = configured_provider().events
    understood = events.read

    def stumble(kind, details):
        if kind == "bounced":
            raise RecursionError
        return understood(kind, details)

    monkeypatch.setattr(events, "read", stumble)
    processing.apply_leftovers()
    assert counters(issue.send) == {"delivered": 1}
    assert "event not applied, will retry" in caplog.text
    Event.objects.update(received_at=timezone.now() - timedelta(days=2))
    processing.apply_leftovers()
    assert "event given up" in caplog.text
    assert not Event.objects.filter(applied_at=None).exists()


def test_old_events_are_deleted_and_what_they_said_stays(issue, ada, stored, settings, monkeypatch):
    monkeypatch.setattr(processing, "CHUNK", 1)
    processing.apply_leftovers()
    now = timezone.now()
    assert processing.prune(now + timedelta(days=settings.MAILER_EVENTS_DAYS - 1)) == 0
    assert processing.prune(now + timedelta(days=settings.MAILER_EVENTS_DAYS + 1)) == 2
    assert facts(ada) == [Fact.DELIVERED | Fact.HARD]
