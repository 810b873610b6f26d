import pytest
from django.db import connection

from mailer.models import Batch, Send
from mailer.sending import statements
from mailer.sending.lifecycle import cancel_leftovers, finish_if_done, pause_for, reopen
from tests.mailer.sending.outgoing import balanced, states

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("state", [state for state in Send.State if state != Send.State.SENDING])
def test_only_a_send_under_way_is_paused_for_a_reason(four, state):
    Send.objects.update(state=state, reason="as it was")
    pause_for(four.pk, "too many bounces")
    four.refresh_from_db()
    assert (four.state, four.reason) == (state, "as it was")


@pytest.mark.parametrize("state", [Batch.State.PLANNED, Batch.State.POSTING])
def test_a_send_with_an_open_batch_is_not_finished(two_batches, state):
    two_batches.batches.filter(number=0).update(state=Batch.State.ACCEPTED)
    two_batches.batches.filter(number=1).update(state=state)
    assert not finish_if_done(two_batches.pk)


@pytest.mark.parametrize("state", [Batch.State.ACCEPTED, Batch.State.UNKNOWN, Batch.State.REFUSED, Batch.State.EMPTY])
def test_a_send_whose_batches_all_ended_is_finished_once_and_goes_on_when_one_is_planned_again(four, state):
    four.batches.update(state=state)
    assert [finish_if_done(four.pk), finish_if_done(four.pk)] == [True, False]
    four.refresh_from_db()
    assert (four.state, four.finished_at is None) == (Send.State.FINISHED, False)
    reopen(four.pk)
    four.refresh_from_db()
    assert (four.state, four.finished_at) == (Send.State.SENDING, None)


def test_a_cancelled_send_goes_on_only_where_somebody_said_so(four):
    Send.objects.update(state=Send.State.CANCELLED)
    reopen(four.pk)
    assert Send.objects.get().state == Send.State.CANCELLED
    reopen(four.pk, (Send.State.FINISHED, Send.State.CANCELLED))
    assert Send.objects.get().state == Send.State.SENDING


def test_what_a_killed_cancel_left_planned_is_cancelled_by_the_sweep(four):
    Send.objects.update(state=Send.State.CANCELLED)
    cancel_leftovers()
    balanced(four)
    assert states(four) == ["cancelled"]


@pytest.mark.skipif("connection.vendor != 'sqlite'")
def test_that_a_send_is_over_is_found_without_reading_its_batches(four):
    """A version of a welcome has one for each few subscribers who confirmed, for years."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {statements._OPEN_BATCH}", [four.pk, four.pk])
        plan = " ".join(row[3] for row in cursor.fetchall())
    assert ("batch_next" in plan, "batch_open (state=?)" in plan, "autoindex" in plan) == (True, True, False)
