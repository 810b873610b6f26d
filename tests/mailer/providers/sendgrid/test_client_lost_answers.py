"""No answer, or an inconclusive one: was surely nothing written, or is the outcome unknown?"""

import socket
import time

import pytest

from mailer.providers import transport
from mailer.providers.answers import Accepted, ConnectFailed, DeadlinePassed, OutcomeUnknown
from mailer.providers.sendgrid.client import Client
from tests.mailer.providers.sendgrid.letters import request
from tests.mailer.providers.sendgrid.listeners import server_that, silent_server
from tests.ports import free_port
from tests.stand_in import KEY

# ---------------------------------------------------------------- never opened


def test_a_refused_connection_wrote_nothing():
    answer = Client(f"http://127.0.0.1:{free_port()}", KEY, 60).post(request())
    assert isinstance(answer, ConnectFailed)
    assert "Connection refused" in answer.detail


def test_a_provider_that_closed_its_port_wrote_nothing_also_after_an_earlier_request(api, client):
    client.post(request())
    api.refuse_connections()
    time.sleep(0.05)
    assert isinstance(client.post(request()), ConnectFailed)
    api.listen()
    assert isinstance(client.post(request()), Accepted)


@pytest.mark.parametrize("host", ["nowhere.invalid", "a..b", f"{'x' * 70}.example"])
def test_a_name_that_does_not_resolve_wrote_nothing(host):
    answer = Client(f"http://{host}", KEY, 60).post(request())
    assert isinstance(answer, ConnectFailed)
    assert "resolved" in answer.detail


def test_a_failed_tls_handshake_wrote_nothing(api):
    answer = Client(api.url.replace("http:", "https:"), KEY, 60).post(request())
    assert isinstance(answer, ConnectFailed)
    assert "TLS failed" in answer.detail
    assert api.requests == []


def test_a_handshake_that_never_ends_wrote_nothing():
    with silent_server() as where:
        answer = Client(f"https://{where}", KEY, 0.3).post(request())
    assert answer == ConnectFailed(f"no connection to {where}: timed out")


# ---------------------------------------------------------------- too late


def test_nothing_is_written_after_the_time_for_the_first_byte(api, client):
    assert client.post(request(), first_byte_by=time.monotonic() - 0.001) == DeadlinePassed()
    assert api.requests == []
    assert isinstance(client.post(request(), first_byte_by=time.monotonic() + 60), Accepted)


def test_a_process_that_was_stopped_while_it_connected_writes_nothing(api, client, monkeypatch):
    opened, first_byte_by = transport.Transport._open, time.monotonic() + 30

    def slowly(self, until):
        connection = opened(self, until)
        monkeypatch.setattr(time, "monotonic", lambda: first_byte_by + 0.1)
        return connection

    monkeypatch.setattr(transport.Transport, "_open", slowly)
    assert client.post(request(), first_byte_by=first_byte_by) == DeadlinePassed()
    assert api.requests == []


def test_a_connection_that_opens_too_slowly_counts_as_never_opened(monkeypatch):
    """It does not count as too late: the circuit breaker must open, or the batch would be claimed again at once."""
    opened, first_byte_by = transport.Transport._open, time.monotonic() + 30

    def soon_too_late(self, until):
        assert until == first_byte_by
        return opened(self, time.monotonic() + 0.2)

    monkeypatch.setattr(transport.Transport, "_open", soon_too_late)
    with silent_server() as where:
        answer = Client(f"https://{where}", KEY, 60).post(request(), first_byte_by=first_byte_by)
    assert answer == ConnectFailed(f"no connection to {where}: timed out")


# ---------------------------------------------------------------- unknown


@pytest.mark.parametrize("fault", ["error before accepting", "error after accepting"])
@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 599])
def test_an_error_of_the_server_leaves_the_outcome_unknown(api, client, fault, status):
    api.fail(fault, status=status)
    answer = client.post(request())
    assert isinstance(answer, OutcomeUnknown)
    assert answer.status == status
    assert len(api.requests) == 1


@pytest.mark.parametrize("status", [200, 201, 203, 204, 206])
def test_any_2xx_but_202_leaves_the_outcome_unknown(api, client, status):
    api.fail("answer", status=status)
    answer = client.post(request())
    assert isinstance(answer, OutcomeUnknown)
    assert answer.status == status


@pytest.mark.parametrize("fault", ["close before accepting", "close after accepting", "cut status line", "cut headers"])
def test_a_lost_answer_leaves_the_outcome_unknown_and_is_not_asked_for_again(api, client, fault):
    api.fail(fault)
    answer = client.post(request())
    assert isinstance(answer, OutcomeUnknown)
    assert len(api.requests) == 1
    assert isinstance(client.post(request()), Accepted)


def test_the_same_holds_on_a_kept_connection(api, client):
    client.post(request())
    api.fail("close after accepting")
    assert isinstance(client.post(request()), OutcomeUnknown)
    assert len(api.requests) == 2


def test_a_400_with_a_cut_body_leaves_the_outcome_unknown(api, client):
    api.fail("cut body", status=400)
    assert isinstance(client.post(request()), OutcomeUnknown)


@pytest.mark.parametrize("fault", ["hang before accepting", "hang after accepting"])
def test_silence_ends_at_the_timeout(api, fault):
    api.fail(fault)
    start = time.monotonic()
    answer = Client(api.url, api.key, timeout=0.4).post(request())
    assert answer == OutcomeUnknown("no answer came: timed out", None)
    assert time.monotonic() - start > 0.3


def test_a_server_that_trickles_cannot_stretch_the_timeout(api):
    """Each byte comes in time for a limit on silence, and the last of them would be an answer."""
    api.fail("trickle", seconds=0.05)
    answer = Client(api.url, api.key, timeout=0.4).post(request())
    assert answer == OutcomeUnknown("no answer came: timed out", None)


def test_a_server_that_does_not_read_cannot_stretch_the_timeout():
    with silent_server() as where:
        answer = Client(f"http://{where}", KEY, 0.4).post(request(3, html="zq0123456789abcdef" + "x" * 20_000_000))
    assert answer == OutcomeUnknown("no answer came: timed out", None)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\r\n",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 999999 x\r\n\r\n",
        b"HTTP/1.1 202",
        b"\x16\x03\x01",
        b"HTTP/1.1 2",
        b"HTTP/1.1 202 Accepted\r\n",
        b"HTTP/1.1 202 Accepted\r\nX-Message-Id: a\r\n",
        b"HTTP/1.1 103 Hints\r\n\r\n",
        b"HTTP/1.1 202 Accepted\r\n" + b"x: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_an_answer_that_is_none_leaves_the_outcome_unknown(said):
    def serve(connection):
        connection.recv(1_000_000)
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)

    with server_that(serve) as where:
        assert isinstance(Client(f"http://{where}", KEY, 60).post(request(1)), OutcomeUnknown)
