"""Each answer of the provider over a real socket, and what it means for the readers in the request."""

import logging
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from email.utils import formatdate

import orjson
import pytest

from mailer.sendgrid import transport
from mailer.sendgrid.client import (
    Accepted,
    Client,
    NeverOpened,
    NoPlace,
    OutcomeUnknown,
    ReadersRefused,
    Refused,
    TooLate,
    TooMany,
    Unreachable,
)
from tests.mailer.sendgrid.letters import reader, readers, request
from tests.stand_in import KEY, StandIn


@pytest.fixture
def api():
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def client(api):
    return Client(api.url, api.key, timeout=2)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def server_that(serve):
    """A TCP server that hands each connection to `serve` in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


# ---------------------------------------------------------------- accepted


def test_202_is_accepted_and_keeps_the_message_id(api, client):
    payload = request(3)
    answer = client.post(payload)
    assert answer == Accepted(api.accepted[0]["message_id"])
    assert api.accepted[0]["attempt"] == payload["custom_args"]["mailer_attempt"]
    assert [one["email"] for one in api.recipients] == [one.email for one in readers(3)]


def test_chinese_arrives_as_it_was_written(api, client):
    client.post(request(1))
    assert api.accepted[0]["subject"] == "嵌入式AI简报 (2019-06-29)"
    assert "你好，世界" in api.accepted[0]["content"]["text/plain"]


def test_202_with_a_cut_body_is_accepted(api, client):
    api.fail("cut body")
    assert client.post(request()) == Accepted("abc")


# ---------------------------------------------------------------- refused, nothing accepted


def test_a_bad_address_is_named_by_index_and_the_words_are_kept(api, client):
    api.bad_addresses = {"reader2@example.com", "reader3@example.com"}
    words = "Does not contain a valid address."
    assert client.post(request(4)) == ReadersRefused({1: words, 2: words}, 400)
    assert api.accepted == []


def test_a_400_without_a_place_asks_to_split(api, client):
    api.unnamed_bad_addresses = {"reader2@example.com"}
    assert client.post(request()) == NoPlace("400 Bad Request: Bad Request", 400)


def test_too_large_asks_to_split_and_keeps_the_words_of_the_page(api, client):
    api.fail("too large")
    answer = client.post(request())
    assert isinstance(answer, NoPlace)
    assert answer.status == 413
    assert "<" not in answer.words


def test_too_large_is_understood_when_the_server_hangs_up_on_a_body_that_it_did_not_read(api, client):
    api.fail("too large early")
    answer = client.post(request(1000, html="<p>zq0123456789abcdef</p>" + "x" * 8_000_000))
    # Whether the page survives the reset is up to the kernel; no mail went out either way.
    assert isinstance(answer, NoPlace | OutcomeUnknown)
    assert api.accepted == []


def errors(*fields):
    return orjson.dumps({"errors": [{"message": "No.", "field": field, "help": None} for field in fields]}).decode()


@pytest.mark.parametrize(
    "body",
    [
        errors("personalizations.0.to.0.email", None),
        errors("personalizations.0.to.0.email", "subject"),
        errors("personalizations"),
        errors("personalizations.3.to.0.email"),
        errors("personalizations.99999999999999999999.to"),
        errors("from.email"),
        errors(""),
        errors(),
        "<html>Bad Request</html>",
        "",
        "[]",
        '{"errors": null}',
        '{"errors": ["no"]}',
        "\ud7ff not json",
    ],
)
def test_any_other_400_is_refused(api, client, body):
    api.fail("answer", status=400, body=body)
    answer = client.post(request(3))
    assert isinstance(answer, Refused)
    assert answer.status == 400


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        ("unauthorized", 401, "401 Unauthorized: The provided authorization grant is invalid, expired, or revoked"),
        ("no credits", 401, "401 Unauthorized: Maximum credits exceeded"),
        ("forbidden", 403, "403 Forbidden: The from address does not match a verified Sender Identity. (from)"),
        ("redirect", 302, "302 Found"),
    ],
)
def test_what_concerns_every_reader_is_refused_with_the_providers_words(api, client, fault, status, words):
    api.fail(fault)
    assert client.post(request()) == Refused(words, status)
    assert len(api.requests) == 1


@pytest.mark.parametrize("status", [301, 307, 308, 404, 405, 415, 422])
def test_any_other_3xx_and_4xx_is_refused(api, client, status):
    api.fail("answer", status=status, headers={"Location": f"{api.url}/elsewhere"})
    assert isinstance(client.post(request()), Refused)
    assert len(api.requests) == 1


def test_429_waits_until_the_reset(api, client):
    api.fail("too many", seconds=30)
    answer = client.post(request())
    assert isinstance(answer, TooMany)
    assert 28 <= answer.wait <= 31


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, 60),
        ({"X-RateLimit-Reset": "soon"}, 60),
        ({"X-RateLimit-Reset": "0"}, 1),
        ({"X-RateLimit-Reset": "15"}, 15),
        ({"X-RateLimit-Reset": "9999999999"}, 600),
        ({"X-RateLimit-Reset": "1000000001"}, 1),
        ({"Retry-After": "20"}, 20),
        ({"X-RateLimit-Reset": "-5"}, 60),
    ],
)
def test_the_wait_after_429_is_between_a_second_and_ten_minutes(api, client, headers, wait):
    api.fail("answer", status=429, headers=headers)
    assert client.post(request()).wait == wait


def test_the_reset_is_read_by_the_providers_clock():
    def serve(connection):
        connection.recv(65536)
        an_hour_ago = time.time() - 3600
        lines = f"Date: {formatdate(an_hour_ago)}\r\nX-RateLimit-Reset: {int(an_hour_ago) + 20}\r\nContent-Length: 0"
        connection.sendall(f"HTTP/1.1 429 Too Many\r\n{lines}\r\n\r\n".encode())

    with server_that(serve) as where:
        assert 19 <= Client(f"http://{where}", KEY, 2).post(request()).wait <= 21


# ---------------------------------------------------------------- never opened


def test_a_refused_connection_wrote_nothing():
    answer = Client(f"http://127.0.0.1:{free_port()}", KEY, 2).post(request())
    assert isinstance(answer, NeverOpened)
    assert "Connection refused" in answer.words


def test_a_provider_that_closed_its_port_wrote_nothing_also_after_an_earlier_request(api, client):
    client.post(request())
    api.refuse_connections()
    time.sleep(0.05)
    assert isinstance(client.post(request()), NeverOpened)
    api.listen()
    assert isinstance(client.post(request()), Accepted)


@pytest.mark.parametrize("host", ["nowhere.invalid", "a..b", f"{'x' * 70}.example"])
def test_a_name_that_does_not_resolve_wrote_nothing(host):
    answer = Client(f"http://{host}", KEY, 2).post(request())
    assert isinstance(answer, NeverOpened)
    assert "resolved" in answer.words


def test_a_failed_tls_handshake_wrote_nothing(api):
    answer = Client(api.url.replace("http:", "https:"), KEY, 2).post(request())
    assert isinstance(answer, NeverOpened)
    assert "TLS failed" in answer.words
    assert api.requests == []


def test_a_handshake_that_never_ends_wrote_nothing():
    with server_that(lambda connection: time.sleep(3)) as where:
        start = time.monotonic()
        answer = Client(f"https://{where}", KEY, 0.3).post(request())
    assert isinstance(answer, NeverOpened)
    assert time.monotonic() - start < 1


# ---------------------------------------------------------------- too late


def test_nothing_is_written_after_the_time_for_the_first_byte(api, client):
    assert client.post(request(), first_byte_by=time.monotonic() - 0.001) == TooLate()
    assert api.requests == []
    assert isinstance(client.post(request(), first_byte_by=time.monotonic() + 2), Accepted)


def test_a_process_that_was_stopped_while_it_connected_writes_nothing(api, client, monkeypatch):
    opened = transport.Transport._open

    def slowly(self, until):
        connection = opened(self, until)
        time.sleep(0.2)
        return connection

    monkeypatch.setattr(transport.Transport, "_open", slowly)
    assert client.post(request(), first_byte_by=time.monotonic() + 0.1) == TooLate()
    assert api.requests == []


def test_a_connection_that_opens_too_slowly_counts_as_never_opened():
    """Not as too late: the provider's gate must close, or the same batch would be claimed again at once."""
    with server_that(lambda connection: time.sleep(3)) as where:
        answer = Client(f"https://{where}", KEY, 5).post(request(), first_byte_by=time.monotonic() + 0.2)
    assert isinstance(answer, NeverOpened)


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
    assert 0.3 < time.monotonic() - start < 1


