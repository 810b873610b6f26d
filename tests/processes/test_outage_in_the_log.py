"""A worker's log says that the database is away, where and why, and that it is back: each once."""

import contextlib
from pathlib import Path

import pytest

from tests.chaos.grounds import Postgres, own_postgres
from tests.processes.conftest import editors_folder
from tests.processes.leavers import hanging
from tests.processes.stage import Broker, Stage, wait_until

pytestmark = pytest.mark.slow

AWAY = "WARNING mailer.interruptions the database does not work"
BACK = "INFO mailer.interruptions database and files work again"


@pytest.fixture
def postgres() -> Postgres:
    return own_postgres()


@pytest.fixture
def stage(tmp_path: Path, broker: Broker, postgres: Postgres):
    stage = Stage(editors_folder(tmp_path / "newsletter"), postgres.new_database(), broker.url)
    stage.run("manage", "migrate", "-v0")
    yield stage
    stage.close()


@pytest.mark.parametrize("fault", ["stopped", "hanging"])
def test_a_worker_says_once_that_the_database_is_away_and_once_that_it_is_back(stage, postgres, fault):
    stage.start("worker", home="worker")
    wait_until(stage.swept, "a worker has swept")
    with contextlib.ExitStack() as away:
        if fault == "hanging":
            away.enter_context(hanging(postgres))
        else:
            postgres.end_at_once()
            away.callback(postgres.start)
        wait_until(lambda: AWAY in stage.logs(), "the worker says that the database is away")
        assert BACK not in stage.logs()
    wait_until(lambda: BACK in stage.logs(), "the worker says that the database is back")
    lines = [line for line in stage.logs().splitlines() if AWAY in line or BACK in line]
    assert len(lines) == 2, stage.logs()
    assert "where=" in lines[0]
    assert "because=" in lines[0]
