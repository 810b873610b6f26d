"""Counters that all processes share."""

import threading
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.db.models import F

from mailer.models import Attempt, Counter, Installation
from mailer.store import clock, counting
from tests import readers
from tests.mailer.sending import outgoing

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _nothing_counted():
    counting._pending.clear()
    yield
    counting._pending.clear()


def test_what_is_counted_is_written_in_one_go_and_adds_up(django_assert_max_num_queries):
    with django_assert_max_num_queries(0):
        for _ in range(1000):
            counting.count("webhook_posts", "refused")
    assert counting.totals() == {}
    with django_assert_max_num_queries(3):
        counting.flush()
    counting.count("webhook_posts", "refused", 2)
    counting.flush()
    counting.flush()
    assert counting.totals() == {"webhook_posts": {"refused": 1002}}


def test_what_cannot_be_written_is_kept_for_the_next_time(monkeypatch):
    counting.count("logins_failed")

    def away(_):
        raise OperationalError("the database is down")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(counting, "_add", away)
        with pytest.raises(OperationalError):
            counting.flush()
    counting.flush()
    assert counting.totals() == {"logins_failed": {"": 1}}


def test_processes_that_write_at_the_same_time_lose_nothing():
    def many():
        for kind in range(20):
            counting.count("sign_ups_limited", str(kind % 3))
            counting.flush()
        connection.close()

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counting.flush()
    assert sum(counting.totals()["sign_ups_limited"].values()) == 80


def attempt(state: str, ago: float, seconds: float = 0.3, status: int | None = 202) -> Attempt:
    """Make a request that ended this many seconds ago."""
    ended = clock.now() - timedelta(seconds=ago)
    return Attempt.objects.create(
        batch=outgoing.batch_of(attempt.send),
        state=state,
        worker="00000000-0000-0000-0000-000000000001",
        lease_until=ended,
        members=1,
        started_at=ended - timedelta(seconds=seconds),
        ended_at=None if state == "open" else ended,
        status=status,
    )


@pytest.fixture
def hour_ago():
    """Count requests since an hour ago, with a send to make them for."""
    readers.crowd(1)
    attempt.send = outgoing.planned()
    Installation.objects.update(requests_counted_until=clock.now() - timedelta(hours=1))


def test_each_request_is_counted_once_when_it_has_ended(hour_ago):
    for status in (202, 202, 429, 500):
        attempt({202: "accepted", 429: "refused", 500: "unknown"}[status], 60, status=status)
    attempt("unknown", 60, seconds=60, status=None)
    attempt("unsent", 60, status=None)
    attempt("open", 60, status=None)
    attempt("accepted", 5)  # its neighbours may not have been committed yet
    counting.count_requests()
    counting.count_requests()
    found = counting.totals()
    assert found["requests"] == {"accepted": 2, "refused": 1, "unknown": 2, "unsent": 1}
    assert found["rate_limited"] == {"": 1}
    assert found["request_seconds"]["0.5"] == 4
    assert found["request_seconds"]["sum"] == pytest.approx(1.2)


def test_of_two_sweeps_at_once_one_counts(hour_ago, monkeypatch):
    attempt("accepted", 60)
    now = clock.now

    def after_the_other():
        monkeypatch.setattr(clock, "now", now)
        counting.count_requests()  # of another worker, which read the same mark
        return now()

    monkeypatch.setattr(clock, "now", after_the_other)
    counting.count_requests()
    assert counting.totals()["requests"] == {"accepted": 1}


def test_a_process_that_is_killed_takes_no_request_along_that_ended(hour_ago):
    attempt("accepted", 60)
    counting.count_requests()
    counting._pending.clear()
    assert Counter.objects.get(name="requests").value == 1


def test_requests_are_counted_again_when_a_clock_that_was_ahead_has_been_set(hour_ago):
    Installation.objects.update(requests_counted_until=clock.now() + timedelta(hours=25))
    counting.count_requests()
    assert counting.totals() == {}
    Installation.objects.update(requests_counted_until=F("requests_counted_until") - timedelta(minutes=2))
    attempt("accepted", 60)
    counting.count_requests()
    assert counting.totals()["requests"] == {"accepted": 1}
