"""A SendGrid of our own on this machine, for when no API key is set. Nobody receives email.

It takes requests from the same client over a real socket, refuses what SendGrid would refuse, and keeps the record of
`mailer.providers.rehearsal`.
"""

import hmac
import json
import re
import secrets
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from mailer.config.loopback import LoopbackServer, QuietHandler
from mailer.providers.headers import header_value, phrase
from mailer.providers.rehearsal import Accepted, accept
from mailer.providers.sendgrid.strict import Fault, fault, faults_of

LARGEST_REQUEST = 40_000_000


class Rehearsal:
    """A server on the loopback interface, at a random port, behind a random path and key. Nobody receives mail."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = f"rehearsal.{secrets.token_urlsafe(24)}"
        self.token = secrets.token_urlsafe(24)
        self._server = _Server(self)
        self.netloc = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self.netloc}/{self.token}"

    def __repr__(self) -> str:
        return f"<Rehearsal at {self.netloc}>"

    def start(self) -> None:
        """Start answering requests."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="rehearsal", daemon=True)
        thread.start()

    def stop(self) -> None:
        """Accept no further connection. Only after `start`."""
        self._server.shutdown()
        self._server.server_close()

    def accept(self, payload: dict[str, Any]) -> str:
        """Write the request into the record, on the disk; return its message id. Raises OSError if that fails."""
        arguments, message_id = payload.get("custom_args", {}), secrets.token_urlsafe(16)
        people = payload["personalizations"]
        request = Accepted(
            installation=arguments.get("mailer_installation", ""),
            send=arguments.get("mailer_send", ""),
            attempt=arguments.get("mailer_attempt", ""),
            recipients=[
                {"delivery": one.get("custom_args", {}).get("mailer_delivery"), "email": mailbox["email"]}
                for one in people
                for mailbox in one["to"] + one.get("cc", []) + one.get("bcc", [])
            ],
            mails=[partial(mail_of, payload, one, f"{message_id}.{index}") for index, one in enumerate(people)],
        )
        accept(self.folder, request)
        return message_id


# ---------------------------------------------------------------- the mails


def mail_of(payload: Mapping[str, Any], personalization: Mapping[str, Any], message_id: str) -> bytes:
    """Return the email that one personalization becomes, substituted, as it would arrive (RFC 5322)."""
    headers = {
        "Date": format_datetime(datetime.now(UTC)),  # noqa: TID251 — as any mail program does
        "Message-ID": f"<{message_id}@rehearsal.invalid>",
        "From": _mailbox(payload["from"]),
        "To": ", ".join(_mailbox(one) for one in personalization["to"]),
        "Subject": header_value(_substituted(payload["subject"], personalization)),
    }
    if personalization.get("cc"):
        headers["Cc"] = ", ".join(_mailbox(one) for one in personalization["cc"])
    if payload.get("reply_to"):
        headers["Reply-To"] = _mailbox(payload["reply_to"])
    headers |= payload.get("headers", {}) | personalization.get("headers", {})
    lines = [f"{name}: {_folded(value)}\r\n" for name, value in headers.items()]
    return "".join(lines).encode("utf-8", "replace") + _body(payload["content"], personalization)


def _body(content: list[dict[str, str]], personalization: Mapping[str, Any]) -> bytes:
    # Not the headers: with a longer line it would write encoded-words beyond 75 characters, without one it would
    # encode List-Unsubscribe.
    message = EmailMessage(policy=SMTP.clone(max_line_length=998))
    first, *others = content
    message.set_content(_substituted(first["value"], personalization), subtype=first["type"].removeprefix("text/"))
    for part in others:
        text = _substituted(part["value"], personalization)
        message.add_alternative(text, subtype=part["type"].removeprefix("text/"))
    return message.as_bytes()


def _substituted(text: str, personalization: Mapping[str, Any]) -> str:
    for tag, value in personalization.get("substitutions", {}).items():
        text = text.replace(tag, value)
    return text


def _mailbox(mailbox: Mapping[str, str]) -> str:
    name = mailbox.get("name", "")
    return f"{phrase(name)} <{mailbox['email']}>" if name else mailbox["email"]


def _folded(value: str) -> str:
    """Put each encoded-word on its own line; break nothing else, least of all an address."""
    return re.sub(r"(?<=\?=) (?==\?)", "\r\n ", value)


# ---------------------------------------------------------------- the server


class _Server(LoopbackServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, rehearsal: Rehearsal) -> None:
        self.rehearsal = rehearsal
        super().__init__(0, _Handler)


class _Handler(QuietHandler):
    server: _Server
    server_version = "mailer-rehearsal"
    timeout = 30  # seconds that an idle connection is kept

    def do_GET(self) -> None:
        if self._is_ours():
            known = self.path.endswith("/v3/scopes")
            self._answer(200 if known else 404, {"scopes": ["mail.send"]} if known else _errors(fault("Not found.")))

    def do_POST(self) -> None:
        body = self._body()
        if body is None or not self._is_ours():
            return
        if self.path != f"/{self.server.rehearsal.token}/v3/mail/send":
            self._answer(404, _errors(fault("Not found.")))
            return
        self._mail_send(body)

    def _mail_send(self, body: bytes) -> None:
        try:
            payload = json.loads(body)
        except (ValueError, RecursionError):
            self._answer(400, _errors(fault("Bad Request")))
            return
        if faults := [*faults_of(payload, dict(self.headers)), *_faults_of_send(payload)]:
            self._answer(400, _errors(*faults))
            return
        try:
            message_id = self.server.rehearsal.accept(payload)
        except OSError as error:
            self._answer(503, _errors(fault(f"The rehearsal cannot write its record: {error.strerror}.")))
            return
        self._answer(202, None, {"X-Message-Id": message_id})

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > LARGEST_REQUEST:
            self.close_connection = True
            self._answer(413, _errors(fault("The request is too large.")))
            return None
        return self.rfile.read(int(length))

    def _is_ours(self) -> bool:
        """Tell whether our own client asks. A web page in a browser on this machine must not reach the rehearsal."""
        ours = self.server.rehearsal
        if self.headers.get("Host") != ours.netloc or "Origin" in self.headers:
            self._answer(403, _errors(fault("This server answers only its own client.")))
        elif not _same(self.path.split("/")[1], ours.token):
            self._answer(404, _errors(fault("Not found.")))
        elif not _same(self.headers.get("Authorization", ""), f"Bearer {ours.key}"):
            self._answer(401, _errors(fault("The provided authorization grant is invalid, expired, or revoked")))
        else:
            return True
        return False

    def _answer(self, status: int, content: Any, headers: Mapping[str, str] | None = None) -> None:
        body = b"" if content is None else orjson.dumps(content)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        if body:
            self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), wanted.encode())


def _errors(*faults: Fault) -> dict[str, list[Fault]]:
    return {"errors": list(faults)}


def _faults_of_send(payload: Any) -> list[Fault]:
    """Check that the send's id, which names a folder, is digits or empty."""
    arguments = payload.get("custom_args", {}) if isinstance(payload, dict) else {}
    send = arguments.get("mailer_send", "") if isinstance(arguments, dict) else ""
    return (
        []
        if re.fullmatch(r"[0-9]{0,19}", send)
        else [fault("mailer_send must be a number.", "custom_args.mailer_send")]
    )
