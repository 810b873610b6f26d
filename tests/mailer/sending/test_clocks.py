"""A machine with a wrong clock says so once and claims nothing, and a clock that was ahead blocks nobody forever."""

import logging
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from mailer.models import Attempt, Batch, CircuitBreaker, Installation
from mailer.sending import circuit_breaker, clocks
from mailer.sending.expiring import expire_attempts
from mailer.store import clock
from mailer.store.presence import worker_swept_lately
from mailer.worker.sweeping import sweep
from subscribers.models import Subscription
from tests import readers
from tests.mailer.sending import outgoing
from tests.mailer.sending.outgoing import claim, deliver_batch

pytestmark = pytest.mark.django_db


@pytest.fixture
def postgresql(db):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has the clock of its machine")


@pytest.fixture
def sqlite(db):
    if connection.vendor == "postgresql":
        pytest.skip("PostgreSQL has a clock of its own")


@pytest.fixture
def off_by(monkeypatch):
    """Put this machine's clock ahead of what it was: `off_by(seconds=70)`."""
    right = timezone.now

    def move(**amount: float) -> None:
        monkeypatch.setattr(timezone, "now", lambda: right() + timedelta(**amount))

    return move


@pytest.fixture
def said(caplog):
    """Return what was logged since the last call: level and message."""

    def tell() -> list[tuple[str, str]]:
        found = [
            (record.levelname, f"{record.message} {getattr(record, 'because', '')}".strip())
            for record in caplog.records
            if record.name == clocks.__name__
        ]
        caplog.clear()
        return found

    caplog.set_level(logging.INFO, logger=clocks.__name__)
    return tell


@pytest.mark.parametrize("told", [0, 3, 10], ids="database after {} s".format)
def test_what_the_round_trip_explains_is_not_taken_for_a_wrong_clock(told):
    asked = timezone.now()
    heard = asked + timedelta(seconds=10)
    assert clock.ahead_by(asked, asked + timedelta(seconds=told), heard) == timedelta(0)


@pytest.mark.parametrize(("told", "ahead"), [(-70, 70), (80, -70)])
def test_what_it_does_not_explain_is(told, ahead):
    asked = timezone.now()
    heard = asked + timedelta(seconds=10)
    assert clock.ahead_by(asked, asked + timedelta(seconds=told), heard) == timedelta(seconds=ahead)


@pytest.mark.parametrize("hours", [-25, -3, 3, 25])
def test_a_worker_with_a_wrong_clock_leaves_batches_to_others(postgresql, hours, two_batches, off_by):
    batch = outgoing.batches(two_batches)[0].pk
    off_by(hours=hours)
    assert claim(batch) is None
    assert outgoing.states(two_batches) == [Batch.State.PLANNED] * 2
    off_by(seconds=0)
    assert claim(batch) is not None


@pytest.mark.parametrize("seconds", [-50, 50])
def test_less_than_a_minute_keeps_nobody_from_sending(postgresql, seconds, two_batches, off_by):
    off_by(seconds=seconds)
    assert claim(outgoing.batches(two_batches)[0].pk) is not None


def test_a_clock_that_is_off_is_said_once_and_again_when_it_changes(postgresql, off_by, said):
    watch = clocks.Watch()

    def look(seconds: float) -> list[str]:
        off_by(seconds=seconds)
        watch.look()
        watch.look()
        return [level for level, _ in said()]

    assert [look(seconds) for seconds in (0, 4, 20, 22, 40, 3600, 3601, -3600, 0)] == [
        [],
        [],
        ["WARNING"],
        [],
        ["WARNING"],
        ["ERROR"],
        [],
        ["ERROR"],
        ["INFO"],
    ]


@pytest.mark.parametrize(("hours", "words"), [(3, "3:00:00 ahead of the database's"), (-25, "1 day, 1:00:00 behind")])
def test_it_says_by_how_much_and_what_to_do(postgresql, hours, words, off_by, said):
    off_by(hours=hours)
    clocks.Watch().look()
    [(_, line)] = said()
    assert line.startswith("sending stopped, this machine's clock is wrong the clock of this machine is")
    assert words in line
    assert "timedatectl set-ntp true" in line


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_worker_that_may_not_send_is_not_taken_for_one_that_does(postgresql, hours, off_by):
    Installation.objects.update(swept_at=None)
    off_by(hours=hours)
    sweep()
    assert not worker_swept_lately()
    off_by(hours=0)
    sweep()
    assert worker_swept_lately()


# ---------------------------------------------------------------- SQLite, whose clock is the machine's


def test_a_worker_behind_the_last_sweep_does_not_claim_and_says_why(sqlite, four, off_by, said):
    sweep()
    off_by(minutes=-2)
    clocks.Watch().look()
    assert claim(outgoing.batches(four)[0].pk) is None
    [(level, line)] = said()
    assert level == "ERROR"
    assert "0:02:00 behind the last sweep" in line
    assert "mailer doctor --adopt" in line


