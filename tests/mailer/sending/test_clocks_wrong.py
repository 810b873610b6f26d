"""A machine whose clock is hours off plans, claims and sweeps like any other: the database's clock counts."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from mailer.events import storing
from mailer.models import Attempt, Batch, CircuitBreaker, Event, Send
from mailer.providers.answers import Accepted, OutcomeUnknown, RateLimited
from mailer.providers.events import ProviderEvent
from mailer.sending import circuit_breaker
from mailer.sending.expiring import expire_attempts
from mailer.sending.hints import spread
from mailer.sending.planning import schedule_send
from mailer.sending.scheduling import fire_due
from mailer.sending.settling import settle
from mailer.store import clock
from mailer.store.installation import public_id
from mailer.store.presence import worker_swept_lately
from mailer.worker.sweeping import sweep
from tests import readers
from tests.mailer.sending import outgoing
from tests.mailer.sending.outgoing import a_plan, claim

MOMENT = timedelta(seconds=30)  # far more than these tests need, far less than the clocks are off

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has the clock of its machine"),
]


def is_now(moment):
    return abs(moment - clock.now()) < MOMENT


def test_what_a_wrong_clock_plans_is_due_at_once(wrong, api):
    readers.crowd(4)
    wrong()
    send = outgoing.planned()
    assert is_now(send.created_at)
    assert is_now(outgoing.batches(send)[0].not_before)


def test_a_wrong_clock_spreads_a_send_over_the_hours_from_now_on(wrong, api):
    readers.crowd(4)
    send = outgoing.planned()
    Send.objects.filter(pk=send.pk).update(max_per_hour=60)
    wrong()
    spread(Send.objects.get(pk=send.pk))
    assert is_now(outgoing.batches(send)[0].not_before)


@pytest.mark.parametrize("seconds", [-50, 50])  # with a clock that is further off it claims nothing
def test_the_lease_of_a_worker_with_a_wrong_clock_ends_when_others_expect_it(seconds, four, settings, monkeypatch):
    right = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: right() + timedelta(seconds=seconds))
    taken = claim(outgoing.batches(four)[0].pk)
    assert is_now(taken.lease_until - timedelta(seconds=settings.MAILER_LEASE))
    assert is_now(Attempt.objects.get().started_at)
    settle(taken, Accepted("id"))
    assert is_now(Attempt.objects.get().ended_at)
    assert is_now(Send.objects.get().last_request_at)


def test_a_wrong_clock_declares_no_request_of_others_unknown(wrong, four):
    claim(outgoing.batches(four)[0].pk)
    Attempt.objects.update(worker="00000000-0000-0000-0000-000000000000")  # of another machine
    wrong()
    assert expire_attempts() == 0
    assert outgoing.states(four) == [Batch.State.POSTING]


def test_a_wrong_clock_opens_the_breaker_for_as_long_as_any_other(wrong, two_batches):
    first, second = outgoing.batches(two_batches)
    taken, also = claim(first.pk), claim(second.pk)
    wrong()
    settle(taken, OutcomeUnknown("503", 503))
    settle(also, RateLimited("too many requests", 30))
    assert timedelta(0) < CircuitBreaker.objects.get().open_until - clock.now() <= timedelta(seconds=30)
    assert circuit_breaker.open_until(two_batches.account_id, clock.now()) is not None
    assert claim(second.pk) is None


@pytest.mark.parametrize(("due_in", "state"), [(-10, Send.State.SENDING), (10, Send.State.SCHEDULED)])
def test_a_wrong_clock_fires_a_schedule_when_it_is_due(wrong, api, due_in, state):
    readers.crowd(4)
    send = schedule_send(a_plan(), clock.now() + timedelta(minutes=due_in))
    wrong()
    fire_due()
    send.refresh_from_db()
    assert (send.state, send.reason) == (state, "")


def test_a_command_with_a_wrong_clock_sees_that_a_worker_swept(wrong, db):
    sweep()
    wrong()
    assert worker_swept_lately()


def test_events_are_received_at_the_right_time(wrong, four):
    wrong()
    storing.store([ProviderEvent("processed", None, None, clock.now(), public_id(), None, 1, 2)])
    assert is_now(Event.objects.get().received_at)
