"""`send issue` for a slug that exists: the rules of sending, row by row."""

import pytest
from django.db import transaction

from mailer.models import REHEARSAL, Delivery, Send
from mailer.providers.answers import ConnectFailed, OutcomeUnknown, RateLimited, Refused
from mailer.sending.existing import Action, discard_unsent, existing_send, same_source_elsewhere, what_to_do
from mailer.sending.settling import settle
from mailer.sending.steering import cancel, pause, resume
from tests import readers
from tests.mailer.sending.outgoing import batch_of, claimed, deliver_all, deliver_batch, in_thread, planned, sha256

pytestmark = pytest.mark.django_db

SAME, CHANGED = sha256("first source"), sha256("second source")


def put(send, state, reason="", attempted=False):
    if attempted:
        settle(claimed(send), RateLimited("429", 1))
    Send.objects.filter(pk=send.pk).update(state=state, reason=reason)
    send.refresh_from_db()


@pytest.mark.parametrize(
    ("state", "reason", "attempted", "same", "changed"),
    [
        ("scheduled", "", False, Action.SHOW, Action.REPLACE),
        ("paused", "", False, Action.RESUME, Action.REPLACE),
        ("cancelled", "", False, Action.REPLACE, Action.REPLACE),
        ("sending", "", False, Action.ATTACH, Action.REFUSE),
        ("sending", "", True, Action.ATTACH, Action.REFUSE),
        ("paused", "", True, Action.RESUME, Action.REFUSE),
        ("paused", "401 Unauthorized", True, Action.HELD, Action.REFUSE),
        ("finished", "", True, Action.SHOW, Action.REFUSE),
        ("cancelled", "", True, Action.SHOW, Action.REFUSE),
    ],
)
def test_what_is_done_depends_on_the_state_and_on_whether_the_source_changed(
    four, state, reason, attempted, same, changed
):
    put(four, state, reason, attempted)
    assert what_to_do(four, SAME) is same
    assert what_to_do(four, CHANGED) is changed


def test_a_new_slug_is_planned(db):
    assert existing_send("weekly", "2026-11-20", "api.sendgrid.com") is None
    assert what_to_do(None, SAME) is Action.PLAN


def test_a_rehearsal_stands_in_nobodys_way(api):
    readers.confirmed()
    planned(provider=REHEARSAL)
    assert existing_send("weekly", "2026-11-20", "api.sendgrid.com") is None
    planned()
    assert existing_send("weekly", "2026-11-20", REHEARSAL) is None


def test_a_real_send_stands_whatever_the_provider(four):
    assert existing_send("weekly", "2026-11-20", "api.sendgrid.com") == four
    assert existing_send("jianbao", "2026-11-20", "api.sendgrid.com") is None
    assert existing_send("weekly", "2026-11-27", "api.sendgrid.com") is None


def test_a_finished_send_run_again_makes_no_request(four, api):
    deliver_all(four)
    requests = len(api.requests)
    four.refresh_from_db()
    assert what_to_do(four, SAME) is Action.SHOW
    deliver_batch(batch_of(four).pk)
    assert len(api.requests) == requests


@pytest.mark.parametrize("state", ["paused", "cancelled", "scheduled"])
def test_a_plan_of_which_nothing_was_sent_can_give_way(four, state):
    put(four, state)
    assert discard_unsent(four)
    assert not Send.objects.exists()
    assert not Delivery.objects.exists()


def test_a_request_that_never_left_counts_as_nothing_sent(four):
    settle(claimed(four), ConnectFailed("no connection"))
    pause(four.pk)
    four.refresh_from_db()
    assert what_to_do(four, CHANGED) is Action.REPLACE
    assert discard_unsent(four)


@pytest.mark.parametrize("answer", [RateLimited("429", 1), Refused("401", 401), OutcomeUnknown("lost", None)])
def test_a_plan_of_which_anything_may_have_been_sent_stays(four, answer):
    settle(claimed(four), answer)
    Send.objects.update(state=Send.State.PAUSED)
    assert not discard_unsent(four)
    assert Send.objects.exists()


@pytest.mark.parametrize("state", ["sending", "finished"])
def test_a_plan_that_runs_or_is_over_stays(four, state):
    put(four, state)
    assert not discard_unsent(four)
    assert Delivery.objects.count() == 4


def test_a_plan_that_somebody_resumed_in_the_meantime_stays(four):
    """The editor decided by what the screen showed, so the row is checked again."""
    pause(four.pk)
    seen = Send.objects.get(pk=four.pk)
    resume(four.pk)
    assert not discard_unsent(seen)
    assert Send.objects.get().state == Send.State.SENDING


@pytest.mark.django_db(transaction=True)
def test_a_plan_that_somebody_resumes_at_the_same_moment_stays_whole(four):
    pause(four.pk)
    with transaction.atomic():
        resume(four.pk)
        thread = in_thread(lambda: discard_unsent(four))
        thread.join(0.3)
    thread.join(60)
    assert Send.objects.get().state == Send.State.SENDING
    assert Delivery.objects.count() == 4


# -------------------------------------------------------------- a renamed file


def test_the_same_source_under_another_slug_is_found(four):
    assert same_source_elsewhere("weekly", "renamed", SAME) == four
    assert same_source_elsewhere("weekly", "renamed", CHANGED) is None
    assert same_source_elsewhere("jianbao", "renamed", SAME) is None
    assert same_source_elsewhere("weekly", four.slug, SAME) is None


def test_a_rehearsal_or_a_plan_cancelled_in_time_does_not_block_a_new_name(four, api):
    cancel(four.pk)
    planned(slug="rehearsed", provider=REHEARSAL)
    assert same_source_elsewhere("weekly", "renamed", SAME) is None


def test_a_send_cancelled_after_a_request_is_an_obstacle(two_batches):
    deliver_batch(batch_of(two_batches).pk)
    cancel(two_batches.pk)
    assert same_source_elsewhere("weekly", "renamed", SAME) == two_batches
