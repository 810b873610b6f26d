import os
import time
from datetime import timedelta

import pytest
from django.db import OperationalError

from mailer.models import Process
from mailer.store import clock, presence
from mailer.store.presence import Presence
from mailer.worker import sweeping

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _often(monkeypatch):
    monkeypatch.setattr(presence, "EVERY", 0.02)


def until(met, what="it is so"):
    end = time.monotonic() + 60
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


def at_home(home: str) -> Presence:
    return Presence(Process.Kind.WEB, lambda: {"home": home})


def killed(home: str, ago: timedelta) -> Process:
    seen = clock.now() - ago
    return Process.objects.create(kind="web", host="a", pid=1, started_at=seen, seen_at=seen, state={"home": home})


def test_a_web_process_that_starts_ends_the_search_for_one_that_was_killed_in_its_home():
    there, _here = killed("there", timedelta(minutes=5)), killed("here", timedelta(minutes=5))
    web = at_home("here")
    web.start()
    until(lambda: set(Process.objects.values_list("pk", flat=True)) == {there.pk, web._row.pk})
    web.stop(20)
    assert list(Process.objects.all()) == [there]


def test_a_web_process_that_ends_in_order_leaves_no_row_of_one_killed_before_it_began():
    killed("here", timedelta(seconds=1))
    alive = killed("here", timedelta(seconds=-5))
    web = at_home("here")
    web.start()
    until(lambda: Process.objects.filter(pk=web._row.pk).exists())
    assert Process.objects.count() == 3, "a process that was seen a second ago may live"
    web.stop(20)
    assert list(Process.objects.all()) == [alive]


def test_a_database_that_is_away_for_a_while_ends_no_presence(web, monkeypatch):
    until(Process.objects.exists)

    def away():
        raise OperationalError("the database is down")

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
