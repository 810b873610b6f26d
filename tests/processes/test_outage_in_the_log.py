"""A worker's log says that the database is down, where and why, and that it is back: each once."""

import contextlib

import pytest

from tests.processes.leavers import hanging
from tests.processes.stage import wait_until

pytestmark = pytest.mark.slow

AWAY = "WARNING mailer.store.interruptions database unavailable"
BACK = "INFO mailer.store.interruptions database and files available again"


@pytest.mark.parametrize("fault", ["stopped", "hanging"])
def test_a_worker_says_once_that_the_database_is_away_and_once_that_it_is_back(machines, postgres, fault):
    machines.start("worker", home="worker")
    wait_until(machines.swept, "a worker has swept")
    with contextlib.ExitStack() as away:
        if fault == "hanging":
            away.enter_context(hanging(postgres))
        else:
            postgres.end_at_once()
            away.callback(postgres.start)
        wait_until(lambda: AWAY in machines.logs(), "the worker says that the database is down")
        assert BACK not in machines.logs()
    wait_until(lambda: BACK in machines.logs(), "the worker says that the database is back")
    lines = [line for line in machines.logs().splitlines() if AWAY in line or BACK in line]
    assert len(lines) == 2, machines.logs()
    assert "where=" in lines[0]
    assert "because=" in lines[0]
