"""What the stand-in knows and remembers, and the switches that tests use."""

import json
import os
import secrets
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mailer.providers.sendgrid.strict import faults_of
from tests.stand_in.essentials import error
from tests.stand_in.faults import FAULTS, Fault
from tests.stand_in.servers import Server

KEY = "SG.stand-in.key"


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
        self.other_keys: set[str] = set()  # taken too: a newer key of this account, or one of another customer
        self.strangers = 0  # mails with a key that is none of these, answered 401
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
        self._server: Server | None = None
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
        """Return everybody who was accepted, in order: delivery, email, unsubscribe_url, header, attempt, send."""
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
        """Let the next `times` requests (for which `when(payload)` holds) meet the fault."""
        assert fault in FAULTS, f"{fault!r} is none of {', '.join(FAULTS)}"
        with self.lock:
            self.faults.append(Fault(fault, times, options, when))

    def repair(self) -> None:
        """Remove all faults, and accept connections."""
        with self.lock:
            self.faults.clear()
            self.bad_addresses.clear()
            self.unnamed_bad_addresses.clear()
        self.listen()

    def refuse_connections(self) -> None:
        """Refuse new connections and close open ones, until `listen`."""
        with self.lock:
            server, self._server = self._server, None
        if server:
            server.shutdown()
            server.server_close()
            server.close_connections()

    def listen(self) -> None:
        with self.lock:
            if self._server is None:
                self._server = Server(self, self.port)
                self.port = self._server.server_address[1]
                threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close_connections(self) -> None:
        """Close every open connection, as servers do with idle ones."""
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

    def received(self, payload: dict[str, Any], connection: int, at: float, key: str) -> dict[str, Any]:
        entry = {
            "attempt": payload.get("custom_args", {}).get("mailer_attempt"),
            "send": payload.get("custom_args", {}).get("mailer_send"),
            "emails": [one["to"][0]["email"] for one in payload["personalizations"]],
            "connection": connection,
            "key": key,
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
            return [error("Does not contain a valid address.", f"personalizations.{index}.to.0.email") for index in bad]
        if self.unnamed_bad_addresses.intersection(emails):
            return [error("Bad Request", None)]
        return []


def _recipient(one: dict[str, Any]) -> dict[str, Any]:
    return {
        "delivery": one.get("custom_args", {}).get("mailer_delivery"),
        "email": one["to"][0]["email"],
        "name": one["to"][0].get("name", ""),
        "unsubscribe_url": next(iter(one.get("substitutions", {}).values()), None),
        "header": one.get("headers", {}).get("List-Unsubscribe"),
    }
