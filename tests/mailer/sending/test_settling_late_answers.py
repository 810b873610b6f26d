"""A worker that was suspended past its lease, and what its answer can still change."""

import logging
import time

import pytest
from django.db import transaction
from django.utils import timezone

from mailer.models import Attempt, Batch, Send
from mailer.providers.answers import (
    Accepted,
    ConnectFailed,
    DeadlinePassed,
    OutcomeUnknown,
    RateLimited,
    RecipientsRejected,
    Refused,
    UnlocatedRefusal,
)
from mailer.sending import circuit_breaker
from mailer.sending.accounting import count, receipt
from mailer.sending.expiring import expire_attempts
from mailer.sending.lifecycle import finish_if_done
from mailer.sending.reconciling import assume_sent
from mailer.sending.settling import settle
from tests.mailer.sending.outgoing import (
    attempts,
    balanced,
    batch_of,
    claim,
    claimed,
    close_breaker,
    deliver_batch,
    in_thread,
    resend_all,
    states,
)

pytestmark = pytest.mark.django_db

ACCEPTED = Accepted("message-1")
REFUSED = Refused("401 Unauthorized: key", 401)
NOT_ACCEPTED = [
    (RateLimited("429", 1), "refused"),
    (ConnectFailed("no connection"), "unsent"),
    (DeadlinePassed(), "unsent"),
    (REFUSED, "refused"),
    (RecipientsRejected({0: "bad"}, 400), "refused"),
]


def lease_over(taken):
    """Let the sweep find the attempt after its lease."""
    Attempt.objects.filter(pk=taken.attempt).update(lease_until=timezone.now())
    assert expire_attempts() == 1


@pytest.fixture
def late(four):
    """Claim a batch and let the lease end while the worker is suspended; the batch is unknown, the send over."""
    taken = claimed(four)
    lease_over(taken)
    assert finish_if_done(four.pk)
    return taken


def test_a_202_after_the_lease_makes_the_unknown_batch_accepted(four, late):
    settle(late, ACCEPTED)
    balanced(four)
    assert (states(four), attempts(four), count(four).unknown) == (["accepted"], ["accepted"], 0)


@pytest.mark.parametrize(("answer", "attempt"), NOT_ACCEPTED)
def test_an_answer_after_the_lease_that_nobody_was_mailed_plans_the_batch_again(four, late, answer, attempt):
    settle(late, answer)
    balanced(four)
    assert (states(four), attempts(four)) == (["planned"], [attempt])
    assert batch_of(four).was_unknown


@pytest.mark.parametrize("answer", [answer for answer, _ in NOT_ACCEPTED])
def test_readers_who_wait_again_are_mailed_although_the_send_was_over(four, late, answer, api):
    settle(late, answer)
    close_breaker()
    four.refresh_from_db()
    assert four.state == (Send.State.PAUSED if answer is REFUSED else Send.State.SENDING)
    if four.state == Send.State.SENDING:
        deliver_batch(batch_of(four).pk)
        assert states(four) == ["accepted"]


def test_a_late_answer_that_is_none_changes_nothing(four, late):
    settle(late, OutcomeUnknown("timed out", None))
    assert (states(four), attempts(four)) == (["unknown"], ["unknown"])


def test_a_batch_that_was_ever_unknown_is_not_split(four, late):
    Send.objects.update(state=Send.State.SENDING)
    settle(late, UnlocatedRefusal("413 Too Large", 413))
    balanced(four)
    assert states(four) == ["planned"]
    assert (four.state, four.reason) == (Send.State.PAUSED, "413 Too Large")


def test_nor_is_it_split_after_many_refusals_of_single_readers(four, late, api):
    Send.objects.update(state=Send.State.SENDING)
    settle(late, DeadlinePassed())
    Batch.objects.update(rounds=9)
    settle(claimed(four), RecipientsRejected({0: "bad"}, 400))
    assert states(four) == ["planned"]
    balanced(four)


# -------------------------------------------------------------- after a resend


@pytest.fixture
def resent(four, late):
    assert resend_all(four) == 1
    assert states(four) == ["planned"]
    return late


def test_a_late_202_makes_the_resend_needless(four, resent, api):
    settle(resent, ACCEPTED)
    balanced(four)
    assert states(four) == ["accepted"]
    assert claim(batch_of(four).pk) is None
    assert (four.state, api.requests, receipt(four)["possibly_twice"]) == (Send.State.FINISHED, [], 0)


