"""A worker process contains two Celery workers; neither may disturb the other, or fail silently.

The database is the queue: what happens to the broker makes a send slower and stops nothing.
"""

import re
import signal
import subprocess
import time
import urllib.parse
import urllib.request

import pytest

from tests.ports import free_port
from tests.processes.stage import PATIENCE, Stage, answers, wait_until
from tests.stand_in import StandIn

pytestmark = pytest.mark.slow

ISSUE = "issues/2026-11-20.md"

TWO_LOOPS = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "mailer.settings"
import django
django.setup()
from mailer.worker.embedded import EmbeddedWorker
worker = EmbeddedWorker()
made = [worker._controller(queue, 1) for queue in ("issues", "confirmations")]
print("apart:", made[0].hub is not None and made[0].hub is not made[1].hub)
"""


def test_the_two_workers_of_a_process_share_no_event_loop(distributed: Stage):
    """In one loop they read each other's sockets, and sometimes one of them dies of it."""
    ran = subprocess.run(
        [distributed.python, "-c", TWO_LOOPS],
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
        distributed.run("send", "issue", ISSUE, "--yes", "--detach", **settings)
        wait_until(distributed.finished, "the send is finished")
    assert sorted(reader["email"] for reader in api.recipients) == sorted(readers["active"])


def test_a_broker_that_dies_in_the_middle_for_good_makes_a_send_slower_and_stops_nothing(
    distributed: Stage, broker, api: StandIn, for_real
):
    readers = distributed.import_readers({"active": 300})
    api.latency = 0.2
    settings = for_real | {"MAILER_BATCH_SIZE": "5", "MAILER_LANES": "2"}
    with distributed.workers(2, **settings):
        distributed.run("send", "issue", ISSUE, "--yes", "--detach", **settings)
        wait_until(lambda: len(api.accepted) >= 5, "five requests were accepted")
        broker.stop()
        wait_until(distributed.finished, "the send is finished")
        # What is planned while nobody can be told of it goes out too, and so does a confirmation mail.
        second = distributed.run("send", "issue", "issues/2026-11-27.md", "--yes", "--detach", **settings)
        assert "workers will find the send within seconds" in second.err
        distributed.run("subscribers", "add", "new@readers.example", **settings)
        wait_until(distributed.finished, "the second send is finished")
        wait_until(lambda: "new@readers.example" in api.times_mailed, "the confirmation mail is sent")
    mailed = api.times_mailed
    assert {mailed[address] for address in readers["active"]} == {2}
    log = distributed.logs()
    assert "Traceback" not in log
    assert log.count("broker unavailable, taking batches") == 4, "one line for each queue of each worker"


def test_a_worker_starts_without_a_broker_and_hears_it_once_it_is_there(distributed: Stage, broker, api, for_real):
    distributed.import_readers({"active": 20})
    broker.stop()
    with distributed.workers(1, **for_real):
        distributed.run("send", "issue", ISSUE, "--yes", "--detach", **for_real)
        wait_until(distributed.finished, "the send is finished")
        broker.start()
        wait_until(lambda: distributed.logs().count("broker is back") == 2, "both queues are heard")
    assert "Traceback" not in distributed.logs()


MISSING = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({}, "No module named 'packaging'"),
        ({"CELERY_BROKER_URL": "redis://127.0.0.1:port/0"}, "check the URL"),
    ],
)
def test_a_worker_that_can_hear_no_hints_ends_with_a_message(distributed: Stage, tmp_path, api, for_real, broken, said):
    """A process that only looks busy is worse than one that a supervisor restarts."""
    settings = for_real | broken
    if not broken:
        (tmp_path / "missing").mkdir()
        (tmp_path / "missing" / "sitecustomize.py").write_text(MISSING.format(module="packaging"))
        path = distributed.environment()["PYTHONPATH"]
        settings |= {"PYTHONPATH": f"{tmp_path / 'missing'}:{path}".rstrip(":")}
    distributed.import_readers({"active": 20})
    # Publishing never fails a command whose rows are committed.
    distributed.run("subscribers", "add", "new@readers.example", **settings)
    distributed.run("doctor", expect=None, **settings)
    worker = distributed.start("worker", home="broken", **settings)
    assert worker.wait(PATIENCE) == 1
    assert said in distributed.logs()
    assert "Traceback" not in distributed.logs()


def test_a_worker_that_is_stopped_claims_nothing_more(distributed: Stage, api: StandIn, for_real):
    distributed.import_readers({"active": 400})
    api.latency = 0.5
    settings = for_real | {"MAILER_BATCH_SIZE": "5", "MAILER_LANES": "4"}
    worker = distributed.start("worker", home="worker0", **settings)
    wait_until(distributed.swept, "the worker has swept")
    distributed.run("send", "issue", ISSUE, "--yes", "--detach", **settings)
    wait_until(lambda: len(api.accepted) >= 5, "five requests were accepted")
    distributed.stop(worker, signal.SIGTERM)
    made = len(api.requests)
    assert worker.returncode == 0
    states = dict(distributed.ask("SELECT state, count(*) FROM mailer_batch GROUP BY state"))
    assert states == {"accepted": made, "planned": 80 - made}
    time.sleep(1)
    assert len(api.requests) == made


def test_files_beside_the_issues_that_are_named_like_modules_are_not_run(embedded: Stage):
    """The web process starts its worker in the editor's folder."""
    (embedded.folder / "email.py").write_text("raise SystemExit('this is not the standard library')\n")
    base = f"http://127.0.0.1:{(port := free_port())}"
    embedded.start("serve", "--port", str(port), BASE_URL=base)
    wait_until(lambda: answers(f"{base}/healthz"), "the web process answers")
    wait_until(embedded.swept, "its worker has swept")
    assert "standard library" not in embedded.logs()


class Visitors:
    """Visitors who fill in the sign-up form with one browser each. A form is used up by one email."""

    def __init__(self, base: str, number: int) -> None:
        self._base = base
        self._browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        self._forms = [self._form() for _ in range(number)]
        time.sleep(2.1)  # who is faster is taken for a script

    def _form(self) -> dict[str, str]:
        page = self._browser.open(f"{self._base}/", timeout=PATIENCE).read().decode()
        return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))

    def sign_up(self, email: str) -> int:
        form = urllib.parse.urlencode({**self._forms.pop(), "email": email, "website": ""}).encode()
        with self._browser.open(f"{self._base}/subscribe/", form, timeout=PATIENCE) as answer:
            return int(answer.status)


def test_a_broker_that_hangs_keeps_no_visitor_waiting_and_is_not_taken_for_the_database(
    distributed: Stage, broker, api: StandIn, for_real
):
    base = f"http://127.0.0.1:{(port := free_port())}"
    distributed.start("serve", "--port", str(port), home="web", **for_real | {"BASE_URL": base})
    wait_until(lambda: answers(f"{base}/healthz"), "the web process answers")
    with distributed.workers(1, **for_real | {"BASE_URL": base}):
        visitors = Visitors(base, 9)
        broker.hang()
        for number in range(9):  # from the eleventh on a network is asked for a calculation
            assert visitors.sign_up(f"late-{number}@readers.example") == 200
            assert answers(f"{base}/readyz", PATIENCE), "the database is well"
        wait_until(lambda: len(api.recipients) == 9, "the confirmation mails are sent")
    assert "unsubscribe stored in the journal" not in distributed.logs()
