"""A rolling upgrade migrates the database under old processes: they stop claiming, and subscribers still leave."""

import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from tests.ports import free_port
from tests.processes.stage import PATIENCE, Stage, wait_until
from tests.stand_in import StandIn

pytestmark = pytest.mark.slow

UPGRADE = """
    INSERT INTO django_migrations (app, name, applied)
    VALUES ('mailer', '9999_from_the_future', '2026-11-20 09:00:00')
"""
BACK = "DELETE FROM django_migrations WHERE name = '9999_from_the_future'"


@pytest.fixture
def web(stage: Stage) -> Iterator[str]:
    port = free_port()
    process = stage.start("serve", "--port", str(port))
    base = f"http://127.0.0.1:{port}"
    wait_until(lambda: get(f"{base}/readyz")[0] == 200, "the web process is ready")
    yield base
    stage.stop(process)


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def test_the_web_process_keeps_answering_and_commands_refuse(stage: Stage, web: str):
    stage.change(UPGRADE)
    status, said = get(f"{web}/readyz")
    assert (status, '"newer"' in said) == (503, True)
    assert get(f"{web}/healthz")[0] == get(f"{web}/subscribe/")[0] == 200
    refused = stage.run("subscribers", "add", "ada@readers.example", expect=2)
    assert "it has mailer.9999_from_the_future" in refused.err
    assert "upgrade mailer here" in refused.err
    assert stage.doctor()["database"] == "error"
    stage.change(BACK)
    assert get(f"{web}/readyz")[0] == 200


def test_a_worker_stops_in_the_middle_of_a_send_and_goes_on_when_it_is_known_again(
    distributed: Stage, api: StandIn, for_real: dict[str, str]
):
    distributed.settings = {**for_real, "MAILER_BATCH_SIZE": "1", "MAILER_LANES": "1"}
    distributed.import_readers({"active": 120})
    api.latency = 0.2
    with distributed.workers(1):
        distributed.run("send", "issue", "issues/2026-11-20.md", "--yes", "--detach")
        wait_until(lambda: len(api.accepted) > 3, "the send is under way")
        distributed.change(UPGRADE)
        wait_until(lambda: "newer than this version" in distributed.logs(), "the worker says why it stops")
        wait_until(lambda: distributed.ask(IN_FLIGHT) == [[0]], "the request in flight is finished")
        before = len(api.accepted)
        time.sleep(6)  # longer than from sweep to sweep
        assert len(api.accepted) == before < 120
        assert distributed.logs().count("newer than this version") == 1
        distributed.change(BACK)
        api.latency = 0
        wait_until(distributed.finished, "the send is finished")
    assert len(api.recipients) == len({reader["email"] for reader in api.recipients}) == 120


IN_FLIGHT = "SELECT count(*) FROM mailer_batch WHERE state = 'posting'"
