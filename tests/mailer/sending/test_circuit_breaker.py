from datetime import timedelta

import pytest
from django.utils import timezone

from mailer.models import Batch, CircuitBreaker, ProviderAccount
from mailer.providers.answers import OutcomeUnknown
from mailer.sending import circuit_breaker
from mailer.sending.settling import settle
from tests import readers
from tests.clocks import StandingClock
from tests.mailer.sending import outgoing
from tests.mailer.sending.outgoing import claim

pytestmark = pytest.mark.django_db

SENDGRID, OTHER = 1, 2  # accounts


@pytest.fixture(autouse=True)
def _accounts(db):
    for number in (SENDGRID, OTHER):
        ProviderAccount.objects.create(pk=number, name=f"account-{number}", host="api.sendgrid.com")


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def clock(monkeypatch):
    return StandingClock(monkeypatch)


def seconds_closed(now):
    until = circuit_breaker.open_until(SENDGRID, now)
    return (until - now).total_seconds() if until else 0.0


def after(now, seconds):
    return now + timedelta(seconds=seconds)


def test_without_a_failure_the_breaker_is_closed(now):
    assert circuit_breaker.open_until(SENDGRID, now) is None
    assert [circuit_breaker.enter(SENDGRID, now) for _ in range(3)] == [True] * 3


@pytest.mark.parametrize(("wait", "closed"), [(0, 1), (-5, 1), (1, 1), (30, 30), (599, 599), (86_400, 600)])
def test_429_closes_it_until_the_reset_between_a_second_and_ten_minutes(now, wait, closed):
    circuit_breaker.rate_limited(SENDGRID, now, wait, "too many requests")
    assert seconds_closed(now) == closed
    assert not circuit_breaker.enter(SENDGRID, now)
    assert circuit_breaker.enter(SENDGRID, after(now, closed))
    assert CircuitBreaker.objects.get().reason == "too many requests"


def test_each_failure_closes_it_for_longer_up_to_five_minutes(now):
    closed = []
    for _ in range(12):
        circuit_breaker.failed(SENDGRID, now, "no connection")
        closed.append(seconds_closed(now))
        CircuitBreaker.objects.update(open_until=None)
    for streak, seconds in enumerate(closed, start=1):
        assert min(300, 2**streak) * 0.75 <= seconds <= min(300, 2**streak)


def test_a_storm_of_ten_minutes_lets_at_most_twelve_through_after_those_in_flight(now):
    for _ in range(20):
        moment, entered = now, 0
        while moment < after(now, 600) and entered <= 12:
            if circuit_breaker.enter(SENDGRID, moment):
                entered += 1
                circuit_breaker.failed(SENDGRID, moment, "503")
            moment = circuit_breaker.open_until(SENDGRID, moment) or moment
        assert entered <= 12
        CircuitBreaker.objects.all().delete()


SLOTS = 4


@pytest.mark.parametrize("patience", [0.5, 20.0], ids=["answered 503 at once", "silent until the timeout"])
def test_ten_minutes_of_503_leave_at_most_the_slots_and_twelve_requests_unknown(api, settings, clock, patience):
    """Claims and settlements are real; the clock jumps to the next event."""
    settings.MAILER_BATCH_SIZE = 1
    readers.crowd(20)
    send = outgoing.planned()
    in_flight = []
    start = clock.now
    while clock.now < after(start, 600):
        for batch in outgoing.batches(send):
            if batch.state == Batch.State.PLANNED and len(in_flight) < SLOTS and (taken := claim(batch.pk)):
                in_flight.append((after(clock.now, patience), taken))
        if in_flight:
            clock.now, asked = in_flight.pop(0)
            settle(asked, OutcomeUnknown("503", 503))
        else:
            clock.now = circuit_breaker.open_until(send.account_id, clock.now)
    assert SLOTS + 4 < outgoing.states(send).count("unknown") <= SLOTS + 12


def test_a_failure_never_opens_it_earlier(now):
    circuit_breaker.rate_limited(SENDGRID, now, 500, "too many requests")
    circuit_breaker.failed(SENDGRID, now, "no connection")
    assert seconds_closed(now) == 500


def test_after_a_failure_one_claimant_at_a_time_has_the_way(now, settings):
    circuit_breaker.failed(SENDGRID, now, "503")
    later = after(now, 3)
    assert circuit_breaker.enter(SENDGRID, later)
    assert not circuit_breaker.enter(SENDGRID, later)
    assert circuit_breaker.open_until(SENDGRID, later) == after(later, settings.MAILER_LEASE)
    assert circuit_breaker.enter(SENDGRID, after(later, settings.MAILER_LEASE))  # the first one died


def test_a_refusal_ends_the_trial_and_admits_the_next_claimant(now):
    circuit_breaker.failed(SENDGRID, now, "503")
    later = after(now, 3)
    assert circuit_breaker.enter(SENDGRID, later)
    circuit_breaker.answered(SENDGRID)
    assert circuit_breaker.enter(SENDGRID, later)
    assert not circuit_breaker.enter(SENDGRID, later)


def test_a_202_lets_everybody_pass(now):
    circuit_breaker.failed(SENDGRID, now, "503")
    circuit_breaker.failed(SENDGRID, now, "503")
    later = after(now, 5)
    assert circuit_breaker.enter(SENDGRID, later)
    circuit_breaker.accepted(SENDGRID)
    assert [circuit_breaker.enter(SENDGRID, later) for _ in range(3)] == [True] * 3
    circuit_breaker.failed(SENDGRID, later, "503")
    assert 0 < seconds_closed(later) <= 2


def test_a_202_of_a_request_from_before_does_not_lift_a_429(now):
    circuit_breaker.failed(SENDGRID, now, "503")
    circuit_breaker.rate_limited(SENDGRID, now, 60, "too many requests")
    circuit_breaker.accepted(SENDGRID)
    assert seconds_closed(now) == 60


def test_accounts_of_one_provider_do_not_share_a_breaker(now):
    circuit_breaker.failed(SENDGRID, now, "503")
    assert circuit_breaker.open_until(OTHER, now) is None
    assert circuit_breaker.enter(OTHER, now)


def test_it_says_what_holds_up_requests_and_until_when(now):
    assert circuit_breaker.held_up(SENDGRID, now) is None
    circuit_breaker.failed(SENDGRID, now, "no connection: refused")
    until = circuit_breaker.open_until(SENDGRID, now)
    held_up = circuit_breaker.held_up(SENDGRID, now)
    assert held_up == circuit_breaker.HeldUp("no connection: refused", until)
    assert str(held_up) == f"no connection: refused; the next request is made after {until:%H:%M:%S} UTC"
    assert str(circuit_breaker.held_up(SENDGRID, after(now, 3))) == "no connection: refused; one request is tried"
    assert circuit_breaker.held_up(OTHER, now) is None
    circuit_breaker.accepted(SENDGRID)
    assert circuit_breaker.held_up(SENDGRID, after(now, 3)) is None
