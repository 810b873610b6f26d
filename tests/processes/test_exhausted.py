"""Processes that run out of file descriptors continue once there are some; the send waits, and is not paused."""

import time

import pytest

from tests.ports import free_port
from tests.processes.stage import Stage, answers, wait_until
from tests.processes.starving import can_starve, starved
from tests.stand_in import StandIn

pytestmark = pytest.mark.slow

linux = pytest.mark.skipif(not can_starve, reason="no prlimit on this system")


@linux
def test_a_worker_without_descriptors_rests_and_goes_on(distributed: Stage, api: StandIn, for_real: dict[str, str]):
    distributed.settings = {**for_real, "MAILER_BATCH_SIZE": "2", "MAILER_LANES": "3"}
    distributed.import_readers({"active": 120})
    worker = distributed.start("worker", home="worker0")
    wait_until(distributed.swept, "a worker has swept")
    with starved(worker):
        distributed.run("send", "issue", "issues/2026-11-20.md", "--yes", "--detach")
        # One that has opened all that it needs before may get through.
        wait_until(
            lambda: "no file descriptors left" in distributed.logs() or distributed.finished(),
            "the worker says what it lacks",
        )
        time.sleep(3)
        assert distributed.ask("SELECT count(*) FROM mailer_send WHERE state = 'paused'") == [[0]]
    wait_until(distributed.finished, "the send is finished")
    assert worker.poll() is None
    assert len(api.recipients) == len({reader["email"] for reader in api.recipients}) == 120
    assert distributed.status("2026-11-20")["unknown"] == 0


@linux
def test_the_web_process_answers_again_when_descriptors_are_there_again(distributed: Stage):
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    web = distributed.start("serve", "--port", str(port))
    wait_until(lambda: answers(f"{base}/readyz"), "the web process is ready")
    with starved(web):
        for _ in range(5):
            answers(f"{base}/readyz")
    wait_until(lambda: answers(f"{base}/readyz"), "it is ready again")
    assert web.poll() is None


# The lowest free descriptor is the limit: from here on nothing can be opened or imported.
STARVED_FROM_THE_START = """
import os, resource, sys
from mailer.cli import main
free = os.open(os.devnull, os.O_RDONLY)
os.close(free)
resource.setrlimit(resource.RLIMIT_NOFILE, (free, free))
main()
"""


@pytest.mark.parametrize("command", [["worker"], ["serve"], ["status"], ["send", "issue", "issues/2026-11-20.md"]])
def test_a_command_that_starts_without_descriptors_says_so(embedded: Stage, command: list[str]):
    embedded.run("status", expect=None)
    embedded.command = [embedded.python, "-c", STARVED_FROM_THE_START]
    ended = embedded.run(*command, expect=1)
    assert "no file descriptors left" in ended.err
    assert "ulimit -n" in ended.err


def test_a_worker_knows_its_tasks_without_importing_anything_later(embedded: Stage):
    names = "import django; django.setup(); import mailer.worker.embedded; print(*mailer.celery.app.tasks)"
    embedded.command = [embedded.python, "-c", names]
    known = embedded.run(DJANGO_SETTINGS_MODULE="mailer.settings").out.split()
    assert {
        "mailer.deliver_send",
        "mailer.deliver_batch",
        "mailer.tell_editor",
        "subscribers.send_confirmation",
        "subscribers.send_letter",
    } <= set(known)


IMPORTED_LATER = """
import sys
import django
django.setup()
from mailer.worker.embedded import EmbeddedWorker
worker = EmbeddedWorker()
worker._import_what_is_used_later()
before = set(sys.modules)
worker._controller("issues", 3)
worker._controller("confirmations", 1)
django.template.engines.all()
print(*sorted(set(sys.modules) - before))
"""


@pytest.mark.parametrize("broker", ["", "redis://127.0.0.1:1/0", "amqp://127.0.0.1:1"])
def test_a_worker_imports_everything_before_it_hears(embedded: Stage, broker: str):
    """A module that is half imported for lack of a descriptor may never be imported again in that process."""
    embedded.command = [embedded.python, "-c", IMPORTED_LATER]
    later = embedded.run(DJANGO_SETTINGS_MODULE="mailer.settings", CELERY_BROKER_URL=broker)
    assert later.out.split() == []