def test_it_says_so_once_although_the_clock_comes_nearer_to_the_sweep(sqlite, off_by, said, monkeypatch):
    sweep()
    watch, began = clocks.Watch(), time.monotonic()
    for seconds in range(0, 100, 5):
        off_by(seconds=seconds - 180)
        monkeypatch.setattr(time, "monotonic", lambda seconds=seconds: began + seconds)
        watch.look()
    assert [level for level, _ in said()] == ["ERROR"]
    off_by(minutes=-30)
    watch.look()
    assert [level for level, _ in said()] == ["ERROR"]


def test_a_sweep_by_an_earlier_clock_takes_nothing_back(sqlite, off_by):
    sweep()
    before = Installation.objects.get().swept_at
    off_by(minutes=-2)
    sweep()
    assert Installation.objects.get().swept_at == before
    assert not worker_swept_lately()


@pytest.fixture
def once_ahead(sqlite, two_batches, off_by):
    """Plan, claim and sweep with a clock that is 25 h ahead, then correct it."""
    off_by(hours=25)
    Batch.objects.update(not_before=timezone.now())
    taken = claim(outgoing.batches(two_batches)[0].pk)
    circuit_breaker.rate_limited(two_batches.account_id, timezone.now(), 30, "too many requests")
    sweep()
    off_by(hours=0)
    return taken


def test_when_nobody_sweeps_by_the_later_clock_any_more_it_is_forgotten(
    once_ahead, monkeypatch, said, two_batches, off_by
):
    watch = clocks.Watch()
    watch.look()
    CircuitBreaker.objects.all().delete()
    began = time.monotonic()
    for waited, claims in ((clocks.ADOPTED_AFTER - 1, False), (clocks.ADOPTED_AFTER + 1, True)):
        monkeypatch.setattr(time, "monotonic", lambda waited=waited: began + waited)
        off_by(seconds=waited)
        watch.look()
        assert (claim(outgoing.batches(two_batches)[1].pk) is not None) == claims
    assert [level for level, _ in said()] == ["ERROR", "WARNING", "INFO"]


def test_as_long_as_somebody_sweeps_by_the_later_clock_it_counts(once_ahead, monkeypatch, two_batches):
    watch = clocks.Watch()
    began = time.monotonic()
    for minutes in range(0, 60, 5):
        monkeypatch.setattr(time, "monotonic", lambda minutes=minutes: began + 60 * minutes)
        Installation.objects.update(swept_at=timezone.now() + timedelta(hours=25, minutes=minutes))
        watch.look()
    assert clocks.ahead() < timedelta(hours=-25)


def test_what_waited_for_the_later_clock_goes_on_when_it_is_forgotten(once_ahead, two_batches, settings):
    assert clocks.adopt_if_behind() > timedelta(hours=24)
    in_flight, waiting = outgoing.batches(two_batches)
    now = timezone.now()
    assert waiting.not_before <= now
    assert circuit_breaker.open_until(two_batches.account_id, now) <= now + timedelta(
        seconds=circuit_breaker.LONGEST_WAIT
    )
    assert Attempt.objects.get().lease_until <= now + timedelta(seconds=settings.MAILER_LEASE)
    assert in_flight.state == Batch.State.POSTING
    assert worker_swept_lately()


def test_nobody_is_mailed_twice_when_a_later_clock_is_forgotten(once_ahead, two_batches, off_by, api):
    clocks.adopt_if_behind()
    CircuitBreaker.objects.all().delete()
    off_by(seconds=120)  # the lease of the request in flight is over
    Attempt.objects.update(worker="00000000-0000-0000-0000-000000000000")
    expire_attempts()
    for batch in outgoing.batches(two_batches):
        deliver_batch(batch.pk)
    assert sorted(outgoing.states(two_batches)) == [Batch.State.ACCEPTED, Batch.State.UNKNOWN]
    assert len(api.recipients) == len({reader["email"] for reader in api.recipients}) == 2


def test_confirmations_that_a_later_clock_put_off_are_due_again(sqlite, off_by):
    pia = readers.pending()
    late = timezone.now() + timedelta(hours=25)
    Subscription.objects.filter(subscriber=pia).update(
        confirmation_due=late, confirmation_tried_at=late, confirmation_tries=1
    )
    Installation.objects.update(swept_at=late)
    clocks.adopt_if_behind()
    waiting = Subscription.objects.get(subscriber=pia)
    assert waiting.confirmation_due <= timezone.now() + timedelta(minutes=10)
    assert waiting.confirmation_tried_at <= timezone.now()


def test_those_who_are_invited_so_many_an_hour_are_not_asked_all_at_once(sqlite):
    pia = readers.pending()
    in_their_turn = timezone.now() + timedelta(hours=40)
    Subscription.objects.filter(subscriber=pia).update(confirmation_due=in_their_turn)
    Installation.objects.update(swept_at=timezone.now() + timedelta(hours=25))
    clocks.adopt_if_behind()
    assert Subscription.objects.get(subscriber=pia).confirmation_due == in_their_turn


def test_a_clock_that_is_not_behind_has_nothing_to_adopt():
    sweep()
    before = Installation.objects.get().swept_at
    assert clocks.adopt_if_behind() == timedelta(0)
    assert Installation.objects.get().swept_at == before
