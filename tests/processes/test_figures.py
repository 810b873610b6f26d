"""What web processes and workers count together, in real processes."""

import json
import urllib.request

import pytest

from tests.ports import free_port
from tests.processes.stage import Stage, answers, wait_until
from tests.processes.test_logs import status_of
from tests.processes.test_settings import SAFE

pytestmark = pytest.mark.slow

JUNK = 40
TOKEN = "a-long-token-of-the-operator"


def figures(base: str) -> dict[str, float]:
    request = urllib.request.Request(f"{base}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


def test_all_processes_count_into_the_same_figures_and_lose_nothing_when_they_stop(distributed: Stage):
    base = f"http://127.0.0.1:{(port := free_port())}"
    settings = SAFE | {"MAILER_METRICS_TOKEN": TOKEN}
    serving = distributed.start("serve", "--port", str(port), home="web", **settings)
    wait_until(lambda: answers(f"{base}/healthz"), "the web process answers")
    assert status_of(f"{base}/metrics") == 404
    assert distributed.logs().count("MAILER_PROXIES is 0, but BASE_URL is https") == 1, "the start says so"
    with distributed.workers(1, **settings):
        wait_until(lambda: figures(base)["mailer_workers"] == 1, "the worker shows")
        wait_until(lambda: figures(base)["mailer_web_processes"] == 2, "both web processes show")
        [[host, pid]] = distributed.ask("SELECT host, pid FROM mailer_process WHERE kind = 'worker'")
        shown = figures(base)
        assert shown[f'mailer_worker_well{{worker="{host}:{pid}"}}'] == 1
        assert shown[f'mailer_worker_broker_up{{worker="{host}:{pid}"}}'] == 1
        assert shown[f'mailer_worker_lanes_free{{lanes="issues",worker="{host}:{pid}"}}'] == 4

        assert [status_of(f"{base}/webhooks/sendgrid/", b"[]") for _ in range(JUNK)] == [403] * JUNK
        refused = 'mailer_webhook_posts_total{outcome="refused"}'
        wait_until(lambda: figures(base)[refused] == JUNK, "both web processes have written what they counted")
        status_of(f"{base}/webhooks/sendgrid/", b"[]")
    distributed.stop(serving)
    assert distributed.ask("SELECT kind, value FROM mailer_counter") == [["refused", JUNK + 1]]
    assert distributed.ask("SELECT count(*) FROM mailer_process") == [[0]]


def test_a_proxy_that_no_setting_names_is_told_by_the_log_and_by_doctor(distributed: Stage):
    base = f"http://127.0.0.1:{(port := free_port())}"
    distributed.start("serve", "--port", str(port))
    wait_until(lambda: answers(f"{base}/healthz"), "the web process answers")
    assert distributed.doctor(BASE_URL=base)["proxies"] == "ok"
    forwarded = urllib.request.Request(f"{base}/healthz", headers={"X-Forwarded-For": "192.0.2.7"})
    for _ in range(5):
        with urllib.request.urlopen(forwarded, timeout=60) as answer:
            json.loads(answer.read())
    wait_until(lambda: distributed.doctor(BASE_URL=base)["proxies"] == "error", "doctor knows")
    assert 1 <= distributed.logs().count("MAILER_PROXIES is 0") <= 2, "once a process"


def test_doctor_learns_through_base_url_what_no_visitor_has_shown_yet(distributed: Stage):
    base = f"http://127.0.0.1:{(port := free_port())}"
    distributed.start("serve", "--port", str(port), BASE_URL=base, MAILER_PROXIES="1")
    wait_until(lambda: answers(f"{base}/healthz"), "the web process answers")
    assert distributed.doctor(BASE_URL=base)["proxies"] == "error", "no proxy wrote the address that doctor came from"
    assert "MAILER_PROXIES" not in distributed.logs()
