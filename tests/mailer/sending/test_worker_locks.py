import threading
import uuid

import pytest

from mailer.sending import worker_locks


@pytest.fixture
def me(settings):
    """Return this process as a worker with a home of its own."""
    worker_locks._worker_of_process.cache_clear()
    yield worker_locks.this_worker()
    worker_locks._worker_of_process.cache_clear()


def test_a_process_keeps_its_id(me):
    assert worker_locks.this_worker() == me


def test_a_living_worker_is_not_dead(me):
    assert not worker_locks.is_dead(me)


def test_a_worker_that_cannot_be_known_is_not_called_dead(me):
    assert not worker_locks.is_dead(uuid.uuid4())


def test_a_worker_whose_lock_can_be_taken_is_dead(me, settings):
    worker_locks._held.pop().close()
    assert worker_locks.is_dead(me)


def test_tidying_leaves_the_living_and_what_is_still_needed(me, settings):
    needed, dead = uuid.uuid4(), uuid.uuid4()
    for worker in (needed, dead):
        (settings.HOME / "run" / f"{worker}.owner").touch()
    worker_locks.tidy({needed})
    assert {path.stem for path in (settings.HOME / "run").iterdir()} == {str(me), str(needed)}


def test_a_worker_that_is_just_starting_is_not_tidied_away(settings):
    """The file appears with its lock already held."""
    stopping = threading.Event()
    (settings.HOME / "run").mkdir()

    def tidy():
        while not stopping.is_set():
            worker_locks.tidy(set())

    sweeper = threading.Thread(target=tidy)
    sweeper.start()
    try:
        for _ in range(300):
            worker_locks._worker_of_process.cache_clear()
            me = worker_locks.this_worker()
            assert (settings.HOME / "run" / f"{me}.owner").exists()
    finally:
        stopping.set()
        sweeper.join()
        worker_locks._worker_of_process.cache_clear()
        while worker_locks._held:
            worker_locks._held.pop().close()
