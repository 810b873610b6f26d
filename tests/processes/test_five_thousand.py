"""The installed product, with each kind of broker and without one: what dies during a send loses no email."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes.conftest import editors_folder
from tests.processes.rabbitmq import RabbitMQ
from tests.processes.stage import PATIENCE, Broker, Stage, new_postgres_database, wait_until
from tests.stand_in import StandIn

ISSUE = "issues/2026-11-20.md"
BROKERS = {"Redis": Broker, "RabbitMQ": RabbitMQ}
SMALL_STEPS = {"MAILER_BATCH_SIZE": "50", "MAILER_LANES": "2"}  # 100 requests


pytestmark = pytest.mark.slow


@pytest.fixture(params=["Redis", "RabbitMQ"])
def brokered(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Stage, Any]]:
    """Run PostgreSQL with a broker of this kind."""
    broker = BROKERS[request.param](tmp_path)
    broker.start()
    stage = Stage(editors_folder(tmp_path / "newsletter"), new_postgres_database(), broker.url)
    stage.run("manage", "migrate", "-v0")
    yield stage, broker
    stage.close()
    broker.stop()


def test_everybody_is_mailed_once_although_the_broker_dies_in_the_middle_for_good(brokered, api: StandIn, for_real):
    stage, broker = brokered
    readers = stage.import_readers({"active": 5000})["active"]
    api.latency = 0.2
    settings = for_real | SMALL_STEPS
    with stage.workers(2, **settings):
        sending = stage.start("send", "issue", ISSUE, "--yes", "--json", **settings)
        wait_until(lambda: len(api.accepted) >= 20, "twenty requests were accepted")
        broker.stop()
        assert not stage.finished()
        assert sending.wait(2 * PATIENCE) == 0, stage.logs()
    receipt = _printed(stage)
    assert (receipt["state"], receipt["planned"], receipt["accepted"]) == ("finished", 5000, 5000)
    assert api.times_mailed == dict.fromkeys(readers, 1)


def test_everybody_is_mailed_once_or_known_as_unknown_although_the_worker_is_killed(
    embedded: Stage, api: StandIn, for_real
):
    """Without a broker the worker is in the command, so the command is killed."""
    readers = embedded.import_readers({"active": 5000})["active"]
    api.latency = 0.2
    settings = for_real | SMALL_STEPS
    sending = embedded.start("send", "issue", ISSUE, "--yes", **settings)
    wait_until(lambda: len(api.accepted) >= 20, "twenty requests were accepted")
    embedded.stop(sending, signal.SIGKILL)
    api.latency = 0

    receipt = embedded.send(ISSUE, expect=None, **settings)

    assert receipt["state"] == "finished"
    assert receipt["accepted"] + receipt["unknown"] == receipt["planned"] == 5000
    assert receipt["unknown"] <= 100, "what two slots had in flight"
    assert set(api.times_mailed.values()) == {1}
    assert receipt["accepted"] <= len(api.times_mailed) <= 5000
    assert set(api.times_mailed) <= set(readers)


def _printed(stage: Stage) -> dict[str, Any]:
    lines = [line for line in stage.logs().splitlines() if line.startswith("{")]
    found: dict[str, Any] = json.loads(lines[-1])
    return found
