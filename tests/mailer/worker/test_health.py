"""What a worker reports to `mailer worker --health`."""

import json
import threading

import pytest

from mailer import concurrency
from mailer.worker import embedded, health, sweeping
from mailer.worker.embedded import EmbeddedWorker
from mailer.worker.health import Heartbeat, workers_of
from tests.exhausting import no_room
from tests.mailer.store.test_presence import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def heartbeat(tmp_path, monkeypatch):
    """Run a worker's heartbeat at a fast rate; return it with its complaints."""
    monkeypatch.setattr(health, "EVERY", 0.01)
    complaints: list[str] = []
    beating = Heartbeat(tmp_path, lambda: complaints)
    beating.complaints = complaints
    beating.start()
    yield beating
    beating.stop()
    beating.join()


def test_a_worker_is_well_until_it_complains_and_again_when_it_does_no_more(heartbeat, tmp_path):
    assert [word.wrong for word in workers_of(tmp_path)] == [""]
    heartbeat.complaints.append("it has not swept for 200 s")
    until(lambda: workers_of(tmp_path)[0].wrong == "it has not swept for 200 s")
    heartbeat.complaints.clear()
    until(lambda: not workers_of(tmp_path)[0].wrong)


def test_a_worker_that_is_silent_is_not_well(heartbeat, tmp_path, monkeypatch):
    monkeypatch.setattr(health, "SILENT_AFTER", -1.0)
    assert "not responded" in workers_of(tmp_path)[0].wrong


def test_no_worker_is_found_where_none_runs_any_more(heartbeat, tmp_path):
    heartbeat.stop()
    assert workers_of(tmp_path) == []
    (tmp_path / "run" / "killed.health").write_text(json.dumps({"host": health._HOST, "pid": 1, "at": 1e12}))
    assert workers_of(tmp_path) == []  # nobody holds its lock
    Heartbeat(tmp_path, list)
    assert not (tmp_path / "run" / "killed.health").exists()


def test_a_home_without_room_is_refused_at_the_start_and_nothing_is_left_in_it(tmp_path):
    with no_room():
        for _ in range(2):
            with pytest.raises(OSError, match="too large"):
                Heartbeat(tmp_path, list)
    assert not list((tmp_path / "run").iterdir())


def test_a_heartbeat_that_cannot_be_written_later_ends_nothing(heartbeat, tmp_path):
    with no_room():
        threading.Event().wait(0.05)
    heartbeat.complaints.append("it has not swept for 200 s")
    until(lambda: workers_of(tmp_path)[0].wrong == "it has not swept for 200 s")


def test_the_worker_of_another_machine_is_not_judged_by_the_clock_of_this_one(heartbeat, tmp_path, monkeypatch):
    monkeypatch.setattr(health, "_HOST", "elsewhere")
    until(lambda: (tmp_path / "run").glob("*.health"))
    monkeypatch.setattr(heartbeat, "_tell", lambda: None)
    monkeypatch.setattr(health, "_HOST", "here")
    assert workers_of(tmp_path) == []


# ---------------------------------------------------------------- what it complains of


@pytest.fixture
def worker(settings, monkeypatch):
    """Return a worker without patience, of which only the sweep exists."""
    monkeypatch.setattr(embedded, "SLOW", 0.3)
    settings.MAILER_LEASE = 0
    monkeypatch.setattr(sweeping, "sweep", lambda: None)
    one = EmbeddedWorker()
    one._sweeper._every = 0.01
    one._sweeper.start()
    yield one
    one._sweeper.stop()
    one._sweeper.join(60)


def test_a_sweep_that_hangs_is_complained_of(worker, monkeypatch):
    until(lambda: not worker.complaints())
    go_on = threading.Event()
    monkeypatch.setattr(sweeping, "sweep", go_on.wait)
    until(lambda: any("has not swept" in one for one in worker.complaints()))
    assert not worker.state()["well"]
    go_on.set()
    until(lambda: not worker.complaints())


def test_a_sweep_that_fails_by_a_defect_is_complained_of_and_an_outage_is_not(worker, monkeypatch):
    def fail():
        raise error

    error = sweeping.DatabaseError("away")
    monkeypatch.setattr(sweeping, "sweep", fail)
    threading.Event().wait(0.6)  # longer than its patience
    until(lambda: not worker.complaints())
    error = TypeError("a defect")
    until(lambda: any("has not swept" in one for one in worker.complaints()))


def test_a_slot_that_is_stuck_is_complained_of_and_one_that_goes_from_piece_to_piece_is_not(worker):
    end, moves = threading.Event(), threading.Event()
    moves.set()

    def work():
        with concurrency.issues.slot():
            while not end.wait(0.01):
                if moves.is_set():
                    assert concurrency.issues.is_open

    thread = threading.Thread(target=work)
    thread.start()
    try:
        threading.Event().wait(0.6)  # longer than its patience
        until(lambda: not worker.complaints())
        moves.clear()
        until(lambda: any("a slot for issues" in one for one in worker.complaints()))
    finally:
        end.set()
        thread.join()
    until(lambda: not worker.complaints())
    assert concurrency.issues.longest_piece == 0


def test_a_queue_that_nobody_hears_any_more_is_complained_of(worker):
    consumer = threading.Thread(target=lambda: None)
    worker._threads["issues"] = consumer
    consumer.start()
    consumer.join()
    until(lambda: worker.complaints() == ["the queue issues is not being consumed"])
