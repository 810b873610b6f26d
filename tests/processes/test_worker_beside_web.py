"""The worker that `mailer serve` runs beside its web processes is restarted and stopped, however slow the machine."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.processes.conftest import editors_folder
from tests.processes.stage import PATIENCE, Stage, answers, wait_until

pytestmark = pytest.mark.slow

# `mailer`, on a machine that leaves it alone right after it has started a worker, before Popen closes its pipe.
SLOW = """
import subprocess, time
start = subprocess._fork_exec
def slowly(arguments, *more):
    child = start(arguments, *more)
    if "worker" in arguments:
        time.sleep(1)
    return child
subprocess._fork_exec = slowly
from mailer.cli import main
main()
"""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(editors_folder(tmp_path / "newsletter"))
    yield stage
    stage.close()


def serve(stage: Stage, **settings: str) -> subprocess.Popen[str]:
    port = free_port()
    serving = stage.start("serve", "--port", str(port), **settings)
    wait_until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), "the web process answers")
    return serving


def workers(stage: Stage) -> set[int]:
    return {pid for (pid,) in stage.ask("SELECT pid FROM mailer_process WHERE kind = 'worker'")}


def test_a_worker_that_is_slow_to_start_is_restarted_and_stopped(stage):
    stage.command = [stage.python, "-c", SLOW]
    serving = serve(stage)
    first = wait_until(lambda: workers(stage), "the worker runs")
    os.kill(*first, signal.SIGKILL)
    wait_until(lambda: workers(stage) - first, "another one runs")
    serving.send_signal(signal.SIGTERM)  # not to its children: Docker tells the first process alone
    assert serving.wait(PATIENCE) == 0
    assert stage.logs().count("worker stopped") == 1
    assert "Traceback" not in stage.logs()


def test_a_worker_that_hangs_is_killed_and_not_left_behind(stage):
    serving = serve(stage, MAILER_HTTP_TIMEOUT="0.1")
    (worker,) = wait_until(lambda: workers(stage), "the worker runs")
    os.kill(worker, signal.SIGSTOP)
    serving.send_signal(signal.SIGTERM)
    assert serving.wait(PATIENCE) == 0
    assert f"worker did not end in time, killed worker={worker}" in stage.logs()
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
