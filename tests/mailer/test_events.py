# ruff: noqa: F811 — the fixtures are those of tests/mailer/sending
import json
import logging
import os
import random
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mailer import events, suppressing
from mailer.installation import public_id
from mailer.models import Attempt, Batch, Delivery, Event, Fact, Send
from mailer.sendgrid.client import Accepted, OutcomeUnknown, Refused
from mailer.sendgrid.webhook import parse
from mailer.sending.settling import settle
from subscribers.models import Subscriber, Subscription, Suppression
from tests import readers
from tests.events import event
from tests.mailer.sending.conftest import _an_installation, _own_home, api, four  # noqa: F401 — the same stage
from tests.mailer.sending.outgoing import claimed, in_thread, open_gate, planned

pytestmark = pytest.mark.django_db

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
    open_gate()
    claim = claimed(send)
    settle(claim, answer or Accepted("id"))
    asked = timezone.now() - ago
    Send.objects.filter(pk=send.pk).update(first_request_at=asked)
    Attempt.objects.filter(pk=claim.attempt).update(started_at=asked)
    return Mailed(send, claim.attempt)


def post(*reports: dict[str, Any]) -> int:
    """How many of these events were new; they are applied."""
    ids = events.store(parse(json.dumps(reports).encode()))
    events.apply(ids)
    return len(ids)


def counters(send: Send) -> dict[str, int]:
    fields = ("delivered", "deferred", "dropped", "bounced", "bounced_hard", "complained")
    rows = Batch.objects.filter(send=send).values(*fields)
    sums = {field: sum(row[field] for row in rows) for field in fields}
    return {field: number for field, number in sums.items() if number}


def facts(reader: Subscriber) -> list[Fact]:
    return [
        Fact(one) for one in Delivery.objects.filter(subscriber=reader).order_by("pk").values_list("facts", flat=True)
    ]


@pytest.fixture
def ada(api) -> Subscriber:
    return readers.confirmed()


@pytest.fixture
def issue(ada) -> Mailed:
    return mailed()


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


# ---------------------------------------------------------------- what events say of readers


def test_a_hard_bounce_suppresses_the_address_at_once(issue, ada):
    post(issue.about(ada, "bounce", **HARD))
    assert readers.suppression_of(ada) == "bounce"
    assert counters(issue.send) == {"bounced": 1, "bounced_hard": 1}
    assert readers.history_of(ada)[-1] == ("changed", "event")


def test_a_complaint_suppresses_the_address_for_ever(issue, ada):
    post(issue.about(ada, "delivered"), issue.about(ada, "spamreport"))
    assert readers.suppression_of(ada) == "complaint"
    post(issue.about(ada, "bounce", **HARD))
    assert readers.suppression_of(ada) == "complaint"
    assert counters(issue.send) == {"delivered": 1, "complained": 1, "bounced": 1, "bounced_hard": 1}


@pytest.mark.parametrize(
    ("reason", "suppressed", "wish", "counted"),
    [
        ("Bounced Address", "bounce", "active", {"bounced": 1, "bounced_hard": 1}),
        ("Invalid", "bounce", "active", {"bounced": 1, "bounced_hard": 1}),
        ("Spam Reporting Address", "complaint", "active", {"complained": 1}),
        ("Unsubscribed Address", None, "unsubscribed", {}),
        ("Spam Content", None, "active", {}),
    ],
)
def test_what_was_dropped_is_counted_by_its_reason(issue, ada, reason, suppressed, wish, counted):
    post(issue.about(ada, "dropped", reason=reason))
    assert (readers.suppression_of(ada), readers.state_of(ada)) == (suppressed, wish)
    assert counters(issue.send) == {"dropped": 1} | counted


@pytest.mark.parametrize("kind", ["unsubscribe", "group_unsubscribe"])
def test_sendgrids_own_unsubscribe_is_one_of_this_newsletter(issue, ada, kind):
    readers.confirmed("jianbao", readers.ADA)
    post(issue.about(ada, kind))
    assert (readers.state_of(ada), readers.state_of(ada, "jianbao")) == ("unsubscribed", "active")


def test_a_bounce_because_of_us_never_counts_and_alerts_the_editor_once_a_post(api, caplog):
    everybody = readers.crowd(3)
    issue = mailed()
    post(*(issue.about(reader, "bounce", **POLICY) for reader in everybody))
    assert not Suppression.objects.exists()
    assert counters(issue.send) == {"bounced": 3}
    (alert,) = [record for record in caplog.records if "reputation" in record.message]
    assert (alert.bounces, alert.sends) == (3, [issue.send.pk])
    assert "reader0001" not in caplog.text


