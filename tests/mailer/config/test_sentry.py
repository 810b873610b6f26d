"""What Sentry receives, at an envelope endpoint on this machine."""

import gzip
import json
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import pytest
import sentry_sdk
from django.test import Client

from mailer.config import sentry
from subscribers import tokens

pytestmark = pytest.mark.django_db

TOKEN = tokens.make(tokens.UNSUBSCRIBE, UUID(int=7), "weekly", b"k" * 32)
SECRETS = ("ada", "readers.example", TOKEN[:20], "abcdefghijklmnop", "news.example", "hunter", "a-cookie", "Lovelace")


class Receiver(ThreadingHTTPServer):
    """A Sentry endpoint that stores the bodies of what is posted."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Endpoint)
        self.bodies: list[str] = []
        self.dsn = f"http://public@127.0.0.1:{self.server_port}/1"

    @property
    def events(self) -> list[dict[str, Any]]:
        """Parse an envelope, which is lines of JSON: its header, then header and content of each item."""
        envelopes = [[json.loads(line) for line in body.splitlines()][1:] for body in self.bodies]
        items = [item for lines in envelopes for item in zip(lines[::2], lines[1::2], strict=True)]
        return [content for head, content in items if head["type"] == "event"]


class _Endpoint(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        packed = self.headers.get("Content-Encoding") == "gzip"
        self.server.bodies.append((gzip.decompress(body) if packed else body).decode())
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def reporting(receiver: Receiver) -> Iterator[Receiver]:
    """Let this process report to the receiver."""
    sentry.start(receiver.dsn)
    yield receiver
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)


def test_an_error_arrives_with_its_place_and_without_anything_about_a_subscriber(reporting, monkeypatch):
    def fail(token, *_):
        local = "ada@readers.example"
        raise RuntimeError(
            f"{local} has no row at https://news.example/unsubscribe/{token}/ with SG.abcdefghijklmnop.qrst\n"
            "DETAIL: Failing row contains (12, Ada Lovelace)."
        )

    monkeypatch.setattr("subscribers.tokens.read", fail)
    browser = Client(raise_request_exception=False)
    browser.cookies["sessionid"] = "a-cookie"
    path = f"/unsubscribe/{TOKEN}/?email=ada@readers.example"
    answer = browser.post(path, {"note": "hunter"}, headers={"Authorization": "Bearer hunter", "X-Who": "ada"})
    assert answer.status_code == 500
    sentry_sdk.flush(20)

    (event,) = reporting.events
    (error,) = event["exception"]["values"]
    assert error["type"] == "RuntimeError"
    assert error["value"].startswith("[address] has no row at [url]")
    assert error["stacktrace"]["frames"][-1]["function"] == "fail"
    assert "unsubscribe" in event["logentry"]["formatted"]
    assert event["logger"] == "django.request"
    # Without the ids: in one of a hundred runs, a random one has the letters "ada".
    said = re.sub("[0-9a-f]{16,}", "", reporting.bodies[0].replace("test_an_error_arrives", ""))
    for secret in SECRETS:
        assert secret not in said


def test_an_error_that_is_logged_arrives_with_its_keys_and_a_warning_does_not(reporting):
    logging.getLogger("mailer.sending").warning("will try again")
    logging.getLogger("mailer.sending").error("send paused", extra={"send": 12, "why": "ada@readers.example"})
    sentry_sdk.flush(20)
    (event,) = reporting.events
    assert event["logentry"]["formatted"] == "send paused"
    assert event["extra"] == {"send": "12", "why": "[address]"}
    assert not {"breadcrumbs", "request", "user", "modules", "server_name", "contexts"} & set(event)


START = "import sys; sys.modules.update(dict.fromkeys(sys.argv[1:])); import mailer.settings"


def started_with(dsn: str, *missing: str) -> str:
    environment = dict(os.environ) | {"SENTRY_DSN": dsn}
    ran = subprocess.run([sys.executable, "-c", START, *missing], capture_output=True, text=True, env=environment)
    return ran.stderr


def test_a_start_without_the_package_or_with_a_bad_address_says_so():
    dsn = "http://public@127.0.0.1:9/1"
    assert started_with(dsn) == ""
    assert "pip install 'markdown-mailer[sentry]'" in started_with(dsn, "sentry_sdk")
    assert "SENTRY_DSN is not a valid Sentry DSN" in started_with("sentry.example.com")
