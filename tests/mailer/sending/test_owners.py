import threading
import uuid

import pytest

from mailer.sending import owners


@pytest.fixture
def me(settings):
    """This process as an owner in a home of its own."""
    owners._owner_of_process.cache_clear()
    yield owners.this_owner()
    owners._owner_of_process.cache_clear()


def test_a_process_keeps_its_id(me):
    assert owners.this_owner() == me


def test_a_living_owner_is_not_dead(me):
    assert not owners.is_dead(me)


def test_whoever_cannot_be_known_is_not_called_dead(me):
    assert not owners.is_dead(uuid.uuid4())


def test_an_owner_whose_lock_can_be_taken_is_dead(me, settings):
    owners._held.pop().close()
    assert owners.is_dead(me)


def test_tidying_leaves_the_living_and_what_is_still_needed(me, settings):
    needed, dead = uuid.uuid4(), uuid.uuid4()
    for owner in (needed, dead):
        (settings.HOME / "run" / f"{owner}.owner").touch()
    owners.tidy({needed})
    assert {path.stem for path in (settings.HOME / "run").iterdir()} == {str(me), str(needed)}


def test_an_owner_that_is_just_starting_is_not_tidied_away(settings):
    """The file appears with its lock already held."""
    stopping = threading.Event()
    (settings.HOME / "run").mkdir()

    def tidy():
        while not stopping.is_set():
            owners.tidy(set())

    sweeper = threading.Thread(target=tidy)
    sweeper.start()
    try:
        for _ in range(300):
            owners._owner_of_process.cache_clear()
            me = owners.this_owner()
            assert (settings.HOME / "run" / f"{me}.owner").exists()
    finally:
        stopping.set()
        sweeper.join()
        owners._owner_of_process.cache_clear()
        while owners._held:
            owners._held.pop().close()
