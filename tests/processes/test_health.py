"""`mailer worker --health` beside real workers, as a container or systemd calls it."""

import os
import signal

import pytest

from tests.processes.stage import Stage, wait_until

pytestmark = pytest.mark.slow


def health(stage: Stage) -> tuple[int, str]:
    ran = stage.run("worker", "--health", expect=None)
    assert len((ran.out + ran.err).splitlines()) == 1, "one line says why"
    return ran.code, ran.out + ran.err


def test_a_supervisor_learns_whether_the_worker_is_well(stage: Stage):
    assert health(stage)[0] == 1
    assert "no worker runs" in health(stage)[1]

    worker = stage.start("worker")
    wait_until(lambda: health(stage)[0] == 0, "the worker is well")
    assert "is healthy" in health(stage)[1]
    wait_until(lambda: stage.ask("SELECT kind, pid FROM mailer_process") == [["worker", worker.pid]], "it is on record")

    os.kill(worker.pid, signal.SIGSTOP)
    wait_until(lambda: health(stage)[0] == 1, "a worker that hangs is not well")
    assert f"worker {worker.pid}: it has not responded for" in health(stage)[1]
    os.kill(worker.pid, signal.SIGCONT)
    wait_until(lambda: health(stage)[0] == 0, "it goes on")

    stage.stop(worker, signal.SIGKILL)
    assert health(stage)[0] == 1
    assert "no worker runs" in health(stage)[1]


def test_a_database_or_broker_that_is_away_is_waited_for_and_no_reason_to_start_a_worker_again(distributed, broker):
    worker = distributed.start("worker")
    wait_until(lambda: health(distributed)[0] == 0, "the worker is well")
    wait_until(lambda: distributed.ask("SELECT count(*) FROM mailer_process") == [[1]], "it is on record")
    broker.stop()
    wait_until(lambda: "broker unavailable" in distributed.logs(), "the worker knows")
    assert health(distributed)[0] == 0
    assert distributed.run("worker", "--health", DATABASE_URL="postgres://nobody@127.0.0.1:9/none").code == 0
    distributed.stop(worker)
    assert distributed.ask("SELECT count(*) FROM mailer_process") == [[0]]
    assert health(distributed)[0] == 1
