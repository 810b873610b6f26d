"""A hint may fail in any way: the row is committed, and a worker finds it."""

import threading
import time

import pytest
from kombu.exceptions import OperationalError

from mailer import broker, celery
from mailer.broker import enqueue


@pytest.fixture
def published(settings, monkeypatch):
    """Return the hints that reached a broker."""
    settings.EMBEDDED = False
    monkeypatch.setattr(broker, "_aside", None)  # a test that asked the WSGI application may have set it
    monkeypatch.setattr(broker._Broker, "away_until", 0.0)
    monkeypatch.setattr(broker._Broker, "was_away", False)
    heard = []
    monkeypatch.setattr(celery.app, "send_task", lambda task, args, **options: heard.append((task, *args)))
    return heard


def test_a_hint_names_a_task_and_a_row(published):
    assert enqueue("subscribers.send_letter", 7)
    assert published == [("subscribers.send_letter", 7)]


def test_a_web_process_never_waits_for_a_broker_that_hangs(published, monkeypatch):
    """A visitor would wait with it, and the time would count as the database's."""
    may_go_on, heard = threading.Event(), []

    def hang(task, args, **options):
        may_go_on.wait(60)
        heard.append((task, *args))

    monkeypatch.setattr(celery.app, "send_task", hang)
    monkeypatch.setattr(broker, "_aside", None)
    broker.enqueue_aside()
    assert broker._aside is not None
    told = [enqueue("subscribers.send_letter", row) for row in range(1100)]
    assert told.count(False) in (99, 100), "what is too much for the queue is left to the sweep"
    assert heard == []
    may_go_on.set()
    until = time.monotonic() + 60
    while len(heard) < 1000 and time.monotonic() < until:
        time.sleep(0.01)
    assert heard[:1000] == [("subscribers.send_letter", row) for row in range(1000)]


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("away"),
        ConnectionRefusedError(111, "refused"),
        ModuleNotFoundError("No module named 'packaging'"),
        ValueError("redis://:secret@host:port"),
        MemoryError(),
    ],
)
def test_whatever_goes_wrong_is_said_once_and_the_broker_is_left_alone_for_a_while(
    published, monkeypatch, caplog, error
):
    asked = []

    def fail(*args, **options):
        asked.append(args)
        raise error

    monkeypatch.setattr(celery.app, "send_task", fail)
    assert [enqueue("mailer.deliver_send", 1) for _ in range(5)] == [False] * 5
    assert len(asked) == 1, "nobody waits for a broker that was not reached a moment ago"
    broker._Broker.away_until = 0.0
    assert not enqueue("mailer.deliver_send", 1)
    assert [record.error for record in caplog.records] == [type(error).__name__], "one line for one outage"
    assert "secret" not in caplog.text
