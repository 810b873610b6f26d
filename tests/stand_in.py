"""SendGrid as the tests need it: as strict as the real one, with a memory, and broken in each way that it can break.

    with StandIn() as api:                    # api.url, api.key for a Client
        api.fail("error after accepting")     # the next request; see FAULTS
        ...
        assert api.times_mailed["ada@example.com"] == 1

In a process of its own: `python -m tests.stand_in --port 0 --log FILE [--key KEY] [--latency S]` prints one line of
JSON (`{"url": …, "key": …}`) and runs until it is killed. Faults come by POST /faults, a list of objects such as
`{"fault": "error before accepting", "times": 3}` or `{"bad_addresses": ["ada@example.com"]}`.

What it accepts is on the disk (FILE, one JSON object a line) *before* it answers, so that a killed sender can be
compared with what the provider really took. Times are time.monotonic(), the same in all processes of a machine.
"""

import argparse
import contextlib
import json
import os
import re
import secrets
import socket
import socketserver
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from mailer.sendgrid.strict import faults_of

KEY = "SG.stand-in.key"
PLACEHOLDER = re.compile(r"zq[0-9a-f]{16}")

# What each does instead of 202. "seconds" says how long where it lasts (default: until the stand-in stops).
FAULTS = {
    "too many": "429 with X-RateLimit-Reset in `seconds` (default 1)",
    "error before accepting": "`status` (default 503), nothing accepted",
    "error after accepting": "`status` (default 500), although all was accepted",
    "close before accepting": "the connection is reset without an answer",
    "close after accepting": "the same, although all was accepted",
    "hang before accepting": "silence for `seconds`, then the connection is closed",
    "hang after accepting": "the same, although all was accepted",
    "late": "all is accepted, and answered after `seconds` (default 1)",
    "trickle": "all is accepted, and the answer comes a byte every `seconds` (default 0.1)",
    "cut status line": "all is accepted, and the answer ends within its first line",
    "cut headers": "all is accepted, and the answer ends within its headers",
    "cut body": "`status` (default 202) with headers that promise more body than comes",
    "redirect": "302 to /elsewhere, which answers 200 to a GET",
    "200": "200 instead of 202, nothing accepted (sandbox)",
    "answer": "`status`, `body`, `headers` as given, nothing accepted",
    "unauthorized": "401",
    "no credits": "401 Maximum credits exceeded",
    "forbidden": "403",
    "too large": "413 with an HTML page",
    "too large early": "413 and a closed connection before the body was read",
    "close when idle": "all is accepted and answered, then the connection is closed `seconds` later (default 0)",
}


@dataclass
class Fault:
    name: str
    times: int
    options: dict[str, Any]
    when: Callable[[dict[str, Any]], bool] | None = None