@pytest.mark.parametrize("answer", [answer for answer, _ in NOT_ACCEPTED])
def test_a_late_refusal_does_not_disturb_the_second_request(four, resent, answer):
    second = claimed(four)
    settle(resent, answer)
    balanced(four)
    assert (states(four), four.state) == (["posting"], Send.State.SENDING)
    settle(second, ACCEPTED)
    assert (states(four), receipt(four)["possibly_twice"]) == (["accepted"], 0)


def test_a_late_202_during_the_second_request_is_counted_as_possibly_twice(four, resent, caplog):
    second = claimed(four)
    with caplog.at_level(logging.ERROR):
        settle(resent, ACCEPTED)
    assert "twice" in caplog.text
    assert states(four) == ["posting"]
    settle(second, ACCEPTED)
    balanced(four)
    assert (states(four), receipt(four)["possibly_twice"]) == (["accepted"], 4)


@pytest.mark.parametrize("answer", [RateLimited("429", 1), ConnectFailed("no connection"), DeadlinePassed()])
def test_who_turned_out_to_have_it_is_not_mailed_again_when_the_second_request_fails(four, resent, answer):
    second = claimed(four)
    settle(resent, ACCEPTED)
    settle(second, answer)
    balanced(four)
    assert states(four) == ["accepted"]
    assert receipt(four)["possibly_twice"] == 0


def test_who_turned_out_to_have_it_is_not_unknown_when_the_second_request_gets_no_answer(four, resent):
    second = claimed(four)
    settle(resent, ACCEPTED)
    settle(second, OutcomeUnknown("timed out", None))
    balanced(four)
    assert states(four) == ["accepted"]
    assert receipt(four)["possibly_twice"] == 4


# -------------------------------------------------------------- after the editor's word


def test_a_late_202_confirms_what_the_editor_assumed(four, late, caplog):
    assert assume_sent(four.pk) == 1
    settle(late, ACCEPTED)
    balanced(four)
    assert (count(four).accepted, count(four).assumed) == (4, 0)
    assert "twice" not in caplog.text


def test_a_late_refusal_does_not_overrule_the_editor(four, late):
    assume_sent(four.pk)
    settle(late, REFUSED)
    balanced(four)
    assert (count(four).assumed, four.state) == (4, Send.State.FINISHED)


# -------------------------------------------------------------- the same answer twice, two workers at once


@pytest.mark.parametrize(
    "answer",
    [
        ACCEPTED,
        REFUSED,
        UnlocatedRefusal("400", 400),
        RecipientsRejected({1: "bad"}, 400),
        OutcomeUnknown("lost", None),
    ],
)
def test_an_answer_settled_twice_is_settled_once(four, answer):
    taken = claimed(four)
    settle(taken, answer)
    before = (states(four), attempts(four), str(count(four)))
    settle(taken, answer)
    balanced(four)
    assert (states(four), attempts(four), str(count(four))) == before


def test_a_refusal_settled_twice_does_not_pause_what_the_editor_resumed(four):
    taken = claimed(four)
    settle(taken, REFUSED)
    Send.objects.update(state=Send.State.SENDING)
    settle(taken, REFUSED)
    four.refresh_from_db()
    assert four.state == Send.State.SENDING


@pytest.mark.django_db(transaction=True)
def test_a_send_is_not_finished_while_a_resend_is_being_planned(four, late):
    """PostgreSQL reads the batches as they were when the waiting statement began."""
    Send.objects.update(state=Send.State.SENDING)
    with transaction.atomic():
        resend_all(four)
        thread = in_thread(lambda: finish_if_done(four.pk))
        time.sleep(0.3)
    thread.join(60)
    four.refresh_from_db()
    assert (four.state, states(four)) == (Send.State.SENDING, ["planned"])


@pytest.mark.django_db(transaction=True)
def test_workers_that_settle_the_last_batches_at_once_finish_the_send(two_batches):
    first, second = claimed(two_batches, 0), claimed(two_batches, 1)
    for thread in [in_thread(lambda taken=taken: settle(taken, ACCEPTED)) for taken in (first, second)]:
        thread.join(60)
    two_batches.refresh_from_db()
    assert two_batches.state == Send.State.FINISHED
    assert circuit_breaker.open_until(two_batches.account_id, timezone.now()) is None
