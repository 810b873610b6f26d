# ruff: noqa: F811 — the fixtures are those of tests/mailer/sending
import time
from datetime import timedelta

import pytest
from django.db import IntegrityError, OperationalError
from django.utils import timezone

from mailer import concurrency
from mailer.models import Attempt, IndexedIssue, Installation, Send
from mailer.worker import sweeping
from mailer.worker.sweeping import Sweeper, sweep
from subscribers.mail import confirmations
from subscribers.models import Subscription
from tests import readers
from tests.mailer.published import published
from tests.mailer.sending.conftest import _own_home, api, four  # noqa: F401 — the same stage
from tests.mailer.sending.outgoing import claimed, states

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
def test_a_batch_that_nobody_was_told_of_is_delivered(four, api):
    sweep()
    assert concurrency.issues.wait_until_idle(time.monotonic() + 60) == 0
    assert len(api.accepted) == 1
    assert states(four) == ["accepted"]


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


@pytest.mark.django_db(transaction=True)
def test_a_sweep_sends_confirmation_mails_that_are_due(monkeypatch):
    reader = readers.pending()
    sent = []
    monkeypatch.setattr(confirmations, "send", sent.append)
    sweep()
    assert concurrency.mails.wait_until_idle(time.monotonic() + 60) == 0
    assert sent == [Subscription.objects.get(subscriber=reader).pk]


def test_a_sweep_leaves_word_that_somebody_is_there():
    before = timezone.now()
    sweep()
    assert Installation.objects.get().swept_at >= before


def test_a_sweep_lets_issues_be_found_now_and_then(monkeypatch):
    monkeypatch.setattr(sweeping._Index, "looked_at", float("-inf"))
    published("2026-11-20")
    sweep()
    published("2026-11-27")
    sweep()
    assert list(IndexedIssue.objects.values_list("slug", flat=True)) == ["2026-11-20"]


def test_a_sweep_goes_on_with_an_index_that_took_too_long(monkeypatch):
    monkeypatch.setattr(sweeping._Index, "looked_at", float("-inf"))
    monkeypatch.setattr(sweeping, "INDEXING", -1)
    for day in ("13", "20", "27"):
        published(f"2026-11-{day}")
    sweep()
    assert IndexedIssue.objects.count() == 1
    monkeypatch.setattr(sweeping, "INDEXING", 60)
    sweep()
    assert IndexedIssue.objects.count() == 3


# -------------------------------------------------------------- the loop


@pytest.fixture
def sweeper():
    made = Sweeper()
    made._every = 0.02
    yield made
    made.stop()
    made.join(60)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OperationalError("database is locked"), "database unavailable, the worker keeps trying"),
        (PermissionError(13, "Permission denied", "run/x.owner"), "file cannot be used; the worker keeps trying"),
        (OSError(28, "No space left on device"), "disk full, free some space; the worker keeps trying"),
        (IntegrityError("UNIQUE constraint failed"), "sweep failed, will retry"),
        (KeyError("ada@readers.example"), "sweep failed"),  # a mistake of ours
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
    until = time.monotonic() + 60
    while len(swept) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    assert len(swept) >= 3
    assert [record.getMessage() for record in caplog.records] == [told]
    assert "ada@" not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_the_loop_ends_when_it_is_told_to(sweeper):
    sweeper.start()
    sweeper.stop()
    sweeper.join(60)
    assert not sweeper.is_alive()


def test_without_a_broker_it_looks_each_second(settings):
    settings.EMBEDDED = True
    assert Sweeper()._every == 1.0
    settings.EMBEDDED = False
    assert Sweeper()._every == 5.0
