"""What `mailer serve` and `mailer worker` write to their real stderr, in production."""

import json
import re
import urllib.error
import urllib.request
from datetime import datetime
from typing import Any

import pytest

from tests.ports import free_port
from tests.processes.stage import Stage, answers, wait_until
from tests.processes.test_settings import SAFE
from tests.stand_in import StandIn

pytestmark = pytest.mark.slow

TEXT = re.compile(r"(\S+) (\S+) (\S+) (.*)")
KEY = re.compile(r' (\w+)=("(?:[^"\\]|\\.)*"|\S+)')
REFUSED = 30


def parse(line: str, form: str) -> dict[str, Any]:
    """Parse a log line in one of its formats; fail for anything else."""
    if form == "json":
        return dict(json.loads(line))
    time, level, logger, rest = TEXT.fullmatch(line).groups()
    keys = {name: json.loads(value) if value[0] == '"' else value for name, value in KEY.findall(rest)}
    return {"time": time, "level": level, "logger": logger, "message": KEY.sub("", rest), **keys}


def status_of(url: str, body: bytes | None = None) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_log_of_production_has_a_line_for_each_event_and_nobodys_address(embedded: Stage, api: StandIn, form):
    embedded.settings |= SAFE | {
        "SENDGRID_API_KEY": api.key,
        "SENDGRID_API_URL": api.url,
        "MAILER_LOG_FORMAT": form,
    }
    base = f"http://127.0.0.1:{(port := free_port())}"
    readers = embedded.import_readers({"active": 3})["active"]
    # One process, which counts what repeats; and the worker beside it.
    serving = embedded.start("serve", "--port", str(port), MAILER_WEB_PROCESSES="1")
    wait_until(lambda: answers(f"{base}/healthz"), "the web process answers")
    wait_until(embedded.swept, "the worker has swept")
    planned = embedded.run(
        "send", "issue", "issues/2026-11-20.md", "--yes", "--detach", MAILER_LOG_LEVEL="info"
    ).err.splitlines()
    wait_until(embedded.finished, "the send is finished")
    token = api.accepted[0]["recipients"][0]["header"].strip("<>").rstrip("/").rpartition("/")[2]
    assert status_of(f"{base}/unsubscribe/{token}/") == 200
    assert [status_of(f"{base}/webhooks/sendgrid/", b"[]") for _ in range(REFUSED)] == [403] * REFUSED
    embedded.stop(serving)

    written = embedded.logs().partition("\n")[2].splitlines()
    for line in written:
        assert not [secret for secret in (*readers, token, api.key, SAFE["SECRET_KEY"]) if secret in line]
    lines = [parse(line, form) for line in written if line.startswith("{") or form == "text"]
    assert len(lines) == len([line for line in written if line])
    assert {datetime.fromisoformat(line["time"]).utcoffset().total_seconds() for line in lines} == {0.0}
    assert {line["level"] for line in lines} <= {"INFO", "WARNING"}

    said = [(line["logger"], line["message"]) for line in lines]
    for event in ("worker started", "worker stopped", "send finished"):
        assert [message for _, message in said].count(event) == 1
    assert any(logger == "gunicorn.error" and message.startswith("Listening at") for logger, message in said)
    assert any("send planned" in line and "readers" in line for line in planned)

    requests = [line for line in lines if line["message"] == "request"]
    opened = [line for line in requests if str(line["route"]).endswith("unsubscribe")]
    assert [(line["method"], int(line["status"]), int(line["ms"]) >= 0) for line in opened] == [("GET", 200, True)]
    refused = [line for line in lines if line["message"] == "events refused"]
    assert len(refused) == 11, "ten lines and their sum, or a few more if a minute ended in between"
    assert int(refused[-1]["repeated"]) == REFUSED - 10
    assert "SENDGRID_WEBHOOK_PUBLIC_KEY is not set" in refused[0]["why"]


def test_a_level_or_format_that_does_not_exist_is_named(embedded: Stage):
    assert "MAILER_LOG_LEVEL is 'LOUD'" in embedded.run("status", expect=2, MAILER_LOG_LEVEL="loud").err
    assert "MAILER_LOG_FORMAT is 'xml'" in embedded.run("status", expect=2, MAILER_LOG_FORMAT="xml").err


def test_a_command_keeps_quiet_about_what_is_as_it_should_be(embedded: Stage):
    assert " INFO " not in embedded.run("subscribers", "list").err


def test_a_start_that_fails_is_an_object_too_where_the_log_is_json(embedded: Stage):
    (embedded.folder / "newsletter.toml").unlink()
    away = {"DATABASE_URL": "postgres://ada:secret@127.0.0.1:9/news", "MAILER_LOG_FORMAT": "json"}
    last = embedded.run("worker", expect=1, **away).err.splitlines()[-1]
    assert "127.0.0.1" in json.loads(last)["message"]


def test_the_log_of_a_worker_is_its_own_also_while_its_broker_is_away(distributed: Stage, broker):
    """Messages of Celery, kombu and redis have the same format, without the password in the broker's URL."""
    locked = broker.url.replace("redis://", "redis://:hunter-secret@")  # a server without passwords takes any
    worker = distributed.start("worker", MAILER_LOG_FORMAT="json", MAILER_LOG_LEVEL="DEBUG", CELERY_BROKER_URL=locked)
    wait_until(distributed.swept, "the worker has swept")
    broker.stop()
    wait_until(lambda: "broker unavailable" in distributed.logs(), "the worker knows")
    broker.start()
    wait_until(lambda: "broker is back" in distributed.logs(), "the worker hears again")
    distributed.stop(worker)
    written = [line for line in distributed.logs().splitlines() if line and not line.startswith("== ")]
    assert {"worker started", "broker is back", "worker stopped"} <= {json.loads(line)["message"] for line in written}
    assert "hunter-secret" not in distributed.logs()
