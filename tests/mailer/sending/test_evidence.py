"""What an event shows about its request."""

import logging
from datetime import timedelta

import pytest
from django.utils import timezone

from mailer.models import Attempt, Batch
from mailer.providers.answers import Accepted, OutcomeUnknown, RecipientsRejected, Refused
from mailer.sending.accounting import count, receipt
from mailer.sending.evidence import record
from mailer.sending.expiring import expire_attempts
from mailer.sending.reconciling import assume_sent
from mailer.sending.settling import settle
from mailer.sending.steering import resume
from tests.mailer.sending.outgoing import (
    attempts,
    balanced,
    batch_of,
    batches,
    claim,
    claimed,
    close_breaker,
    resend_all,
    states,
)

pytestmark = pytest.mark.django_db

LOST = OutcomeUnknown("no answer", None)


@pytest.fixture
def lost(four):
    """Make a request whose answer is lost; the send is over."""
    taken = claimed(four)
    settle(taken, LOST)
    return taken


def test_an_event_makes_an_unknown_batch_accepted(four, lost):
    record([lost.attempt])
    assert states(four) == ["accepted"]
    assert batch_of(four).settled_by == "event"
    assert receipt(four)["accepted"] == 4
    balanced(four)


def test_an_event_may_come_before_the_answer_which_then_changes_nothing(four):
    taken = claimed(four)
    record([taken.attempt])
    assert states(four) == ["accepted"]
    for answer in (LOST, Refused("401", 401), RecipientsRejected({0: "bad"}, 400), Accepted("id")):
        settle(taken, answer)
        assert states(four) == ["accepted"]
        assert attempts(four) == ["accepted"]
    four.refresh_from_db()
    assert four.state == "finished"
    balanced(four)


def test_an_event_ends_the_doubt_of_an_assumed_batch(four, lost):
    assume_sent(four.pk)
    record([lost.attempt])
    assert count(four).assumed == 0
    assert states(four) == ["accepted"]


def test_an_event_after_a_resend_makes_the_second_request_needless(four, lost):
    resend_all(four)
    record([lost.attempt])
    assert states(four) == ["accepted"]
    assert claim(batch_of(four).pk) is None
    assert receipt(four)["possibly_twice"] == 0
    four.refresh_from_db()
    assert four.state == "finished"


@pytest.mark.parametrize("then", [Accepted("id"), LOST, Refused("401", 401)])
def test_an_event_of_the_first_request_while_the_second_is_open(four, lost, then):
    resend_all(four)
    close_breaker()
    second = claimed(four)
    record([lost.attempt])
    assert states(four) == ["posting"]
    settle(second, then)
    assert states(four) == ["accepted"]
    assert receipt(four)["possibly_twice"] == (0 if isinstance(then, Refused) else 4)
    balanced(four)


def test_an_event_of_the_first_request_after_the_second_got_lost_too(four, lost):
    resend_all(four)
    close_breaker()
    settle(claimed(four), LOST)
    record([lost.attempt])
    assert states(four) == ["accepted"]
    assert receipt(four)["possibly_twice"] == 4


@pytest.mark.parametrize("answer", [Refused("401", 401), RecipientsRejected({0: "bad"}, 400)])
def test_an_event_of_a_refused_request_is_not_evidence_but_an_alarm(four, answer, caplog):
    taken = claimed(four)
    settle(taken, answer)
    before = states(four)
    with caplog.at_level(logging.ERROR):
        record([taken.attempt])
    assert states(four) == before
    assert "event for a request that was not accepted" in caplog.text


def test_events_of_requests_that_are_not_here_are_nobodys_proof(four):
    import uuid

    record([uuid.uuid4()])
    assert states(four) == ["planned"]


def test_a_lease_that_ends_after_the_event_makes_nothing_unknown(four):
    taken = claimed(four)
    record([taken.attempt])
    Attempt.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert expire_attempts() == 0
    assert states(four) == ["accepted"]


def test_a_paused_send_gets_its_evidence_too_and_stays_paused(two_batches):
    taken = claimed(two_batches)
    settle(claimed(two_batches, 1), Refused("401", 401))
    settle(taken, LOST)
    record([taken.attempt])
    two_batches.refresh_from_db()
    assert (two_batches.state, states(two_batches)) == ("paused", ["accepted", "planned"])
    resume(two_batches.pk)
    assert [batch.state for batch in batches(two_batches)] == ["accepted", "planned"]
    assert Batch.objects.count() == 2
