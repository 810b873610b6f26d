import os
import time
from datetime import timedelta

import pytest
from django.db import OperationalError

from mailer import clock, presence, sweeping
from mailer.models import Process
from mailer.presence import Presence

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _often(monkeypatch):
    monkeypatch.setattr(presence, "EVERY", 0.02)


def until(met, what="it is so"):
    end = time.monotonic() + 20
    while not met():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.01)


@pytest.fixture
def web():
    here = Presence(Process.Kind.WEB, lambda: {"proxied": True})
    here.start()
    yield here
    here.stop()


def test_a_process_is_on_record_while_it_runs_and_gone_when_it_ended_in_order(web):
    until(Process.objects.exists)
    row = Process.objects.get()
    assert (row.kind, row.pid, row.state) == ("web", os.getpid(), {"proxied": True})
    until(lambda: Process.objects.get().seen_at > row.seen_at)
    assert Process.objects.get().started_at == row.started_at
    web.stop(20)
    assert not Process.objects.exists()


def test_a_database_that_is_away_for_a_while_ends_no_presence(web, monkeypatch):
    until(Process.objects.exists)

    def away():
        raise OperationalError("the database is away")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(clock, "now", away)
        time.sleep(0.1)
    before = Process.objects.get().seen_at
    until(lambda: Process.objects.get().seen_at > before)


def test_who_was_not_seen_lately_does_not_count_as_running_and_is_forgotten_after_a_week():
    now = clock.now()

    def seen(ago: timedelta) -> Process:
        return Process.objects.create(kind="worker", host="a", pid=1, started_at=now - ago, seen_at=now - ago)

    alive, _killed, _old = seen(timedelta(0)), seen(timedelta(minutes=1)), seen(timedelta(days=8))
    assert list(presence.running(Process.Kind.WORKER, now)) == [alive]
    assert not presence.running(Process.Kind.WEB, now)
    sweeping.tidy()
    assert Process.objects.count() == 2
