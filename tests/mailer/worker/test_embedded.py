"""The threads that receive hints wait out an outage of the broker; any other failure ends the process with a reason."""

import sys
import threading
from itertools import count

import pytest
from celery.exceptions import WorkerShutdown

from mailer import broker
from mailer.worker.embedded import EmbeddedWorker


@pytest.fixture
def worker():
    return EmbeddedWorker()


class Controller:
    """A Celery worker that ends at once with `error`."""

    def __init__(self, error: BaseException | None) -> None:
        self.blueprint, self._error = self, error

    def start(self, parent: object) -> None:
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        pass


class Stopping(threading.Event):
    """Says that all stops once somebody has waited for that a second time; waits for no time."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout)
        if len(self.pauses) == 2:
            self.set()
        return self.is_set()


def serve(worker: EmbeddedWorker, monkeypatch, error: BaseException | None) -> tuple[int, list[float | None]]:
    """Return how often it connected for hints, and the pauses that it made."""
    made, worker._stopping = [], Stopping()
    monkeypatch.setattr(broker, "reach_broker", lambda: None)
    monkeypatch.setattr(worker, "_controller", lambda queue, concurrency: made.append(queue) or Controller(error))
    worker._serve("issues", 1)
    return len(made), worker._stopping.pauses


def lost() -> WorkerShutdown:
    shutdown = WorkerShutdown(1)
    shutdown.__cause__ = ConnectionResetError(104, "reset")
    return shutdown


def test_a_broker_that_is_lost_again_and_again_is_not_asked_in_a_circle(worker, monkeypatch):
    assert serve(worker, monkeypatch, lost()) == (2, [1, 1])
    assert worker.failure == ""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ModuleNotFoundError("No module named 'packaging'"), "packaging"),
        (MemoryError(), "out of memory"),
        (ValueError("redis://:secret@host"), "ValueError"),
        (WorkerShutdown(1), "RuntimeError"),
    ],
)
def test_a_consumer_that_dies_ends_the_process_and_says_why(worker, monkeypatch, caplog, error, said):
    assert serve(worker, monkeypatch, error) == (1, [])
    assert said in worker.failure
    assert "secret" not in worker.failure + caplog.text
    worker.wait()  # returns, so the process goes on to end


def interrupted(line: int) -> bool:
    """Let a signal arrive when `wait` is at this line of what it runs; return False if it waits before."""
    worker, reached, lines = EmbeddedWorker(), threading.Event(), count(1)

    def handle(*_: object) -> object:
        if next(lines) == line:
            reached.set()
            worker.end()
        return handle

    def wait() -> None:
        sys.settrace(handle)
        worker.wait()

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    if not reached.wait(1):
        worker.end()
    waiting.join(20)
    assert not waiting.is_alive(), f"it waits for ever after a signal at line {line}"
    return reached.is_set()


def test_a_signal_at_any_moment_ends_the_wait():
    """A handler runs between two lines of the main thread, which may hold a lock there."""
    assert interrupted(1)
    assert not all(interrupted(line) for line in range(2, 30)), "some signal arrives when it waits"