def test_a_server_that_trickles_cannot_stretch_the_timeout(api):
    api.fail("trickle", seconds=0.05)
    start = time.monotonic()
    assert isinstance(Client(api.url, api.key, timeout=0.4).post(request()), OutcomeUnknown)
    assert time.monotonic() - start < 1


def test_a_server_that_does_not_read_cannot_stretch_the_timeout():
    with server_that(lambda connection: time.sleep(3)) as where:
        start = time.monotonic()
        answer = Client(f"http://{where}", KEY, 0.4).post(request(3, html="zq0123456789abcdef" + "x" * 20_000_000))
    assert isinstance(answer, OutcomeUnknown)
    assert time.monotonic() - start < 1.5


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
        assert isinstance(Client(f"http://{where}", KEY, 2).post(request(1)), OutcomeUnknown)


# ---------------------------------------------------------------- connections


def test_a_hundred_requests_use_one_connection(api, client):
    for _ in range(100):
        assert isinstance(client.post(request(1)), Accepted)
    assert api.connections == 1


def test_each_thread_has_a_connection_of_its_own(api, client):
    together = threading.Barrier(4)

    def lane(_):
        together.wait()
        return [client.post(request(1)) for _ in range(10)]

    with ThreadPoolExecutor(4) as pool:
        answers = [answer for some in pool.map(lane, range(4)) for answer in some]
    assert all(isinstance(answer, Accepted) for answer in answers)
    assert api.connections == 4


