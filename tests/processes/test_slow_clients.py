"""Two hundred slow clients at the real web process, without a proxy: subscribers can still leave."""

import http.client
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.processes.conftest import editors_folder
from tests.processes.dripping import KINDS, Drippers
from tests.processes.stage import PATIENCE, Stage, answers, wait_until

pytestmark = pytest.mark.slow

LINK = """
import django; django.setup()
from mailer.store.installation import link_keys
from subscribers import tokens
from subscribers.models import Subscriber
token = tokens.Signer(tokens.UNSUBSCRIBE, "weekly", link_keys().links[0].key).token
print(*(f"/unsubscribe/{token(one.public_id.bytes)}/" for one in Subscriber.objects.all()))
"""


@pytest.fixture
def stage(tmp_path: Path):
    stage = Stage(editors_folder(tmp_path / "newsletter"))
    stage.settings["DJANGO_SETTINGS_MODULE"] = "mailer.settings"
    stage.settings["CELERY_BROKER_URL"] = "redis://127.0.0.1:9/0"  # so that no worker is started beside it
    yield stage
    stage.close()


def start(stage: Stage, **settings: str) -> int:
    port = free_port()
    stage.start("serve", "--bind", f"127.0.0.1:{port}", **settings)
    wait_until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), "the web process answers")
    return port


def links(stage: Stage, number: int) -> list[str]:
    """Return the unsubscribe paths of this many subscribers."""
    stage.import_readers({"confirmed": number})
    command, stage.command = stage.command, [stage.python, "-c", LINK]
    try:
        return stage.run().out.split()
    finally:
        stage.command = command


def ask(port: int, method: str, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    body = b"List-Unsubscribe=One-Click" if method == "POST" else None
    connection.request(method, path, body, {"Content-Type": "application/x-www-form-urlencoded"})
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize("proxies", ["0", "1"])
def test_readers_leave_while_two_hundred_clients_drip(stage, proxies):
    """Behind a proxy all connections come from its address, whose number is not limited."""
    port = start(stage, MAILER_PROXIES=proxies)
    paths = links(stage, 30)
    with Drippers(port, 200) as drippers:
        for path in paths:
            assert ask(port, "POST", path) == 200
            assert ask(port, "GET", "/healthz") == 200
        # They were answered while the drippers were there, not because those had been cut off.
        assert drippers.open() > 40
        wait_until(lambda: set(drippers.cut_off) >= set(KINDS) - {"an answer"}, "each kind was cut off")
        assert drippers.told["headers"]
    assert stage.ask("SELECT state, count(*) FROM subscribers_subscription GROUP BY state") == [["unsubscribed", 30]]
    wait_until(lambda: ask(port, "GET", "/healthz") == 200, "it answers afterwards")
    # The first connections that are closed, and why, are logged at once.
    assert ("many_from_one_network" in stage.logs()) == (proxies == "0")
    assert "Traceback" not in stage.logs()


def test_it_stops_with_its_worker_although_clients_drip(stage):
    del stage.settings["CELERY_BROKER_URL"]  # so that a worker is started beside it
    port = start(stage)
    wait_until(stage.swept, "the worker has swept")
    process = stage._processes[-1]
    with Drippers(port, 50):
        time.sleep(1)
        process.send_signal(signal.SIGTERM)  # not to its children: Docker tells the first process alone
        assert process.wait(PATIENCE) == 0
    assert stage.logs().count("worker stopped") == 1
    assert stage.ask("SELECT count(*) FROM mailer_process") == [[0]]
    assert "Traceback" not in stage.logs()


def test_it_listens_at_a_unix_socket_that_a_proxy_can_reach(stage, tmp_path):
    path = tmp_path / "web.socket"
    stage.start("serve", "--bind", f"unix:{path}", MAILER_PROXIES="1")
    wait_until(path.exists, "it listens")
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(path))
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")
        assert line.recv(100).startswith(b"HTTP/1.1 200 OK")


def test_the_number_of_processes_and_threads_is_as_set(stage):
    start(stage, MAILER_WEB_PROCESSES="3", MAILER_WEB_THREADS="2")
    wait_until(lambda: stage.ask("SELECT count(*) FROM mailer_process WHERE kind = 'web'") == [[3]], "all three run")
