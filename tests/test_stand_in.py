"""All other tests rely on the stand-in, so it is tested itself."""

import json
import subprocess
import sys
import time
import urllib.request

import pytest

from mailer.providers.answers import Accepted, ConnectFailed, OutcomeUnknown, Refused
from mailer.providers.sendgrid.client import Client
from mailer.providers.sendgrid.payload import Request
from tests.mailer.providers.letters import reader
from tests.mailer.providers.sendgrid.letters import parsed, request
from tests.mailer.store.test_presence import until
from tests.stand_in import StandIn


def test_it_remembers_who_was_mailed_and_with_which_link():
    with StandIn() as api:
        client = Client(api.url, api.key, 60)
        client.post(request(2))
        client.post(request(1))
        assert api.times_mailed == {"reader1@example.com": 2, "reader2@example.com": 1}
        first = api.recipients[0]
        assert first["header"] == f"<{first['unsubscribe_url']}>"
        assert first["delivery"] == "1"
        assert [entry["status"] for entry in api.requests] == [202, 202]


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    "breach",
    [
        lambda payload: payload["personalizations"].append(payload["personalizations"][0]),
        lambda payload: payload["personalizations"][0].pop("headers"),
        lambda payload: payload["personalizations"][0].pop("substitutions"),
        lambda payload: payload["personalizations"][0]["headers"].update(payload["personalizations"][1]["headers"]),
        lambda payload: payload["headers"].pop("List-Unsubscribe-Post"),
        lambda payload: payload["content"].reverse(),
        lambda payload: payload.pop("subject"),
        lambda payload: payload["personalizations"].clear(),
    ],
)
def test_what_would_harm_readers_is_refused_even_where_the_strict_module_is_asleep(breach, strict):
    payload = parsed(3)
    breach(payload)
    with StandIn(strict=strict) as api:
        assert isinstance(Client(api.url, api.key, 60).post(Request(json.dumps(payload).encode(), 3)), Refused)
        assert api.accepted == []


def test_a_wrong_key_is_refused():
    with StandIn() as api:
        assert Client(api.url, "SG.other", 60).post(request()).status == 401
        assert api.requests == []


def test_a_fault_may_wait_for_one_reader():
    with StandIn() as api:
        client = Client(api.url, api.key, 60)
        api.fail("forbidden", when=lambda payload: len(payload["personalizations"]) == 2)
        assert isinstance(client.post(request(3)), Accepted)
        assert isinstance(client.post(request(2)), Refused)


def test_in_a_process_of_its_own_it_logs_before_it_answers_and_takes_orders(tmp_path):
    log = tmp_path / "log.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.stand_in", "--port", "0", "--log", log], stdout=subprocess.PIPE, text=True
    )
    try:
        where = json.loads(process.stdout.readline())
        client, before = Client(where["url"], where["key"], 60), time.monotonic()
        assert isinstance(client.post(request(2)), Accepted)
        accepted = [entry for entry in map(json.loads, log.read_text().splitlines()) if entry["event"] == "accepted"]
        assert [one["email"] for one in accepted[0]["recipients"]] == ["reader1@example.com", "reader2@example.com"]
        assert before < accepted[0]["at"] < time.monotonic()

        order(where, [{"fault": "error after accepting", "status": 502}])
        assert isinstance(client.post(request(1)), OutcomeUnknown)
        order(where, [{"refuse_for": 3}])
        another = request(people=[reader(9)])
        until(lambda: isinstance(client.post(another), ConnectFailed))
        until(lambda: isinstance(client.post(request(1)), Accepted))
        assert state(where)["times_mailed"]["reader1@example.com"] == 3
    finally:
        process.kill()
        process.wait()


def order(where, orders):
    body = json.dumps(orders).encode()
    urllib.request.urlopen(urllib.request.Request(f"{where['url']}/faults", body)).close()


def state(where):
    question = urllib.request.Request(f"{where['url']}/state", headers={"Authorization": f"Bearer {where['key']}"})
    with urllib.request.urlopen(question) as answer:
        return json.load(answer)


def test_it_lets_go_of_suppressed_addresses():
    with StandIn() as api:
        client = Client(api.url, api.key, 60)
        assert client.delete("/v3/suppression/bounces", {"emails": ["ada@example.com"]})[0] == 204
        assert client.delete("/v3/suppression/bounces/ada@example.com")[0] == 204
        assert client.delete("/v3/elsewhere")[0] == 404
        assert Client(api.url, "another key", 60).delete("/v3/suppression/bounces")[0] == 401