def test_a_refusal_keeps_the_connection(api, client):
    api.bad_addresses = {"reader1@example.com"}
    client.post(request())
    api.mend()
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
        client = Client(f"http://{where}", KEY, 2)
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


# ---------------------------------------------------------------- secrets and words


def test_the_key_is_never_shown(api, caplog):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("python_http_client").propagate = True
    client = Client(f"{api.url}", api.key, 2)
    api.fail("answer", status=403, body=f'{{"errors": [{{"message": "no access for {KEY}", "field": null}}]}}')
    answer = client.post(request())
    assert answer.words == "403 Forbidden: no access for [key]"
    api.fail("answer", status=500, body=f"Bearer {KEY} " * 100)
    shown = [repr(client), str(client), repr(client.post(request())), caplog.text]
    assert not any(KEY in text for text in shown)


def test_the_path_of_a_url_is_not_shown_either():
    assert repr(Client("http://127.0.0.1:8123/token", KEY, 2)) == "<Client of http://127.0.0.1:8123>"


def test_the_providers_words_are_one_short_line(api, client):
    api.fail("answer", status=403, body="\x1b[31m" + "no\n" * 10_000)
    words = client.post(request()).words
    assert len(words) <= 500
    assert words.isprintable()


def test_addresses_are_not_logged(api, client, caplog):
    caplog.set_level(logging.DEBUG)
    client.post(request(people=[reader(1, "ada@example.com")]))
    assert "ada@example.com" not in caplog.text


def test_a_request_that_json_cannot_hold_is_refused_without_a_byte(api, client):
    answer = client.post({"personalizations": [], "subject": "\ud800"})
    assert isinstance(answer, Refused)
    assert api.connections == 0


# ---------------------------------------------------------------- questions


def test_scopes_and_credits_can_be_asked(api, client):
    assert client.get("/v3/scopes") == (200, {"scopes": ["mail.send", "user.credits.read"]})
    assert client.get("/v3/user/credits")[1]["remain"] == 100_000


def test_a_wrong_key_is_told_by_its_status(api):
    status, content = Client(api.url, "SG.wrong", 2).get("/v3/scopes")
    assert status == 401
    assert content["errors"][0]["message"].startswith("The provided authorization grant")


def test_a_question_without_an_answer_is_unreachable():
    with pytest.raises(Unreachable, match="Connection refused"):
        Client(f"http://127.0.0.1:{free_port()}", KEY, 2).get("/v3/scopes")
