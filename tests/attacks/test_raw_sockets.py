"""What is no proper HTTP, against the real web process: it refuses, hangs up, and goes on answering."""

import http.client
import re
import socket
import time
from contextlib import ExitStack

import pytest

from tests.processes.conftest import editors_folder
from tests.processes.stage import Stage, answers, free_port, wait_until

# gunicorn's worker is a fork of this process, so what is set here holds there too.
IN_A_HURRY = """
import django; django.setup()
import mailer.cli.listening as ours; ours.SENT = 1.0
from mailer.cli import main; main()
"""
THREADS = 8
TOKEN = "a-readers-token"
POST = b"POST /subscribe/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
MALFORMED = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
    "no version": f"GET /unsubscribe/{TOKEN}/\r\n\r\n".encode(),
    "an odd method": f"g{{}}t /unsubscribe/{TOKEN}/ HTTP/1.1\r\n\r\n".encode(),
    "bytes in the path": f"GET /unsubscribe/{TOKEN}/\xff HTTP/1.1\r\n\r\n".encode("latin-1"),
    "a path without end": b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n",
    "a header without end": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    "headers without end": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: a\r\n" * 300 + b"\r\n",
    "NUL in a header": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\0b\r\n\r\n",
    "two lengths": POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a length below zero": POST + b"Content-Length: -1\r\n\r\n",
    "length and chunks": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    stage = Stage(editors_folder(tmp_path_factory.mktemp("attacked") / "newsletter"))
    stage.command = [stage.python, "-c", IN_A_HURRY]
    stage.settings["DJANGO_SETTINGS_MODULE"] = "mailer.settings"
    stage.settings["CELERY_BROKER_URL"] = "redis://127.0.0.1:9/0"  # so that no worker is started beside it
    port = free_port()
    stage.start("serve", "--port", str(port))
    wait_until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), "the web process answers")
    yield stage, port
    stage.close()


def say(port: int, words: bytes) -> bytes:
    """What comes back until the server hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.sendall(words)
        line.shutdown(socket.SHUT_WR)
        heard = b""
        try:
            while piece := line.recv(65_536):
                heard += piece
        except ConnectionResetError:
            """It did not wait for the rest."""
        return heard


def status(heard: bytes) -> int:
    return int(heard.split(b" ", 2)[1])


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_http_is_refused_and_its_path_stays_out_of_the_log(web, name):
    stage, port = web
    assert 400 <= status(say(port, MALFORMED[name])) < 500
    assert answers(f"http://127.0.0.1:{port}/healthz")
    assert TOKEN not in stage.logs()


def test_garbage_in_chunks_is_no_form(web):
    heard = say(web[1], POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc")
    assert status(heard) in (200, 400)
    assert b"Check your mail" not in heard


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_a_form_that_breaks_off_is_no_failure_of_ours(web, kind):
    stage, port = web
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/subscribe/")
    shown = connection.getresponse()
    field = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', shown.read().decode())[1]
    head = f"Cookie: {shown.getheader('Set-Cookie').split(';')[0]}\r\nX-CSRFToken: {field}\r\nContent-Type: {kind}\r\n"
    assert status(say(port, POST + head.encode() + b"Connection: close\r\nContent-Length: 500\r\n\r\nemail=a")) < 500
    assert "Traceback" not in stage.logs()


def test_no_header_moves_a_request_to_another_page(web):
    """A proxy that hides /admin/ from the world would let /x/admin/ through."""
    for headers in (b"SCRIPT_NAME: /x\r\n", b"Script-Name: /x\r\n", b"PATH_INFO: /admin/login/\r\n"):
        request = b"GET /x/admin/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" + headers + b"\r\n"
        assert status(say(web[1], request)) == 404


@pytest.mark.parametrize(
    "begun",
    [POST + b"X", POST + b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 50\r\n\r\nemail="],
    ids=["headers", "a body"],
)
def test_those_who_drip_do_not_keep_the_others_out(web, begun):
    """As many as there are threads begin a request and never end it. Readers must always be able to leave."""
    with ExitStack() as held:
        for _ in range(THREADS):
            line = held.enter_context(socket.create_connection(("127.0.0.1", web[1]), timeout=20))
            line.sendall(begun)
        time.sleep(0.2)
        wait_until(lambda: answers(f"http://127.0.0.1:{web[1]}/healthz"), "the web process answers others", 30)


def test_a_huge_post_is_refused_by_its_length_alone(web):
    head = (
        POST.replace(b"/subscribe/", b"/webhooks/sendgrid/") + b"Connection: close\r\nContent-Length: 100000000\r\n\r\n"
    )
    assert status(say(web[1], head)) in (403, 413)
