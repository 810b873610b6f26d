"""When a connection is reused, and when a new one is opened."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from mailer.providers import transport
from mailer.providers.answers import Accepted
from mailer.providers.sendgrid.client import Client
from tests.mailer.providers.sendgrid.letters import request
from tests.mailer.providers.sendgrid.listeners import server_that
from tests.stand_in import KEY


def test_a_hundred_requests_use_one_connection(api, client):
    for _ in range(100):
        assert isinstance(client.post(request(1)), Accepted)
    assert api.connections == 1


def test_each_thread_has_a_connection_of_its_own(api, client):
    together = threading.Barrier(4, timeout=60)

    def slot(_):
        together.wait()
        return [client.post(request(1)) for _ in range(10)]

    with ThreadPoolExecutor(4) as pool:
        answers = [answer for some in pool.map(slot, range(4)) for answer in some]
    assert all(isinstance(answer, Accepted) for answer in answers)
    assert api.connections == 4


def test_a_refusal_keeps_the_connection(api, client):
    api.bad_addresses = {"reader1@example.com"}
    client.post(request())
    api.repair()
    client.post(request())
    assert api.connections == 1


def test_a_connection_that_the_server_closed_is_not_written_to(api, client):
    client.post(request())
    api.close_connections()
    time.sleep(0.05)
    assert isinstance(client.post(request()), Accepted)
    assert api.connections == 2
    assert len(api.requests) == 2


def test_a_connection_is_not_reused_after_five_idle_seconds(api, client, monkeypatch):
    client.post(request())
    monkeypatch.setattr(transport, "KEPT_FOR", -1.0)
    assert isinstance(client.post(request()), Accepted)
    assert api.connections == 2


def test_a_connection_is_not_reused_when_the_server_wants_it_closed(api, client):
    api.fail("answer", status=429, headers={"Connection": "close"})
    client.post(request())
    assert isinstance(client.post(request()), Accepted)
    assert api.connections == 2


def test_a_connection_is_not_reused_after_an_answer_that_says_more_than_it_announced():
    connections = []

    def serve(connection):
        connections.append(connection)
        connection.recv(1_000_000)
        connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\nHTTP/1.1 202 Accepted\r\n\r\n")
        time.sleep(1)

    with server_that(serve) as where:
        client = Client(f"http://{where}", KEY, 60)
        client.post(request(1))
        time.sleep(0.05)
        client.post(request(1))
    assert len(connections) == 2


def test_a_forked_child_does_not_write_into_its_parents_connection(api, client, monkeypatch):
    client.post(request())
    pid = transport.os.getpid()
    monkeypatch.setattr(transport.os, "getpid", lambda: pid + 1)
    assert isinstance(client.post(request()), Accepted)
    assert api.connections == 2
