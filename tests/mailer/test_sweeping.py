# ruff: noqa: F811 — the fixtures are those of tests/mailer/sending
import time
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from mailer import sweeping
from mailer.models import REHEARSAL, Attempt, Batch, Installation, Send
from mailer.sending import gate
from mailer.sending.steering import pause
from mailer.sweeping import STALE, Sweeper, sweep
from subscribers.models import Subscription
from subscribers.tasks import send_confirmation
from tests import readers
from tests.mailer.sending.conftest import _own_home, api, four, told  # noqa: F401 — the same stage
from tests.mailer.sending.outgoing import batch_of, claimed, planned, states

pytestmark = pytest.mark.django_db


def test_a_batch_that_nobody_was_told_of_is_hinted(four, told):
    sweep()
    assert told == [batch_of(four).pk]
    assert batch_of(four).hinted_at
    sweep()
    assert len(told) == 1


def test_a_hint_that_led_to_nothing_is_repeated(four, told):
    Batch.objects.update(hinted_at=timezone.now() - STALE - timedelta(seconds=1))
    sweep()
    assert told == [batch_of(four).pk]


def test_hints_that_wait_in_a_long_queue_are_not_repeated_while_the_send_moves(settings, api, told):
    settings.MAILER_BATCH_SIZE = 1
    readers.crowd(2)
    send = planned()
    taken, waiting = send.batches.order_by("pk")
    now, long_ago = timezone.now(), timezone.now() - 3 * STALE
    Batch.objects.update(hinted_at=long_ago)
    Batch.objects.filter(pk=taken.pk).update(state=Batch.State.ACCEPTED)
    Send.objects.update(last_request_at=now)
    sweep()
    assert told == []
    Batch.objects.filter(pk=taken.pk).update(hinted_at=now)  # a later hint was heard, so this one was lost
    sweep()
    assert told == [waiting.pk]


def test_what_may_not_be_sent_now_is_not_hinted(four, told, settings):
    Batch.objects.update(not_before=timezone.now() + timedelta(minutes=1))
    sweep()
    Batch.objects.update(not_before=timezone.now())
    gate.too_many(four.provider, timezone.now(), 30, "too many requests")
    sweep()
    gate.Gate.objects.all().delete()
    settings.PROVIDER = REHEARSAL
    sweep()
    settings.PROVIDER = four.provider
    pause(four.pk)
    sweep()
    assert told == []


def test_a_sweep_hints_some_at_a_time(settings, api, told, monkeypatch):
    monkeypatch.setattr(sweeping, "AT_ONCE", 3)
    settings.MAILER_BATCH_SIZE = 1
    readers.crowd(5)
    planned()
    told.clear()
    Batch.objects.update(hinted_at=None)
    sweep()
    assert len(told) == 3
    sweep()
    assert len(set(told)) == 5


def test_a_sweep_settles_what_the_dead_left_and_ends_what_is_over(four):
    claimed(four)
    Attempt.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    sweep()
    four.refresh_from_db()
    assert (states(four), four.state) == (["unknown"], Send.State.FINISHED)


def test_a_sweep_ends_what_a_killed_cancel_began(four):
    Send.objects.update(state=Send.State.CANCELLED)
    sweep()
    assert states(four) == ["cancelled"]


def test_a_sweep_tells_of_confirmation_mails_that_are_due(monkeypatch):
    reader = readers.pending()
    due = []
    monkeypatch.setattr(type(send_confirmation._get_current_object()), "hint", lambda task, row: due.append(row))
    sweep()
    assert due == [Subscription.objects.get(subscriber=reader).pk]


def test_a_sweep_leaves_word_that_somebody_is_there():
    before = timezone.now()
    sweep()
    assert Installation.objects.get().swept_at >= before


# -------------------------------------------------------------- the loop


@pytest.fixture
def sweeper():
    made = Sweeper()
    made._every = 0.02
    yield made
    made.stop()
    made.join(5)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OperationalError("database is locked"), "OperationalError"),
        (PermissionError(13, "run/x.owner"), "PermissionError"),
        (OSError(28, "disk full"), "OSError"),
        (KeyError("ada@readers.example"), "KeyError"),  # a mistake of ours
    ],
)
def test_the_loop_outlives_whatever_a_sweep_may_meet(sweeper, monkeypatch, caplog, error, told):
    swept = []

    def fail_once():
        swept.append(1)
        if len(swept) == 1:
            raise error

    monkeypatch.setattr(sweeping, "sweep", fail_once)
    sweeper.start()
    until = time.monotonic() + 5
    while len(swept) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    assert len(swept) >= 3
    assert [record.error for record in caplog.records] == [told]
    assert "ada@" not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_the_loop_ends_when_it_is_told_to(sweeper):
    sweeper.start()
    sweeper.stop()
    sweeper.join(5)
    assert not sweeper.is_alive()


def test_without_a_broker_it_looks_each_second(settings):
    settings.EMBEDDED = True
    assert Sweeper()._every == 1.0
    settings.EMBEDDED = False
    assert Sweeper()._every == 5.0