def test_a_reader_who_bounced_twice_counts_once(issue, ada):
    post(issue.about(ada, "bounce", **SOFT))
    post(issue.about(ada, "bounce", **SOFT | {"timestamp": int(time.time()) - 60}))
    post(issue.about(ada, "bounce", **HARD))
    assert counters(issue.send) == {"bounced": 1, "bounced_hard": 1}


def test_a_repeated_suppression_leaves_one_line_in_the_readers_history(issue, ada):
    post(issue.about(ada, "bounce", **HARD))
    before = readers.history_of(ada)
    post(issue.about(ada, "dropped", reason="Bounced Address"))
    assert readers.history_of(ada) == before


def test_a_bounce_of_an_erased_reader_is_a_fact_of_the_send_alone(issue, ada):
    report = issue.about(ada, "bounce", **HARD)
    ada.delete()
    post(report)
    assert counters(issue.send) == {"bounced": 1, "bounced_hard": 1}
    assert not Suppression.objects.exists()


# ---------------------------------------------------------------- soft bounces


def three_issues(*days_ago: int) -> list[Mailed]:
    return [mailed(slug=f"issue-{days}", ago=timedelta(days=days)) for days in days_ago]


def test_three_soft_bounces_over_two_weeks_suppress(ada):
    first, second, third = three_issues(14, 7, 0)
    post(first.about(ada, "bounce", **SOFT), third.about(ada, "bounce", **SOFT))
    assert readers.suppression_of(ada) is None
    post(second.about(ada, "bounce", **SOFT))
    assert readers.suppression_of(ada) == "bounce"


def test_three_soft_bounces_in_less_than_two_weeks_do_not(ada):
    for issue in three_issues(13, 7, 0):
        post(issue.about(ada, "bounce", **SOFT))
    assert readers.suppression_of(ada) is None


def test_soft_bounces_before_a_delivered_mail_do_not_count(ada):
    *bounced, last = three_issues(40, 30, 20, 0)
    post(*(issue.about(ada, "bounce", **SOFT) for issue in bounced), last.about(ada, "delivered"))
    assert readers.suppression_of(ada) is None


def test_delivered_after_all_takes_back_what_soft_bounces_did_and_nothing_else(ada):
    issues = three_issues(20, 10, 0)
    post(*(issue.about(ada, "bounce", **SOFT) for issue in issues))
    assert readers.suppression_of(ada) == "bounce"
    post(issues[2].about(ada, "delivered"))
    assert readers.suppression_of(ada) is None
    post(issues[1].about(ada, "bounce", **HARD))
    post(issues[0].about(ada, "delivered"))
    assert readers.suppression_of(ada) == "bounce"


# ---------------------------------------------------------------- a bounce that names only an address


def nameless(email: str, **more: Any) -> dict[str, Any]:
    return {"event": "bounce", "email": email, "timestamp": int(time.time()), "sg_event_id": uuid4().hex, **HARD} | more


@pytest.mark.parametrize(("days", "suppressed"), [(6, "bounce"), (8, None)])
def test_a_bounce_without_ids_counts_for_a_week(ada, days, suppressed):
    issue = mailed(ago=timedelta(days=days))
    assert post(nameless("ADA@readers.example")) == 1
    assert readers.suppression_of(ada) == suppressed
    assert counters(issue.send) == ({"bounced": 1, "bounced_hard": 1} if suppressed else {})
    kept = Event.objects.get()
    assert kept.applied_at
    assert "ada" not in json.dumps(kept.details).lower()


def test_a_bounce_without_ids_counts_after_a_request_that_was_refused_first(ada):
    """As one is when the provider names another reader of the batch."""
    issue = mailed()
    first = Attempt.objects.get(pk=issue.attempt)
    first.pk, first.state = uuid4(), Attempt.State.REFUSED
    first.save(force_insert=True)
    post(nameless(ada.email))
    assert readers.suppression_of(ada) == "bounce"


@pytest.mark.parametrize("email", ["ada@readers.example", "stranger@elsewhere.example", "no address", ""])
def test_a_bounce_without_ids_of_somebody_whom_we_did_not_mail_is_nothing(ada, email):
    post(nameless(email))
    assert not Suppression.objects.exists()
    assert not Event.objects.filter(details__isnull=False).exists()


