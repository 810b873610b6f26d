"""Requests to sites that try to keep the visitor, on this machine."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain, repeat

import pytest

from mailer.checks.visiting import Unreachable, Visitor
from tests.image_site import loopback

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n"
CLOSE = b"Connection: close\r\n"

Serve = Callable[..., str]


class Reader(Visitor):
    most_bytes = 1000


class Hurried(Reader):
    deadline = 0.5


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a function that answers all requests with `begin`, then `drip` again and again, at its address."""
    done = threading.Event()
    servers: list[socket.socket] = []

    def answer(server: socket.socket, begin: bytes, drip: bytes) -> None:
        with suppress(OSError):  # also when the server is closed
            while not done.is_set():
                client, _ = server.accept()
                with client, suppress(OSError):
                    client.recv(65_536)
                    for piece in chain([begin], repeat(drip) if drip else ()):
                        client.sendall(piece)
                        if drip and done.wait(0.02):
                            break

    def start(begin: bytes, drip: bytes = b"") -> str:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)
        threading.Thread(target=answer, args=(server, begin, drip), daemon=True).start()
        return f"http://127.0.0.1:{server.getsockname()[1]}/a.png"

    yield start
    done.set()
    for server in servers:
        server.close()


def outcome(address: str, visitor: Visitor) -> str:
    """Return why there is no answer; "still asking" if that does not end."""
    found = ["still asking"]

    def ask() -> None:
        try:
            found.append(str(visitor.follow(address, lambda here: visitor.ask("GET", here)).reply))
        except Unreachable as error:
            found.append(str(error))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(60)
    return found[-1]


@pytest.mark.parametrize("more", [b"", CLOSE], ids=["open", "close"])
@pytest.mark.parametrize(
    ("begin", "end", "drip"),
    [
        (CHUNKED, b"\r\n1;", b"x"),
        (CHUNKED, b"\r\n0\r\n", b"X: y\r\n"),
        (CHUNKED, b"\r\n", b"1\r\nx\r\n"),
        (OK, b"\r\n", b"x"),
        (OK, b"", b"X: y\r\n"),
        (b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["size", "trailer", "chunks", "content", "headers", "continue"],
)
def test_an_answer_that_never_ends_is_given_up(serve, begin, end, drip, more):
    address = serve(begin + (more if begin else b"") + end, drip)
    assert outcome(address, Hurried(loopback)) == "no complete answer within 0.5 seconds"


def test_headers_that_were_cut_are_no_answer_to_a_link_either(serve):
    class Asker(Hurried):
        most_bytes = 0

    assert "no complete answer" in outcome(serve(OK, b"X: y\r\n"), Asker(loopback))


@pytest.mark.parametrize("begin", [CHUNKED + b"\r\n4\r\nab", OK + b"Content-Length: 9\r\n\r\nab"])
def test_an_answer_that_ends_early_is_none(serve, begin):
    told = outcome(serve(begin), Reader(loopback))
    assert told != "still asking"
    assert "content=" not in told


def test_a_complete_answer_is_read(serve):
    address = serve(CHUNKED + CLOSE + b"\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
    assert "content=b'abc'" in outcome(address, Reader(loopback))


@pytest.mark.parametrize("location", ["http://[bad/x", "//[bad", "http://a℀b.com/", "file:///etc/passwd"])
def test_a_redirect_to_what_is_no_address_is_no_answer(serve, location):
    address = serve(f"HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n".encode())
    assert outcome(address, Reader(loopback)) == "it redirects to something that is not a web page"


@pytest.mark.parametrize("address", ["http://[bad/x", "http://a℀b.com/", "http://a.example:99999/", "http://a/\ud800"])
def test_what_is_no_address_is_not_asked_for(address):
    assert outcome(address, Reader(loopback)) == "it is not a web address"
