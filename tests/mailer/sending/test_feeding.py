"""A slot takes its work from the database; a message only wakes it."""

import time
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from mailer import celery, concurrency
from mailer.models import REHEARSAL, Batch, Send
from mailer.sending import circuit_breaker, feeding
from mailer.sending.feeding import feed, feed_slots
from mailer.sending.steering import pause
from mailer.tasks import deliver_batch, deliver_send
from subscribers.models import Subscription
from tests import readers
from tests.mailer.sending.outgoing import balanced, batch_of, planned, states

pytestmark = pytest.mark.django_db


assert celery.app  # as in a worker: without it tasks belong to Celery's default app, which knows no slots


@pytest.fixture
def ten(settings, api):
    """Make a send to ten subscribers, one per batch."""
    settings.MAILER_BATCH_SIZE = 1
    readers.crowd(10)
    return planned()


@pytest.fixture(autouse=True)
def _slots_are_open():
    yield
    for kind in (concurrency.issues, concurrency.mails):
        kind.wait_until_idle(time.monotonic() + 60)
        kind.open()


def idle() -> bool:
    return concurrency.issues.wait_until_idle(time.monotonic() + 60) == 0


def test_one_message_delivers_one_batch_after_the_other(ten, api):
    deliver_send(ten.pk)
    balanced(ten)
    assert ten.state == Send.State.FINISHED
    assert len(api.accepted) == 10
    assert set(api.times_mailed.values()) == {1}


def test_a_message_of_an_older_version_names_a_batch(ten, api):
    deliver_batch(batch_of(ten, 3).pk)
    assert len(api.accepted) == 10


def test_messages_for_what_is_over_or_gone_do_nothing(ten, api):
    deliver_send(ten.pk)
    deliver_send(ten.pk)
    deliver_send(12345)
    deliver_batch(12345)
    assert len(api.requests) == 10


def test_a_slot_is_given_back_after_its_turn_and_another_is_woken(ten, api, hinted, monkeypatch):
    monkeypatch.setattr(feeding, "MOST_BATCHES", 4)
    hinted.clear()
    feed(ten.pk)
    assert (len(api.accepted), hinted) == (4, [ten.pk])
    monkeypatch.setattr(feeding, "LONGEST", -1.0)
    feed(ten.pk)
    assert (len(api.accepted), hinted) == (4, [ten.pk] * 2)


def test_a_batch_that_everybody_left_does_not_end_the_turn(ten, api):
    first = batch_of(ten, 0).deliveries.values("subscriber")
    Subscription.objects.filter(subscriber__in=first).update(state=Subscription.State.UNSUBSCRIBED)
    deliver_send(ten.pk)
    balanced(ten)
    assert states(ten) == ["empty"] + ["accepted"] * 9


def test_what_is_refused_without_a_place_is_halved_in_the_same_turn(four, api):
    api.unnamed_bad_addresses = {"reader0002@readers.example"}
    deliver_send(four.pk)
    balanced(four)
    assert (four.state, len(api.times_mailed)) == (Send.State.FINISHED, 3)


def test_a_paused_send_ends_the_turn(ten, api, monkeypatch):
    api.latency = 0.05
    monkeypatch.setattr(feeding, "deliver_next", lambda send, real=feeding.deliver_next: real(send) and not pause(send))
    feed(ten.pk)
    assert len(api.accepted) == 1


def test_a_stop_ends_the_turn_after_the_request_in_flight(ten, api, hinted, monkeypatch):
    real = feeding.deliver_next

    def stop_meanwhile(send):
        concurrency.issues.stop()
        return real(send)

    monkeypatch.setattr(feeding, "deliver_next", stop_meanwhile)
    hinted.clear()
    deliver_send(ten.pk)
    assert (len(api.accepted), hinted) == (1, [])


def test_a_task_that_was_handed_out_before_a_stop_and_starts_after_it_claims_nothing(ten, api):
    """Celery's pool holds tasks that have not started, which a stop that only checks active ones misses."""
    concurrency.issues.stop()
    assert idle()
    deliver_send(ten.pk)
    deliver_batch(batch_of(ten).pk)
    assert api.requests == []
    assert states(ten) == ["planned"] * 10


def test_no_more_slots_are_taken_than_there_are(ten, api, settings):
    settings.MAILER_LANES = 1
    with concurrency.issues.slot() as taken:
        assert taken
        deliver_send(ten.pk)
        feed_slots()
    assert api.requests == []


@pytest.mark.parametrize("error", [OperationalError("gone"), KeyError("ada@readers.example")])
def test_what_goes_wrong_ends_the_turn_in_one_line_without_addresses(ten, monkeypatch, caplog, error):
    def fail(send):
        raise error

    monkeypatch.setattr(feeding, "deliver_next", fail)
    feed(ten.pk)
    [said] = caplog.records
    assert "gone" in vars(said).get("because", "") or "KeyError" in vars(said).get("error", "")
    assert "ada@" not in caplog.text


# -------------------------------------------------------------- without a broker


@pytest.mark.django_db(transaction=True)
def test_free_slots_are_given_to_sends_that_wait_until_nothing_waits(settings, ten, api, monkeypatch):
    settings.MAILER_LANES = 3
    monkeypatch.setattr(feeding, "MOST_BATCHES", 2)
    settings.MAILER_HTTP_TIMEOUT = 20.0  # an answer that a busy machine gives late would open the circuit breaker
    second = planned(slug="2026-11-27")
    api.latency = 0.02
    feed_slots()
    assert idle()
    for send in (ten, second):
        balanced(send)
    # What a busy machine gave back unsent the next sweep feeds; each was taken up without one.
    assert {request["send"] for request in api.accepted} == {str(ten.pk), str(second.pk)}
    assert max(api.times_mailed.values()) == 2
    for _ in range(20):
        feed_slots()
        assert idle()
    assert set(api.times_mailed.values()) == {2}
    for send in (ten, second):
        balanced(send)
        assert send.state == Send.State.FINISHED


@pytest.mark.django_db(transaction=True)
def test_what_may_not_be_sent_now_takes_no_slot(four, api, settings):
    def nothing_happens() -> bool:
        feed_slots()
        return idle() and api.requests == []

    Batch.objects.update(not_before=timezone.now() + timedelta(minutes=1))
    assert nothing_happens()
    Batch.objects.update(not_before=timezone.now())
    circuit_breaker.rate_limited(four.account_id, timezone.now(), 30, "too many requests")
    assert nothing_happens()
    circuit_breaker.CircuitBreaker.objects.all().delete()
    settings.PROVIDER = REHEARSAL
    assert nothing_happens()
    settings.PROVIDER = four.provider
    pause(four.pk)
    assert nothing_happens()
