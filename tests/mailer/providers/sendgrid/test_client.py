"""Each response of the provider over a real socket, and what it means for the subscribers in the request.

What no answer means stands in test_lost_answers.py.
"""

import logging
import time
from email.utils import formatdate
from uuid import uuid4

import orjson
import pytest

from mailer.providers.answers import (
    Accepted,
    OutcomeUnknown,
    RateLimited,
    RecipientsRejected,
    Refused,
    UnlocatedRefusal,
    Unreachable,
)
from mailer.providers.sendgrid.client import Client
from tests.mailer.providers.letters import reader, readers
from tests.mailer.providers.sendgrid.letters import request
from tests.mailer.providers.sendgrid.listeners import server_that
from tests.ports import free_port
from tests.stand_in import KEY

# ---------------------------------------------------------------- accepted


def test_202_is_accepted_and_keeps_the_message_id(api, client):
    attempt = uuid4()
    answer = client.post(request(3, attempt))
    assert answer == Accepted(api.accepted[0]["message_id"])
    assert api.accepted[0]["attempt"] == str(attempt)
    assert [one["email"] for one in api.recipients] == [one.email for one in readers(3)]


def test_chinese_arrives_as_it_was_written(api, client):
    client.post(request(1))
    assert api.accepted[0]["subject"] == "嵌入式AI简报 (2019-06-29)"
    assert "你好，世界" in api.accepted[0]["content"]["text/plain"]


def test_202_with_a_cut_body_is_accepted(api, client):
    api.fail("cut body")
    assert client.post(request()) == Accepted("abc")


# ---------------------------------------------------------------- refused, nothing accepted


def test_a_bad_address_is_named_by_index_and_the_message_is_kept(api, client):
    api.bad_addresses = {"reader2@example.com", "reader3@example.com"}
    words = "Does not contain a valid address."
    assert client.post(request(4)) == RecipientsRejected({1: words, 2: words}, 400)
    assert api.accepted == []


def test_a_400_without_a_place_asks_to_split(api, client):
    api.unnamed_bad_addresses = {"reader2@example.com"}
    assert client.post(request()) == UnlocatedRefusal("400 Bad Request: Bad Request", 400)


def test_too_large_asks_to_split_and_keeps_the_text_of_the_page(api, client):
    api.fail("too large")
    answer = client.post(request())
    assert isinstance(answer, UnlocatedRefusal)
    assert answer.status == 413
    assert "<" not in answer.detail


def test_too_large_is_understood_when_the_server_hangs_up_on_a_body_that_it_did_not_read(api, client):
    api.fail("too large early")
    answer = client.post(request(1000, html="<p>zq0123456789abcdef</p>" + "x" * 8_000_000))
    # Whether the page survives the reset is up to the kernel; no mail went out either way.
    assert isinstance(answer, UnlocatedRefusal | OutcomeUnknown)
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
def test_what_concerns_every_subscriber_is_refused_with_the_providers_message(api, client, fault, status, words):
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
    assert isinstance(answer, RateLimited)
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
        assert 19 <= Client(f"http://{where}", KEY, 60).post(request()).wait <= 21


# ---------------------------------------------------------------- secrets and words


def test_the_key_is_never_shown(api, caplog):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("python_http_client").propagate = True
    client = Client(f"{api.url}", api.key, 60)
    api.fail("answer", status=403, body=f'{{"errors": [{{"message": "no access for {KEY}", "field": null}}]}}')
    answer = client.post(request())
    assert answer.detail == "403 Forbidden: no access for [key]"
    api.fail("answer", status=500, body=f"Bearer {KEY} " * 100)
    shown = [repr(client), str(client), repr(client.post(request())), caplog.text]
    assert not any(KEY in text for text in shown)


def test_the_path_of_a_url_is_not_shown_either():
    assert repr(Client("http://127.0.0.1:8123/token", KEY, 60)) == "<Client of http://127.0.0.1:8123>"


def test_the_providers_message_is_one_short_line(api, client):
    api.fail("answer", status=403, body="\x1b[31m" + "no\n" * 10_000)
    words = client.post(request()).detail
    assert len(words) <= 500
    assert words.isprintable()


def test_addresses_are_not_logged(api, client, caplog):
    caplog.set_level(logging.DEBUG)
    client.post(request(people=[reader(1, "ada@example.com")]))
    assert "ada@example.com" not in caplog.text


# ---------------------------------------------------------------- questions


def test_scopes_and_credits_can_be_asked(api, client):
    assert client.get("/v3/scopes") == (200, {"scopes": ["mail.send", "user.credits.read"]})
    assert client.get("/v3/user/credits")[1]["remain"] == 100_000


def test_a_wrong_key_is_told_by_its_status(api):
    status, content = Client(api.url, "SG.wrong", 60).get("/v3/scopes")
    assert status == 401
    assert content["errors"][0]["message"].startswith("The provided authorization grant")


def test_a_question_without_an_answer_is_unreachable():
    with pytest.raises(Unreachable, match="Connection refused"):
        Client(f"http://127.0.0.1:{free_port()}", KEY, 60).get("/v3/scopes")
