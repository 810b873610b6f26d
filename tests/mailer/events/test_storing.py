# ruff: noqa: F811 — the fixtures are those of tests/mailer/sending
import json
import os
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mailer.events import facts, processing, storing
from mailer.models import Attempt, Event, Fact
from mailer.providers.answers import OutcomeUnknown, Refused
from mailer.providers.sendgrid.webhook import parse
from tests import readers
from tests.mailer.events.test_processing import everything
from tests.mailer.reports import DAY, HARD, POLICY, SOFT, ada, counters, issue, mailed, post  # noqa: F401 — whom it was mailed to, and what
from tests.mailer.reports import facts as facts_of
from tests.mailer.sending.conftest import _own_home, api  # noqa: F401 — the same stage

pytestmark = pytest.mark.django_db


@pytest.fixture
def known(issue, ada):
    """Make a send whose request is known to be accepted by an earlier event."""
    post(issue.about(ada, "processed"))
    return issue


def test_an_event_that_only_adds_a_fact_is_stored_and_applied_in_one_transaction(known, ada):
    with CaptureQueriesContext(connection) as asked:
        post(known.about(ada, "delivered"))
    assert counters(known.send) == {"delivered": 1}
    assert facts_of(ada) == [Fact.DELIVERED]
    assert Event.objects.get(kind="delivered").applied_at
    assert not any("UPDATE mailer_event" in one["sql"] for one in asked)


def test_the_first_event_of_a_request_is_evidence_in_the_same_transaction(issue, ada, monkeypatch):
    monkeypatch.setattr(processing, "apply", lambda ids: None)
    with monkeypatch.context() as crashed:
        crashed.setattr(facts, "add", _raise(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            post(issue.about(ada, "delivered"))
    assert not Event.objects.exists()
    assert Attempt.objects.get().evidence_at is None
    post(issue.about(ada, "delivered"))
    assert Event.objects.get().applied_at
    assert Attempt.objects.get().evidence_at


@pytest.mark.parametrize("answer", [OutcomeUnknown("no answer", None), Refused("forbidden", 403)])
def test_an_event_of_a_request_that_is_not_known_to_be_accepted_is_applied_later(ada, answer, monkeypatch):
    doubtful = mailed(answer=answer)
    monkeypatch.setattr(processing, "apply", lambda ids: None)
    post(doubtful.about(ada, "delivered"))
    assert Event.objects.get().applied_at is None
    assert counters(doubtful.send) == {}


def test_a_delivery_after_a_soft_bounce_is_left_until_the_subscriber_was_looked_at(known, ada, monkeypatch):
    post(known.about(ada, "bounce", **SOFT))
    with monkeypatch.context() as crashed:
        crashed.setattr(processing, "apply", lambda ids: None)
        post(known.about(ada, "delivered"))
    assert counters(known.send) == {"delivered": 1, "bounced": 1}
    assert Event.objects.get(kind="delivered").applied_at is None
    monkeypatch.setattr(processing, "LEFT_ALONE", timedelta(0))
    assert processing.apply_leftovers() == 1
    assert counters(known.send) == {"delivered": 1, "bounced": 1}
    assert Event.objects.filter(applied_at=None).count() == 0


def test_events_are_stored_even_if_their_facts_cannot_be_added(known, ada, monkeypatch, caplog):
    with monkeypatch.context() as broken:
        broken.setattr(facts, "add", _raise(ValueError("a defect")))
        stored = storing.store(_events(known.about(ada, "delivered")))
    assert (stored.new, len(stored.left)) == (1, 1)
    assert counters(known.send) == {}
    assert "events not applied at once" in caplog.text
    processing.apply(stored.left)
    assert counters(known.send) == {"delivered": 1}


def test_nothing_is_stored_while_the_database_is_away(known, ada, monkeypatch):
    monkeypatch.setattr(facts, "add", _raise(OperationalError("away")))
    with pytest.raises(DatabaseError):
        storing.store(_events(known.about(ada, "delivered")))
    assert not Event.objects.filter(kind="delivered").exists()


def _raise(error: BaseException) -> Any:
    def fail(*_: object) -> None:
        raise error

    return fail


def _events(*reports: dict[str, Any]) -> Any:
    return parse(json.dumps(reports).encode())


# ---------------------------------------------------------------- the same as one by one

KINDS = [
    *(("processed", {}), ("delivered", {}), ("deferred", {"response": "451 later"}), ("open", {})),
    *(("bounce", HARD), ("bounce", SOFT), ("bounce", POLICY), ("spamreport", {}), ("unsubscribe", {})),
    *(("dropped", {"reason": "Bounced Address"}), ("a word of its own", {}), ("group_resubscribe", {})),
]
EXAMPLES = int(os.environ.get("MAILER_TEST_EXAMPLES", "25"))
# Reader, send, kind, seconds before now, the send whose request the event names instead, and how often it comes.
REPORTS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 3),
        st.sampled_from(KINDS),
        st.integers(0, 3),
        st.sampled_from([None, None, None, None, None, 0, 1, 2, 3]),
        st.sampled_from([1, 1, 1, 2]),
    ),
    max_size=30,
)


def test_what_is_applied_at_once_ends_as_if_applied_one_by_one(api, monkeypatch):
    people = readers.crowd(4)
    sends = [
        mailed(slug="first", ago=timedelta(days=20)),
        mailed(slug="second", ago=timedelta(days=6), answer=OutcomeUnknown("no answer", None)),
        mailed(slug="third", answer=Refused("forbidden", 403)),
        mailed(slug="last"),
    ]
    now = int(sends[0].send.created_at.timestamp())

    def end(*posts: list[dict[str, Any]]) -> dict[str, Any]:
        with transaction.atomic():
            for reports in posts:
                post(*reports)
            found = everything()
            transaction.set_rollback(True)
        return found

    seen: Counter[str] = Counter()

    @hypothesis_settings(max_examples=EXAMPLES)
    @given(REPORTS, st.integers(2, 12))
    def play(drawn: list[Any], size: int) -> None:
        reports = []
        for number, (person, send, (kind, more), ago, other, times) in enumerate(drawn):
            report = sends[send].about(people[person], kind, timestamp=now - ago, sg_event_id=f"id {number}", **more)
            if other is not None:
                report["mailer_attempt"] = str(sends[other].attempt)
            reports.extend([report] * times)
        at_once = end(*(reports[start : start + size] for start in range(0, len(reports), size)))
        with monkeypatch.context() as patched:
            patched.setattr(storing, "_only_adds_a_fact", lambda event, known: False)
            one_by_one = end(*([report] for report in reports))
        assert at_once == one_by_one
        seen.update(kind for _, kind, _ in at_once["events"])

    play()
    assert seen["delivered"]
