import threading
import time

import pytest

from mailer.models import Send
from mailer.providers.answers import Accepted, OutcomeUnknown, RateLimited, Refused
from mailer.sending.accounting import count, receipt
from mailer.sending.lifecycle import WrongState
from mailer.sending.reconciling import assume_sent
from mailer.sending.settling import settle
from mailer.sending.steering import cancel, pause, resume
from subscribers import optin
from tests import readers
from tests.mailer.sending.outgoing import (
    attempts,
    balanced,
    batch_of,
    batches,
    claim,
    claimed,
    close_breaker,
    deliver_all,
    deliver_batch,
    everybody,
    in_thread,
    resend_all,
    states,
)

pytestmark = pytest.mark.django_db

UNKNOWN = OutcomeUnknown("timed out", None)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("end", [pause, cancel])
def test_no_request_runs_or_starts_after_pause_or_cancel_returned(two_batches, api, end):
    waited, held = [], threading.Event()
    # Never met: the request is answered once somebody was told that it is waited for.
    api.fail("forbidden", when=lambda payload: held.wait(60) and False)
    worker = in_thread(lambda: [deliver_batch(batch.pk) for batch in batches(two_batches)])
    while not states(two_batches).count("posting"):
        assert worker.is_alive()
        time.sleep(0.01)
    end(two_batches.pk, waiting=lambda in_flight: waited.append(in_flight) or held.set())
    assert api.requests[0]["status"] == 202
    assert set(waited) == {1}
    assert "posting" not in states(two_batches)
    worker.join(60)
    assert len(api.requests) == 1
    balanced(two_batches)
    assert states(two_batches) == ["accepted", "planned" if end is pause else "cancelled"]


def test_a_paused_send_goes_on_where_it_stopped(two_batches, api, hinted):
    deliver_batch(batch_of(two_batches, 0).pk)
    pause(two_batches.pk)
    balanced(two_batches)
    assert (two_batches.state, two_batches.reason) == (Send.State.PAUSED, "")
    deliver_batch(batch_of(two_batches, 1).pk)
    assert len(api.requests) == 1
    resume(two_batches.pk)
    deliver_all(two_batches)
    balanced(two_batches)
    assert two_batches.state == Send.State.FINISHED
    assert set(api.times_mailed.values()) == {1}


@pytest.mark.django_db(transaction=True)
def test_resuming_wakes_slots(two_batches, hinted):
    settle(claimed(two_batches, 0), Accepted("1"))
    pause(two_batches.pk)
    resume(two_batches.pk)
    assert set(hinted) == {two_batches.pk}


def test_a_send_with_nothing_left_is_finished_when_it_is_resumed(four):
    taken = claimed(four)
    Send.objects.update(state=Send.State.PAUSED)
    settle(taken, Accepted("1"))
    four.refresh_from_db()
    assert four.state == Send.State.PAUSED
    resume(four.pk)
    four.refresh_from_db()
    assert four.state == Send.State.FINISHED


def test_pausing_keeps_the_reason_of_a_pause_before(four):
    settle(claimed(four), Refused("401 Unauthorized: key", 401))
    pause(four.pk)
    four.refresh_from_db()
    assert four.reason == "401 Unauthorized: key"
    resume(four.pk)
    four.refresh_from_db()
    assert (four.state, four.reason) == (Send.State.SENDING, "")


def test_a_request_that_is_refused_while_the_send_is_paused_leaves_it_paused_by_the_editor(four):
    taken = claimed(four)
    Send.objects.update(state=Send.State.PAUSED)
    settle(taken, Refused("401 Unauthorized: key", 401))
    four.refresh_from_db()
    assert (four.state, states(four)) == (Send.State.PAUSED, ["planned"])


def test_cancelling_ends_the_send_for_those_who_wait_and_only_for_them(two_batches, api):
    deliver_batch(batch_of(two_batches, 0).pk)
    cancel(two_batches.pk)
    balanced(two_batches)
    assert (two_batches.state, states(two_batches)) == (Send.State.CANCELLED, ["accepted", "cancelled"])
    assert (count(two_batches).accepted, count(two_batches).cancelled) == (2, 2)
    assert two_batches.finished_at
    assert claim(batch_of(two_batches, 1).pk) is None