class StandIn:
    """A server on the loopback interface. Attributes may be read and set at any time from any thread."""

    def __init__(
        self,
        *,
        key: str = KEY,
        port: int = 0,
        log: Path | str | None = None,
        latency: float = 0.0,
        strict: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.tls = tls
        self.key = key
        self.latency = latency
        self.strict = strict
        self.bad_addresses: set[str] = set()  # refused by index
        self.unnamed_bad_addresses: set[str] = set()  # refused without a place
        self.too_large_above: int | None = None  # recipients
        self.credits: dict[str, Any] | None = {"remain": 100_000, "total": 100_000, "used": 0}
        self.accepted: list[dict[str, Any]] = []  # one for each accepted request
        self.requests: list[dict[str, Any]] = []  # one for each POST /v3/mail/send, with its `status` once answered
        self.times_mailed: Counter[str] = Counter()
        self.connections = 0
        self.faults: list[Fault] = []
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self._log = open(log, "ab") if log else None  # noqa: SIM115 — closed by stop
        self._server: _Server | None = None
        self.port = port
        self.listen()

    def __enter__(self) -> "StandIn":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def recipients(self) -> list[dict[str, Any]]:
        """Everybody who was accepted, in order: delivery, email, unsubscribe_url, header, attempt, send."""
        with self.lock:
            return [
                {**one, "attempt": request["attempt"], "send": request["send"]}
                for request in self.accepted
                for one in request["recipients"]
            ]

    # -------------------------------------------------------------- switched by tests

    def fail(
        self, fault: str, *, times: int = 1, when: Callable[[dict[str, Any]], bool] | None = None, **options: Any
    ) -> None:
        """The next `times` requests (for which `when(payload)` holds) meet the fault."""
        assert fault in FAULTS, f"{fault!r} is none of {', '.join(FAULTS)}"
        with self.lock:
            self.faults.append(Fault(fault, times, options, when))

    def mend(self) -> None:
        """No fault is left, and connections are taken."""
        with self.lock:
            self.faults.clear()
            self.bad_addresses.clear()
            self.unnamed_bad_addresses.clear()
        self.listen()

    def refuse_connections(self) -> None:
        """New connections are refused and open ones closed, until `listen`."""
        with self.lock:
            server, self._server = self._server, None
        if server:
            server.shutdown()
            server.server_close()
            server.close_connections()

    def listen(self) -> None:
        with self.lock:
            if self._server is None:
                self._server = _Server(self, self.port)
                self.port = self._server.server_address[1]
                threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close_connections(self) -> None:
        """Every open connection is closed, as servers do with idle ones."""
        if self._server:
            self._server.close_connections()

    def stop(self) -> None:
        self.stopping.set()
        self.refuse_connections()
        if self._log:
            self._log.close()

    # -------------------------------------------------------------- called by requests

    def take_fault(self, payload: dict[str, Any]) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.when is None or fault.when(payload):
                    fault.times -= 1
                    if fault.times <= 0:
                        self.faults.remove(fault)
                    return fault
        return None

    def note(self, entry: dict[str, Any], durable: bool = False) -> None:
        if self._log and not self._log.closed:
            self._log.write(json.dumps(entry).encode() + b"\n")
            self._log.flush()
            if durable:
                os.fsync(self._log.fileno())

    def received(self, payload: dict[str, Any], connection: int, at: float) -> dict[str, Any]:
        entry = {
            "attempt": payload.get("custom_args", {}).get("mailer_attempt"),
            "send": payload.get("custom_args", {}).get("mailer_send"),
            "emails": [one["to"][0]["email"] for one in payload["personalizations"]],
            "connection": connection,
            "at": at,
            "status": None,
        }
        with self.lock:
            self.requests.append(entry)
            self.note({"event": "received", **entry})
        return entry

    def accept(self, payload: dict[str, Any], at: float) -> str:
        message_id = secrets.token_urlsafe(12)
        entry = {
            "event": "accepted",
            "message_id": message_id,
            "attempt": payload.get("custom_args", {}).get("mailer_attempt"),
            "send": payload.get("custom_args", {}).get("mailer_send"),
            "installation": payload.get("custom_args", {}).get("mailer_installation"),
            "subject": payload["subject"],
            "from": payload["from"],
            "headers": payload.get("headers", {}),
            "content": {part["type"]: part["value"] for part in payload["content"]},
            "at": at,
            "recipients": [_recipient(one) for one in payload["personalizations"]],
        }
        with self.lock:
            # The log is compared by address; the content is the same in each line.
            self.note({name: value for name, value in entry.items() if name != "content"}, durable=True)
            self.accepted.append(entry)
            self.times_mailed.update(one["email"] for one in entry["recipients"])
        return message_id

    def errors_of(self, payload: Any, headers: dict[str, str]) -> list[dict[str, Any]]:
        if self.strict and (errors := list(faults_of(payload, headers))):
            return errors
        emails = [one["to"][0]["email"] for one in payload["personalizations"]]
        if bad := [index for index, email in enumerate(emails) if email in self.bad_addresses]:
            return [
                _error("Does not contain a valid address.", f"personalizations.{index}.to.0.email") for index in bad
            ]
        if self.unnamed_bad_addresses.intersection(emails):
            return [_error("Bad Request", None)]
        return []


def _recipient(one: dict[str, Any]) -> dict[str, Any]:
    return {
        "delivery": one.get("custom_args", {}).get("mailer_delivery"),
        "email": one["to"][0]["email"],
        "name": one["to"][0].get("name", ""),
        "unsubscribe_url": next(iter(one.get("substitutions", {}).values()), None),
        "header": one.get("headers", {}).get("List-Unsubscribe"),
    }


def _error(message: str, field: str | None) -> dict[str, Any]:
    return {"message": message, "field": field, "help": None}


def _essential_errors(payload: Any) -> list[dict[str, Any]]:
    """The rules whose breach would harm readers, looked at without our own strict module."""
    try:
        people = payload["personalizations"]
        emails = [mailbox["email"] for one in people for mailbox in one["to"]]
        headers = payload.get("headers", {})
        parts = [(part["type"], part["value"]) for part in payload["content"]]
        sender = payload["from"]["email"]
    except (KeyError, TypeError, AttributeError):
        return [_error("Bad Request: not a mail", "")]
    wrong = []
    if not 1 <= len(people) <= 1000 or any(len(one["to"]) != 1 for one in people):
        wrong.append("1 to 1,000 personalizations, each to one")
    if len({email.lower() for email in emails}) != len(emails):
        wrong.append("an address twice")
    if "@" not in sender or not payload.get("subject"):
        wrong.append("from and subject")
    if [kind for kind, _ in parts] not in (["text/plain"], ["text/html"], ["text/plain", "text/html"]):
        wrong.append("text/plain, then text/html")
    if not all(value for _, value in parts):
        wrong.append("an empty part")
    if any("\n" in value or "\r" in value for one in [payload, *people] for value in one.get("headers", {}).values()):
        wrong.append("a line break in a header")
    text = " ".join(value for _, value in parts)
    values = {value for one in people for value in one.get("substitutions", {}).values()}
    for tags in {frozenset(one.get("substitutions", {})) for one in people}:
        left = text
        for tag in tags:
            left = left.replace(tag, "")
        if PLACEHOLDER.search(left) or any(PLACEHOLDER.search(value) for value in values):
            wrong.append("something that was not filled in")
            break
    if "List-ID" in headers or "Precedence" in headers:
        links = [one.get("headers", {}).get("List-Unsubscribe", "") for one in people]
        if len(set(links)) != len(links) or not all(re.fullmatch(r"<https?://[^<>,\s]+>", link) for link in links):
            wrong.append("one List-Unsubscribe for each reader")
        if any(
            value != one["headers"]["List-Unsubscribe"][1:-1]
            for one in people
            for value in one.get("substitutions", {}).values()
            if "List-Unsubscribe" in one.get("headers", {})
        ):
            wrong.append("the link in the text is that in the header")
        if headers.get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click":
            wrong.append("one-click")
    return [_error(f"stand-in: {what}", "stand-in") for what in wrong]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, api: StandIn, port: int) -> None:
        self.api = api
        self.open: dict[socket.socket, int] = {}  # and which connection it is
        super().__init__(("127.0.0.1", port), _Handler)
        if api.tls:
            self.socket = api.tls.wrap_socket(self.socket, server_side=True)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer looks up the machine's name, which can take seconds

    def process_request(self, request: Any, client_address: Any) -> None:
        with self.api.lock:
            self.api.connections += 1
            self.open[request] = self.api.connections
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.pop(request, None)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no event."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.api = self.server.api
        self.number = self.server.open.get(self.connection, 0)

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    # -------------------------------------------------------------- doors

    def do_GET(self) -> None:
        if self.path == "/elsewhere":
            self.answer(200, {"welcome": "to another page"})
        elif not self.has_key():
            self.refuse_key()
        elif self.path == "/v3/scopes":
            self.answer(200, {"scopes": ["mail.send", "user.credits.read"]})
        elif self.path == "/v3/user/credits" and self.api.credits is not None:
            self.answer(200, self.api.credits)
        elif self.path == "/state":
            with self.api.lock:
                state = {"connections": self.api.connections, "requests": len(self.api.requests)}
                self.answer(200, {**state, "times_mailed": dict(self.api.times_mailed)})
        else:
            self.answer(404, {"errors": [_error("Not found.", None)]})

    def do_POST(self) -> None:
        at = time.monotonic()
        if self.path == "/v3/mail/send" and self.meets_early_fault():
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if len(body) != int(self.headers.get("Content-Length") or 0):
            self.close_connection = True
        elif self.path == "/faults":
            self.switch(json.loads(body))
        elif self.path != "/v3/mail/send":
            self.answer(404, {"errors": [_error("Not found.", None)]})
        elif not self.has_key():
            self.refuse_key()
        else:
            self.mail_send(body, at)

    def switch(self, orders: list[dict[str, Any]]) -> None:
        """POST /faults, from a test to a stand-in in another process."""
        for order in orders:
            if "fault" in order:
                self.api.fail(order.pop("fault"), times=order.pop("times", 1), **order)
            for name in ("bad_addresses", "unnamed_bad_addresses"):
                if name in order:
                    setattr(self.api, name, set(order[name]))
            for name in ("latency", "credits", "too_large_above"):
                if name in order:
                    setattr(self.api, name, order[name])
            if order.get("mend"):
                self.api.mend()
        self.answer(200, {})
        for order in orders:
            if "refuse_for" in order:
                threading.Thread(target=self.refuse_for, args=(order["refuse_for"],), daemon=True).start()

    def refuse_for(self, seconds: float) -> None:
        self.api.refuse_connections()
        self.api.stopping.wait(seconds)
        if not self.api.stopping.is_set():
            self.api.listen()

    # -------------------------------------------------------------- mail

    def mail_send(self, body: bytes, at: float) -> None:
        if self.api.latency:
            time.sleep(self.api.latency)
        try:
            payload = json.loads(body)
        except ValueError:
            self.answer(400, {"errors": [_error("Bad Request", None)]})
            return
        if errors := _essential_errors(payload):
            self.api.note({"event": "refused", "errors": errors})
            self.answer(400, {"errors": errors})
            return
        self.entry = self.api.received(payload, self.number, at)
        if fault := self.api.take_fault(payload):
            self.meet(fault, payload, at)
        else:
            self.answer_truly(payload, at)

    def answer_truly(self, payload: dict[str, Any], at: float) -> None:
        if errors := self.api.errors_of(payload, dict(self.headers)):
            self.api.note({"event": "refused", "errors": errors})
            self.answer(400, {"errors": errors})
        elif self.api.too_large_above is not None and len(payload["personalizations"]) > self.api.too_large_above:
            self.answer_too_large()
        else:
            self.answer(202, None, {"X-Message-Id": self.api.accept(payload, at)})

    def meets_early_fault(self) -> bool:
        with self.api.lock:
            early = next((fault for fault in self.api.faults if fault.name == "too large early"), None)
            if early:
                self.api.faults.remove(early)
        if early:
            self.close_connection = True
            self.answer_too_large()
        return early is not None

    def meet(self, fault: Fault, payload: dict[str, Any], at: float) -> None:
        options = fault.options
        if fault.name in (
            "error after accepting",
            "close after accepting",
            "hang after accepting",
            "trickle",
            "late",
        ) or (
            fault.name in ("cut status line", "cut headers", "close when idle")
            or (fault.name == "cut body" and options.get("status", 202) == 202)
        ):
            if errors := self.api.errors_of(payload, dict(self.headers)):
                self.answer(400, {"errors": errors})
                return
            self.message_id = self.api.accept(payload, at)
        match fault.name:
            case "too many":
                reset = str(int(time.time() + options.get("seconds", 1)))
                self.answer(429, {"errors": [_error("too many requests", None)]}, {"X-RateLimit-Reset": reset})
            case "error before accepting" | "error after accepting":
                status = options.get("status", 503 if fault.name == "error before accepting" else 500)
                self.answer(status, {"errors": [_error("internal error", None)]})
            case "close before accepting" | "close after accepting":
                self.reset()
            case "hang before accepting" | "hang after accepting":
                self.api.stopping.wait(options.get("seconds"))
                self.reset()
            case "late":
                self.api.stopping.wait(options.get("seconds", 1))
                self.answer(202, None, {"X-Message-Id": self.message_id})
            case "trickle":
                self.trickle(options.get("seconds", 0.1))
            case "cut status line":
                self.cut(b"HTTP/1.1 202")
            case "cut headers":
                self.cut(b"HTTP/1.1 202 Accepted\r\nX-Message-Id: abc")
            case "cut body":
                status = options.get("status", 202)
                self.cut(f'HTTP/1.1 {status} x\r\nX-Message-Id: abc\r\nContent-Length: 50\r\n\r\n{{"err'.encode())
            case "redirect":
                self.answer(302, None, {"Location": f"{self.api.url}/elsewhere"})
            case "200":
                self.answer(200, None)
            case "answer":
                self.answer_as_given(**options)
            case "unauthorized":
                self.refuse_key()
            case "no credits":
                self.answer(401, {"errors": [_error("Maximum credits exceeded", None)]})
            case "forbidden":
                words = "The from address does not match a verified Sender Identity."
                self.answer(403, {"errors": [_error(words, "from")]})
            case "too large":
                self.answer_too_large()
            case "close when idle":
                self.answer(202, None, {"X-Message-Id": self.message_id})
                time.sleep(options.get("seconds", 0))
                self.close_connection = True

    # -------------------------------------------------------------- answers

    def has_key(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {self.api.key}"

    def refuse_key(self) -> None:
        self.answer(401, {"errors": [_error("The provided authorization grant is invalid, expired, or revoked", None)]})

    def answer_too_large(self) -> None:
        page = "<html><head><title>413</title></head><body><h1>413 Request Entity Too Large</h1></body></html>"
        self.answer_as_given(413, page, {"Content-Type": "text/html"})

    def answer(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        kind = {"Content-Type": "application/json"} if content is not None else {}
        self.answer_as_given(status, "" if content is None else json.dumps(content), {**kind, **(headers or {})})

    def answer_as_given(self, status: int, body: str = "", headers: dict[str, str] | None = None) -> None:
        if hasattr(self, "entry"):
            self.entry["status"] = status
            del self.entry
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body.encode())), **(headers or {})}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body.encode())

    def trickle(self, pause: float) -> None:
        self.close_connection = True
        for byte in b"HTTP/1.1 202 Accepted\r\nX-Message-Id: slow\r\nContent-Length: 0\r\n\r\n":
            self.wfile.write(bytes([byte]))
            if self.api.stopping.wait(pause):
                return

    def cut(self, some: bytes) -> None:
        self.close_connection = True
        self.wfile.write(some)

    def reset(self) -> None:
        """The connection ends with RST, as when a load balancer loses its server."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.server.open.pop(self.connection, None)
        self.connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="a SendGrid for tests; nobody receives mail")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--key", default=KEY)
    parser.add_argument("--latency", type=float, default=0.0)
    options = parser.parse_args()
    with StandIn(key=options.key, port=options.port, log=options.log, latency=options.latency) as api:
        print(json.dumps({"url": api.url, "key": api.key}), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
