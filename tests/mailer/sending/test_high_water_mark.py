"""attempts.json lags and never leads, whatever happens to the process that writes it."""

import os
import random
import signal
import stat
import time
from itertools import count

import pytest

from mailer.sending.high_water_mark import highest_seen, remember
from mailer.store.installation import public_id

pytestmark = pytest.mark.django_db


def test_a_home_without_a_file_has_seen_nothing():
    assert highest_seen() == 0


def test_only_its_owner_may_read_it(settings):
    remember(1)
    assert stat.S_IMODE((settings.HOME / "attempts.json").stat().st_mode) == 0o600


def test_a_writer_that_is_killed_at_any_moment_leaves_a_whole_file(settings):
    public_id()  # asked once; the children have no database
    seen, chance = 0, random.Random(7)
    for _ in range(60):
        child = os.fork()
        if not child:
            for number in count(seen + 1, 2):
                remember(number)
        patience = time.monotonic() + 60
        while highest_seen() <= seen and time.monotonic() < patience:  # on a busy machine it takes a while to begin
            time.sleep(0.001)
        time.sleep(chance.uniform(0.001, 0.01))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert highest_seen() >= seen  # raises when it cannot be read
        seen = highest_seen()
    assert seen > 100, "the length of the number changed twice at least"


def test_a_disk_that_fills_up_while_it_is_written_leaves_the_old_file(settings, monkeypatch, caplog):
    remember(9)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    remember(10)
    assert highest_seen() == 9
    assert "may go unnoticed" in caplog.text
