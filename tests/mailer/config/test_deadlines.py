"""A request waits for the database for a limited time, also for locks; then requests do not wait for a second."""

import threading
import time
from contextlib import contextmanager

import pytest
from django.db import OperationalError, connection, transaction

from mailer.config import deadlines
from mailer.models import Installation

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def locked():
    """Let another thread hold the lock that a writer needs."""
    holds, over = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            Installation.objects.select_for_update().get()
            holds.set()
            over.wait(60)
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    holds.wait(60)
    try:
        yield over.set
    finally:
        over.set()
        thread.join()


@contextmanager
def ready_soon(deadline, seconds):
    """Let another thread hold the lock when the block begins, until this thread has waited so long for the database."""
    until, patience = deadline.left() - seconds, time.monotonic() + 60

    def release():
        while deadline.left() > until and time.monotonic() < patience:
            time.sleep(0.01)
        let_go()

    with locked() as let_go:
        looking = threading.Thread(target=release)
        looking.start()
        yield
        looking.join()


def write():
    connection.close()  # as at the end of each request
    with transaction.atomic():
        Installation.objects.update(attempts=1)


def test_a_lock_that_somebody_holds_is_not_waited_for_longer_than_the_deadline():
    with locked(), pytest.raises(OperationalError), deadlines.within(0.5):
        write()
    connection.close()
    with deadlines.within(20):
        time.sleep(deadlines.CLOSED_FOR)
        write()


def test_one_locked_row_does_not_make_postgresql_look_away():
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one lock for everything")
    with locked(), pytest.raises(OperationalError, match="cancel"), deadlines.within(1.0):
        write()
    connection.close()
    assert not deadlines.breaker.refuses(1.0)


def test_only_waiting_for_the_database_counts_not_what_is_slow_afterwards():
    """For example a broker that hangs when the unsubscribe is committed, or a visitor who reads slowly."""
    with deadlines.within(20) as deadline:
        write()
        left = deadline.left()
        time.sleep(0.2)
        assert deadline.left() == left
        with ready_soon(deadline, 0.2):
            write()
    assert not deadline.missed
    assert not deadline.cancelled
    assert not deadlines.breaker.refuses(1.0)


def test_all_waits_for_the_database_count_together():
    with deadlines.within(20) as deadline:
        for _ in range(2):
            with ready_soon(deadline, 0.2):
                write()
        assert deadline.left() <= 20 - 2 * 0.2


def test_outside_of_requests_the_database_is_waited_for():
    with locked():
        waiting = threading.Thread(target=lambda: (write(), connection.close()))
        waiting.start()
        waiting.join(1.0)
        assert waiting.is_alive()
    waiting.join(60)
    assert Installation.objects.get().attempts == 1


def test_once_it_was_found_away_requests_fail_at_once_and_one_a_second_looks(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    breaker = deadlines.CircuitBreaker()
    assert not breaker.refuses(5.0)
    breaker.open()
    assert breaker.refuses(5.0)
    now[0] += deadlines.CLOSED_FOR
    assert [breaker.refuses(5.0) for _ in range(3)] == [False, True, True]
    breaker.close()
    assert not breaker.refuses(5.0)


def test_a_request_that_was_answered_in_time_closes_the_circuit_breaker():
    deadlines.breaker._open_until = time.monotonic()
    with deadlines.within(20):
        write()
    assert not deadlines.breaker._open_until
