"""Which connection is closed when a web process runs short of something: never a fast one."""

import gc
import os
import selectors
import socket
import threading
import time
from contextlib import ExitStack

import pytest
from gunicorn.config import Config

from mailer.web import listening
from mailer.web.connections import network_of
from mailer.web.listening import PatientWorker
from mailer.web.tokenless import TokenlessLog

GET = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
BEGUN = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n"


def answer(environ, start_response):
    body = environ["wsgi.input"].read() or b"nothing"
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


class Web:
    """A web process whose loop runs when the test says so."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        config = Config()
        for name, value in {"threads": 2, "worker_connections": 20, "keepalive": 60, "http_parser": "python"}.items():
            config.set(name, value)
        self.worker = PatientWorker(0, os.getppid(), [self.listener], None, 60, config, TokenlessLog(config))
        self.worker.wsgi = answer
        self.worker.tpool = self.worker.get_thread_pool()
        self.worker.poller = selectors.DefaultSelector()
        self.worker.method_queue.init()
        queue = self.worker.method_queue
        self.worker.poller.register(queue.fileno(), selectors.EVENT_READ, queue.run_callbacks)
        self.worker.set_accept_enabled(True)
        self.clients = ExitStack()

    def client(self, said: bytes = b"") -> socket.socket:
        line = self.clients.enter_context(socket.create_connection(self.listener.getsockname(), timeout=60))
        self.says(line, said)
        return line

    def says(self, line: socket.socket, said: bytes) -> None:
        line.sendall(said)
        self.turn()

    def turn(self) -> None:
        """Run the loop until nothing happens any more."""
        while self._something_happens():
            self.worker.wait_for_and_dispatch_events(0.01)
        self.worker._swept = 0.0
        self.worker.murder_pending()

    def _something_happens(self) -> bool:
        self.worker.set_accept_enabled(True)  # as the loop does each time that it comes round
        return bool(self.worker._busy or self.worker.poller.select(0.01))

    def close(self) -> None:
        self.clients.close()
        self.turn()
        self.worker.tpool.shutdown()
        self.worker.poller.close()
        self.worker.method_queue.close()
        self.worker.tmp.close()
        self.listener.close()


@pytest.fixture
def web():
    web = Web()
    yield web
    web.close()
    assert web.worker.nr_conns == 0
    assert not web.worker._waiting
    assert not web.worker._incomplete


def heard(line: socket.socket) -> bytes:
    """Return what the client has received so far; `hung up` at the end if that was all."""
    line.setblocking(False)
    found = b""
    try:
        while piece := line.recv(65_536):
            found += piece
    except BlockingIOError:
        return found
    except ConnectionResetError:
        """The same: it heard what it heard."""
    return found + b"hung up"


def test_of_many_unfinished_requests_of_one_network_the_oldest_ends(web, monkeypatch):
    monkeypatch.setattr(listening, "INCOMPLETE", 3)
    oldest, second, third, newest = (web.client(BEGUN) for _ in range(4))
    assert heard(oldest).startswith(b"HTTP/1.1 408 ")
    assert heard(second) == heard(third) == heard(newest) == b""
    web.says(newest, b"\r\n")
    assert heard(newest).startswith(b"HTTP/1.1 200 ")


def test_a_process_whose_threads_are_all_busy_leaves_new_connections_to_the_others(web):
    over = threading.Event()
    web.worker.wsgi = lambda environ, start_response: over.wait(60) and answer(environ, start_response)
    lines = []
    for _ in range(4):
        lines.append(web.clients.enter_context(socket.create_connection(web.listener.getsockname(), timeout=60)))
        lines[-1].sendall(GET)
        web.worker.wait_for_and_dispatch_events(0.1)
    assert (web.worker.nr_conns, web.worker._accepting) == (2, False)
    over.set()
    web.turn()
    assert all(heard(line).startswith(b"HTTP/1.1 200 ") for line in lines)


def test_connections_that_wait_for_a_next_request_are_not_counted_as_unfinished(web, monkeypatch):
    monkeypatch.setattr(listening, "INCOMPLETE", 3)
    idle = [web.client(GET) for _ in range(6)]
    assert all(heard(line).startswith(b"HTTP/1.1 200 ") for line in idle)
    web.client(BEGUN)
    for line in idle:
        web.says(line, GET)
        assert b"hung up" not in heard(line)


def test_the_address_of_a_proxy_may_have_any_number_of_unfinished_requests(web, monkeypatch, settings):
    settings.MAILER_PROXIES = 1
    monkeypatch.setattr(listening, "INCOMPLETE", 3)
    lines = [web.client(BEGUN) for _ in range(10)]
    assert [heard(line) for line in lines] == [b""] * 10


def test_a_new_connection_takes_the_place_of_an_idle_one_and_then_of_the_slowest(web):
    dripping = [web.client(BEGUN) for _ in range(15)]
    idle = web.client(GET)
    heard(idle)
    quick = [web.client(GET) for _ in range(4)]
    assert heard(idle) == b"hung up"
    assert all(b"hung up" not in heard(line) for line in [*dripping, *quick])
    more = [web.client(BEGUN) for _ in range(10)]
    assert sum(b"hung up" in heard(line) for line in quick) == 4
    assert [b"408" in heard(line) for line in dripping].index(False) == 6
    assert all(heard(line) == b"" for line in more)


def test_large_requests_that_do_not_end_are_closed_before_they_fill_the_memory(web, monkeypatch):
    monkeypatch.setattr(listening, "MEMORY", 500_000)
    head = b"POST /webhooks/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 400000\r\n\r\n"
    oldest, small = web.client(head + b"a" * 300_000), web.client(BEGUN)
    newest = web.client(head)
    web.says(newest, b"b" * 399_999)
    assert b"408" in heard(oldest)
    assert heard(small) == b""
    web.says(newest, b"b")
    assert heard(newest).startswith(b"HTTP/1.1 200 ")


def test_who_does_not_take_an_answer_is_closed_in_the_end(web, monkeypatch, caplog):
    body = b"a" * 4_000_000
    line = web.client(b"POST /webhooks/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % len(body))
    sent = 0
    while sent < len(body):
        sent += line.send(body[sent : sent + 65_536])
        web.turn()
    (waiting,) = web.worker._waiting
    assert waiting.sock.size > 0  # no thread has it
    assert not web.worker._busy
    late = time.monotonic() + listening.TAKEN + 1
    monkeypatch.setattr(time, "monotonic", lambda: late)
    web.turn()
    assert "slow connections closed" in caplog.text
    assert not web.worker._waiting


def test_who_sends_request_after_request_without_waiting_keeps_nobody_out(web, monkeypatch):
    """These requests are complete, so that all threads stayed busy and no connection was accepted."""
    for _ in range(web.worker.cfg.threads):
        line = web.clients.enter_context(socket.create_connection(web.listener.getsockname(), timeout=60))
        line.sendall(GET * 50)
    monkeypatch.setattr(web.worker, "_is_full", lambda: True)
    web.turn()
    late = time.monotonic() + listening.LEFT_TO_OTHERS
    monkeypatch.setattr(time, "monotonic", lambda: late)
    web.turn()
    assert web.worker._accepting
    assert not web.worker._busy
    assert heard(line).count(b"HTTP/1.1 200 ") == 1  # and then it is hung up on


def test_requests_that_were_answered_leave_no_memory_behind(web, monkeypatch):
    collected = []
    monkeypatch.setattr(gc, "collect", lambda: collected.append(True))
    monkeypatch.setattr(listening, "GARBAGE", 100_000)
    for _ in range(4):
        web.client(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 50000\r\n\r\n" + b"a" * 50_000)
    assert len(collected) == 2


def test_who_hangs_up_at_any_moment_leaves_nothing_behind(web):
    for said in (b"", b"GET", BEGUN, BEGUN + b"Content-Length: 5\r\n\r\nab", GET, GET + BEGUN, b"\0\r\n\r\n"):
        web.client(said).close()
        web.turn()
    web.says(line := web.client(), GET)
    assert heard(line).startswith(b"HTTP/1.1 200 ")


def test_a_process_that_stops_does_not_wait_for_who_says_nothing(web):
    nothing, begun = web.client(), web.client(BEGUN)
    web.worker.alive = False
    web.turn()
    (first, second) = web.worker._waiting
    assert first.until < time.monotonic() + listening.LINGERS < second.until
    web.says(begun, b"\r\n")
    assert b"Connection: close" in heard(begun)
    assert heard(nothing) == b""


def test_a_process_that_stops_answers_who_had_connected_and_refuses_everybody_else(web):
    address = web.listener.getsockname()
    waiting = [web.clients.enter_context(socket.create_connection(address, timeout=20)) for _ in range(3)]
    for line in waiting:
        line.sendall(GET)
    web.worker.alive = False
    web.turn()
    assert [heard(line).startswith(b"HTTP/1.1 200 ") for line in waiting] == [True] * 3
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=20)


def test_a_request_and_a_connection_that_come_together_while_it_stops_are_both_answered(web, monkeypatch):
    """The request stops the listening, and the listener is next in what came."""
    begun = web.client(BEGUN)
    late = web.clients.enter_context(socket.create_connection(web.listener.getsockname(), timeout=60))
    for line, said in ((begun, b"\r\n"), (late, GET)):
        line.sendall(said)
    came = sorted(web.worker.poller.select(60), key=lambda one: one[0].fileobj is web.listener)
    assert [one.fileobj is web.listener for one, _ in came] == [False, True]
    monkeypatch.setattr(web.worker.poller, "select", lambda _: came)
    web.worker.alive = False
    web.worker.wait_for_and_dispatch_events(0.0)
    monkeypatch.undo()
    web.turn()
    assert [heard(line).startswith(b"HTTP/1.1 200 ") for line in (begun, late)] == [True] * 2


def test_a_process_that_stops_takes_no_more_connections_than_it_has_descriptors_for(web, monkeypatch):
    address = web.listener.getsockname()
    for _ in range(6):
        web.clients.enter_context(socket.create_connection(address, timeout=60))
    web.worker.worker_connections = 4
    monkeypatch.setattr(web.worker, "_make_room", lambda: False)  # as while threads have all of them
    web.worker.alive = False
    web.worker.set_accept_enabled(False)
    assert web.worker.nr_conns == 4
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=60)


def test_a_process_whose_main_process_was_killed_stops_listening(web, monkeypatch):
    address = web.listener.getsockname()
    monkeypatch.setattr(os, "getppid", lambda: 1)
    web.worker.ppid = 2
    assert not web.worker.is_parent_alive()
    web.worker.set_accept_enabled(False)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=60)


@pytest.mark.parametrize(
    ("client", "network"),
    [
        (("192.0.2.1", 1234), "192.0.2.1"),
        (("::ffff:192.0.2.1", 1234, 0, 0), "192.0.2.1"),
        (("2001:db8::1:2:3:4", 1234, 0, 0), "2001:db8::/64"),
        (("fe80::1%eth0", 1234, 0, 2), "fe80::/64"),
        ("", ""),
    ],
)
def test_the_addresses_that_one_client_can_have_count_together(client, network):
    assert network_of(client) == network
