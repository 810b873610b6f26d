"""A worker process holds two Celery workers; neither may disturb the other, nor be missing without a word."""

import subprocess
import sys
from pathlib import Path

from tests.processes.stage import Stage, wait_until
from tests.stand_in import StandIn

ROOT = Path(__file__).resolve().parents[2]

TWO_LOOPS = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "mailer.settings"
import django
django.setup()
from mailer.embedded import EmbeddedWorker
worker = EmbeddedWorker()
made = [worker._controller(queue, 1) for queue in ("issues", "confirmations")]
print("apart:", made[0].hub is not None and made[0].hub is not made[1].hub)
"""


def test_the_two_workers_of_a_process_share_no_event_loop(distributed: Stage):
    """In one loop they read each other's sockets, and now and then one of them dies of it."""
    ran = subprocess.run(
        [sys.executable, "-c", TWO_LOOPS],
        cwd=distributed.folder,
        env=distributed.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "apart: True" in ran.stdout


def test_a_broker_that_restarts_again_and_again_stops_nobody(distributed: Stage, broker, api: StandIn, for_real):
    readers = distributed.import_readers({"active": 60})
    settings = for_real | {"MAILER_BATCH_SIZE": "5", "MAILER_LANES": "2"}
    with distributed.workers(1, **settings):
        for _ in range(3):
            broker.stop()
            broker.start()
        distributed.run("send", "issue", "issues/2026-11-20.md", "--yes", "--detach", **settings)
        wait_until(distributed.finished, "the send is finished")
    assert sorted(reader["email"] for reader in api.recipients) == sorted(readers["active"])
