"""Send malformed HTTP to a real web process: it refuses, closes the connection and keeps answering."""

import re
import socket
import time
from contextlib import ExitStack, suppress

import pytest

from tests.ports import free_port
from tests.processes.conftest import editors_folder
from tests.processes.stage import PATIENCE, Stage, answers, wait_until

# gunicorn's worker is a fork of this process, so what is set here holds there too.
IN_A_HURRY = """
import django; django.setup()
import mailer.web.listening as ours; ours.RECEIVED = 4.0
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
    """Return what the server sends until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as line:
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
def test_malformed_http_is_refused_and_its_path_stays_out_of_the_log(web, name):
    stage, port = web
    assert 400 <= status(say(port, MALFORMED[name])) < 500
    assert answers(f"http://127.0.0.1:{port}/healthz", PATIENCE)
    assert TOKEN not in stage.logs()


FORM = b"Content-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n"
BROKEN_OFF = {
    "chunks that are none": b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc",
    "a chunk that ends early": b"Transfer-Encoding: chunked\r\n\r\n20\r\nemail=ada@",
    "no last chunk": b"Transfer-Encoding: chunked\r\n\r\n5\r\nemail\r\n",
    "no end of the trailers": b"Transfer-Encoding: chunked\r\n\r\n5\r\nemail\r\n0\r\nA: b\r\n",
    "a length that is not reached": b"Content-Length: 500\r\n\r\nemail=a",
}


@pytest.mark.parametrize("name", BROKEN_OFF)
def test_a_body_that_breaks_off_is_refused_as_that(web, name):
    stage, port = web
    heard = say(port, POST + FORM + BROKEN_OFF[name])
    assert (status(heard), "没有完整送达" in heard.decode()) == (400, True)
    assert "Traceback" not in stage.logs()


def test_a_body_in_chunks_is_read_like_any_other(web):
    heard = say(web[1], POST + FORM + b"Transfer-Encoding: chunked\r\n\r\n6\r\nemail=\r\n3\r\na@b\r\n0\r\n\r\n")
    assert (status(heard), b'value="a@b"' in heard) == (200, True)
    piece = b"2000\r\n" + b"a" * 0x2000 + b"\r\n"
    heard = say(web[1], POST + FORM + b"Transfer-Encoding: chunked\r\n\r\n" + 9 * piece + b"0\r\n\r\n")
    assert (status(heard), "内容太多了" in heard.decode()) == (413, True)


def test_no_header_moves_a_request_to_another_page(web):
    """A proxy that hides /admin/ from the public would let /x/admin/ through."""
    for headers in (b"SCRIPT_NAME: /x\r\n", b"Script-Name: /x\r\n", b"PATH_INFO: /admin/login/\r\n"):
        request = b"GET /x/admin/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" + headers + b"\r\n"
        assert status(say(web[1], request)) == 404


@pytest.mark.parametrize(
    "begun",
    [POST + b"X", POST + b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 50\r\n\r\nemail="],
    ids=["headers", "a body"],
)
def test_those_who_drip_do_not_keep_the_others_out(web, begun):
    """As many clients as there are threads never end their requests. Subscribers must always be able to leave."""
    with ExitStack() as held:
        for _ in range(THREADS):
            line = held.enter_context(socket.create_connection(("127.0.0.1", web[1]), timeout=PATIENCE))
            line.sendall(begun)
        time.sleep(0.2)
        wait_until(lambda: answers(f"http://127.0.0.1:{web[1]}/healthz"), "the web process answers others")


def test_a_huge_post_is_refused_by_its_length_alone(web):
    head = (
        POST.replace(b"/subscribe/", b"/webhooks/sendgrid/") + b"Connection: close\r\nContent-Length: 100000000\r\n\r\n"
    )
    assert status(say(web[1], head)) in (403, 413)


def hear(line: socket.socket, enough: int = 1) -> bytes:
    """Return what the server sends until this many responses have arrived or it closes the connection."""
    heard = b""
    with suppress(ConnectionResetError):
        while heard.count(b"HTTP/1.1 ") < enough and (piece := line.recv(65_536)):
            heard += piece
    return heard


def test_a_request_that_does_not_end_in_time_is_told_so(web):
    with socket.create_connection(("127.0.0.1", web[1]), timeout=PATIENCE) as line:
        line.sendall(POST)
        assert status(hear(line)) == 408


def test_a_connection_that_says_nothing_is_closed_without_a_word(web):
    with socket.create_connection(("127.0.0.1", web[1]), timeout=PATIENCE) as line:
        assert line.recv(100) == b""


def test_a_body_that_waits_for_leave_to_come_gets_it_and_is_read_whole(web):
    head = b"POST /unsubscribe/x/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nExpect: 100-continue\r\n"
    with socket.create_connection(("127.0.0.1", web[1]), timeout=PATIENCE) as line:
        line.sendall(head + b"Content-Length: 26\r\n\r\n")
        assert hear(line) == b"HTTP/1.1 100 Continue\r\n\r\n"
        line.sendall(b"List-Unsubscribe=One-Click")
        assert status(hear(line)) == 404


def test_requests_that_come_at_once_are_answered_one_after_the_other(web):
    get = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with socket.create_connection(("127.0.0.1", web[1]), timeout=PATIENCE) as line:
        line.sendall(3 * get + get[:20])
        assert hear(line, 3).count(b"HTTP/1.1 200 OK") == 3
        line.sendall(get[20:])
        assert b"HTTP/1.1 200 OK" in hear(line)


def test_those_who_do_not_take_their_answers_do_not_keep_the_others_out(web):
    """The responses are larger than the kernel's buffers, and there are more clients than threads."""
    big = b"GET /static/admin/js/vendor/xregexp/xregexp.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with ExitStack() as held:
        for _ in range(2 * THREADS):
            line = held.enter_context(socket.socket())
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.connect(("127.0.0.1", web[1]))
            line.sendall(10 * big)
        for _ in range(20):
            assert answers(f"http://127.0.0.1:{web[1]}/healthz", PATIENCE)
        # And who takes them after all gets them whole, be it only the first: while others wait, the rest is refused.
        line.settimeout(20)
        heard = b""
        while len(heard) < 3_000_000 and (piece := line.recv(65_536)):
            heard += piece
        head, _, body = heard.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
        assert status(heard) == 200
        assert len(body) >= length > 100_000