@pytest.mark.django_db(transaction=True)
def test_a_request_in_flight_that_is_refused_after_cancel_is_cancelled_too(four):
    taken = claimed(four)
    returned = threading.Event()

    def give_up():
        cancel(four.pk)
        returned.set()

    thread = in_thread(give_up)
    assert not returned.wait(0.4)
    settle(taken, RateLimited("429", 1))
    thread.join(60)
    balanced(four)
    assert (four.state, states(four)) == (Send.State.CANCELLED, ["cancelled"])


@pytest.mark.parametrize(
    ("act", "state"),
    [
        (pause, "finished"),
        (pause, "cancelled"),
        (resume, "sending"),
        (resume, "finished"),
        (resume, "cancelled"),
        (cancel, "finished"),
        (cancel, "cancelled"),
    ],
)
def test_what_cannot_be_done_in_a_state_says_so_and_changes_nothing(four, act, state):
    Send.objects.update(state=state)
    with pytest.raises(WrongState, match=state):
        act(four.pk)
    four.refresh_from_db()
    assert (four.state, states(four)) == (state, ["planned"])


# -------------------------------------------------------------- unknown


def test_resending_takes_a_send_out_of_finished_and_sends_only_what_was_unknown(two_batches, api, hinted):
    deliver_batch(batch_of(two_batches, 0).pk)
    settle(claimed(two_batches, 1), UNKNOWN)
    two_batches.refresh_from_db()
    assert two_batches.state == Send.State.FINISHED
    assert resend_all(two_batches) == 1
    balanced(two_batches)
    assert (two_batches.state, two_batches.finished_at) == (Send.State.SENDING, None)
    assert hinted == [two_batches.pk]
    deliver_all(two_batches)
    balanced(two_batches)
    assert (two_batches.state, count(two_batches).accepted, count(two_batches).unknown) == (Send.State.FINISHED, 4, 0)
    assert set(api.times_mailed.values()) == {1}
    assert receipt(two_batches)["possibly_twice"] == 2
    assert attempts(two_batches) == ["accepted", "unknown", "accepted"]


def test_resending_within_a_cancelled_send_leaves_the_cancelled_cancelled(two_batches, api):
    settle(claimed(two_batches, 0), UNKNOWN)
    cancel(two_batches.pk)
    resend_all(two_batches)
    deliver_all(two_batches)
    balanced(two_batches)
    assert (two_batches.state, states(two_batches)) == (Send.State.FINISHED, ["accepted", "cancelled"])
    assert len(api.accepted) == 1


def test_resending_in_a_paused_send_sends_nothing_yet(two_batches, api):
    settle(claimed(two_batches, 0), UNKNOWN)
    pause(two_batches.pk)
    resend_all(two_batches)
    deliver_all(two_batches)
    balanced(two_batches)
    assert (two_batches.state, states(two_batches), api.requests) == (Send.State.PAUSED, ["planned", "planned"], [])


def test_nobody_who_left_after_the_unknown_request_is_mailed_by_a_resend(four, api):
    settle(claimed(four), UNKNOWN)
    optin.unsubscribe(everybody()[0].public_id, "weekly", readers.LINK)
    resend_all(four)
    deliver_all(four)
    balanced(four)
    assert (count(four).accepted, count(four).skipped) == (3, 1)
    assert len(api.times_mailed) == 3


def test_what_the_editor_assumes_is_counted_apart(two_batches, api):
    deliver_batch(batch_of(two_batches, 0).pk)
    settle(claimed(two_batches, 1), UNKNOWN)
    assert assume_sent(two_batches.pk) == 1
    balanced(two_batches)
    sums = count(two_batches)
    assert (sums.accepted, sums.assumed, sums.unknown) == (4, 2, 0)
    assert (two_batches.state, batch_of(two_batches, 1).settled_by) == (Send.State.FINISHED, "editor")
    assert attempts(two_batches) == ["accepted", "unknown"]
    close_breaker()
    assert assume_sent(two_batches.pk) == 0
