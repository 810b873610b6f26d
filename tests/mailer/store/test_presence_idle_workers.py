"""A worker that runs but may not send says why; doctor and metrics elsewhere repeat it."""

import time
from datetime import timedelta

import pytest

from mailer.cli.doctor.here import worker
from mailer.models import Process, Send
from mailer.publishing.reporting import in_words
from mailer.sending import clocks, restore_guard
from mailer.store import clock, presence
from mailer.web.metrics import exposition
from mailer.worker.embedded import EmbeddedWorker
from mailer.worker.sweeping import Sweeper, why_nothing_is_sent
from tests.mailer.published import published

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def wrong_clock(monkeypatch):
    monkeypatch.setattr(clocks, "ahead", lambda: timedelta(hours=-3))


def record(state) -> None:
    now = clock.now()
    Process.objects.create(kind="worker", host="mail1", pid=7, started_at=now, seen_at=now, state=state)


def test_doctor_elsewhere_says_why_the_workers_that_run_send_nothing(wrong_clock):
    running = EmbeddedWorker()
    running._sweeper.idle_because = why_nothing_is_sent()
    record(running.state())
    found = worker()
    assert found.state == "error"
    assert "mail1:7 is running but may not send: the clock of this machine is 3:00:00 behind" in found.detail
    assert b'mailer_worker_may_send{worker="mail1:7"} 0.0' in exposition()


def test_a_worker_that_may_send_has_nothing_to_say():
    record(EmbeddedWorker().state())
    assert presence.idle_workers(clock.now()) == ""
    assert b'mailer_worker_may_send{worker="mail1:7"} 1.0' in exposition()


def test_a_restored_database_is_told_too(monkeypatch):
    def restored():
        raise restore_guard.Restored("The database was restored from a backup.")

    monkeypatch.setattr(restore_guard, "check", restored)
    sweeper = Sweeper()
    sweeper.start()
    until = time.monotonic() + 60
    while not sweeper.idle_because and time.monotonic() < until:
        time.sleep(0.01)
    sweeper.stop()
    sweeper.join(60)
    assert sweeper.idle_because == "The database was restored from a backup."


def test_status_tells_it_where_a_send_is_not_over():
    record({"because": "its clock is 3:00:00 behind."})
    send = published()
    send.state = Send.State.SENDING
    assert "The worker mail1:7 is running but may not send: its clock is 3:00:00 behind." in list(in_words(send))