def test_a_bounce_without_ids_waits_for_the_outcome_of_the_request(ada, monkeypatch):
    lost = mailed(answer=OutcomeUnknown("no answer", None))
    post(nameless(ada.email))
    assert readers.suppression_of(ada) is None
    post(lost.about(ada, "processed"))
    monkeypatch.setattr(events, "LEFT_ALONE", timedelta(0))
    events.apply_leftovers()
    assert readers.suppression_of(ada) == "bounce"


# ---------------------------------------------------------------- any order, any repetition


def everything() -> dict[str, Any]:
    """All that events change."""
    return {
        "facts": list(Delivery.objects.order_by("pk").values_list("pk", "facts")),
        "batches": list(Batch.objects.order_by("pk").values("pk", "state", *events.facts.FIELDS)),
        "attempts": list(Attempt.objects.order_by("pk").values_list("pk", "state")),
        "suppressed": list(Suppression.objects.order_by("hash").values_list("hash", "reason", "note")),
        "wishes": list(Subscription.objects.order_by("pk").values_list("pk", "state")),
        "events": sorted(Event.objects.exclude(applied_at=None).values_list("fact_hash", "kind", "delivery"), key=str),
    }


def test_any_order_and_any_repetition_lead_to_the_same_end(api, monkeypatch):
    monkeypatch.setattr(events, "LEFT_ALONE", timedelta(0))
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
            events.apply_leftovers()
            found = everything()
            transaction.set_rollback(True)
        return found

    expected = end(reports)
    assert len(expected["suppressed"]) == 4

    examples = int(os.environ.get("MAILER_TEST_EXAMPLES", "10"))

    @hypothesis_settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=False), st.integers(1, 5))
    def play(chance: random.Random, size: int) -> None:
        some = [*reports, *chance.choices(reports, k=5)]
        chance.shuffle(some)
        assert end(*(some[start : start + size] for start in range(0, len(some), size))) == expected

    play()


@pytest.mark.django_db(transaction=True)
def test_two_posts_of_the_same_events_at_once_disturb_each_other_nowhere(api):
    """On PostgreSQL they lock rows one by one; in two orders that would be a deadlock."""
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
    """Events that a crash left stored and not applied."""
    monkeypatch.setattr(events, "LEFT_ALONE", timedelta(0))
    return events.store(parse(json.dumps([issue.about(ada, "delivered"), issue.about(ada, "bounce", **HARD)]).encode()))


def test_what_a_crash_left_is_applied_by_the_sweep(issue, ada, stored):
    assert events.apply_leftovers() == 2
    assert counters(issue.send) == {"delivered": 1, "bounced": 1, "bounced_hard": 1}
    assert readers.suppression_of(ada) == "bounce"
    assert events.apply_leftovers() == 0


def test_events_that_just_came_are_left_to_their_own_post(issue, stored, monkeypatch):
    monkeypatch.setattr(events, "LEFT_ALONE", timedelta(seconds=10))
    assert events.apply_leftovers() == 0


def test_a_crash_before_readers_were_touched_is_made_up_for(issue, ada, stored, monkeypatch):
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(suppressing, "react", crash)
        with pytest.raises(KeyboardInterrupt):
            events.apply(stored)
    assert counters(issue.send) == {"delivered": 1, "bounced": 1, "bounced_hard": 1}
    assert readers.suppression_of(ada) is None
    events.apply_leftovers()
    assert counters(issue.send) == {"delivered": 1, "bounced": 1, "bounced_hard": 1}
    assert readers.suppression_of(ada) == "bounce"


def test_an_event_that_cannot_be_applied_holds_up_no_other(issue, ada, stored, monkeypatch, caplog):
    understood = events.meaning

    def stumble(kind, details):
        if kind == "bounce":
            raise RecursionError
        return understood(kind, details)

    monkeypatch.setattr(events, "meaning", stumble)
    events.apply_leftovers()
    assert counters(issue.send) == {"delivered": 1}
    assert "event not applied, will try again" in caplog.text
    Event.objects.update(received_at=timezone.now() - timedelta(days=2))
    events.apply_leftovers()
    assert "event given up" in caplog.text
    assert not Event.objects.filter(applied_at=None).exists()


def test_old_events_are_deleted_and_what_they_said_stays(issue, ada, stored, settings, monkeypatch):
    monkeypatch.setattr(events, "CHUNK", 1)
    events.apply_leftovers()
    now = timezone.now()
    assert events.prune(now + timedelta(days=settings.MAILER_EVENTS_DAYS - 1)) == 0
    assert events.prune(now + timedelta(days=settings.MAILER_EVENTS_DAYS + 1)) == 2
    assert facts(ada) == [Fact.DELIVERED | Fact.HARD]
