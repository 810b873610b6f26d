"""A SendGrid of our own on this machine, for when no API key is set. Nobody receives mail.

It takes requests from the same client over a real socket, refuses what SendGrid would refuse, and keeps a record:

    <folder>/README.txt
    <folder>/<send id>/accepted.jsonl   one line for each accepted request, on disk before the request is answered
    <folder>/<send id>/0001.eml …       the first 20 mails, as their readers would get them
    <folder>/mail/…                     mails that belong to no send, such as confirmations
"""

import contextlib
import hmac
import json
import os
import re
import secrets
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import orjson

from mailer.config.loopback import LoopbackServer, QuietHandler
from mailer.providers.headers import header_value, phrase
from mailer.providers.sendgrid.strict import Fault, fault, faults_of
from subscribers import shared_files

SHOWN = 20
LARGEST_REQUEST = 40_000_000
_README = """\
Rehearsals: what would have been mailed. Nobody received any of it.

Each folder is one send. accepted.jsonl says which requests were accepted and for whom;
the .eml files are the first mails as their readers would get them: open them in a mail program.
The folder "mail" holds confirmations and other single mails. Everything here may be deleted.
"""


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
        """Requests are answered from now on."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="rehearsal", daemon=True)
        thread.start()

    def stop(self) -> None:
        """No further connection is taken. Only after `start`."""
        self._server.shutdown()
        self._server.server_close()

    def accept(self, payload: dict[str, Any]) -> str:
        """The request is in the record and on the disk; its message id. Raises OSError where it cannot be written."""
        arguments = payload.get("custom_args", {})
        folder = self._folder_of(arguments.get("mailer_send", ""))
        message_id = secrets.token_urlsafe(16)
        with _locked(folder / "accepted.jsonl") as record:
            _start_anew_for_another_installation(folder, arguments.get("mailer_installation", ""))
            _append(record, _line(payload))
            # The mails are for people to look at; the record above is what counts.
            with contextlib.suppress(OSError):
                _write_first_mails(folder, payload, message_id)
        return message_id

    def _folder_of(self, send: str) -> Path:
        folder = self.folder / (send or "mail")
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (self.folder / "README.txt").write_text(_README)
            shared_files.sync_folder(self.folder)
        return folder


def forget(folder: Path, send_id: int) -> None:
    """The record of a rehearsal is gone: another has taken its place."""
    shutil.rmtree(folder / str(send_id), ignore_errors=True)


def accepted_attempts(folder: Path, send_id: int | str) -> set[str]:
    """The attempts of a send that a rehearsal accepted: the evidence both ways, as nothing else accepts.

    A last line that a crash cut off was never answered, and does not count.
    """
    try:
        lines = (folder / str(send_id) / "accepted.jsonl").read_bytes().splitlines()
    except FileNotFoundError:
        return set()
    return {attempt for line in lines if (attempt := _attempt_of(line))}


def _attempt_of(line: bytes) -> str:
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        return ""
    return str(entry.get("attempt") or "") if isinstance(entry, dict) else ""


# ---------------------------------------------------------------- the record


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The file, open for this process alone: several workers rehearse one send."""
    fresh = not path.exists()
    with shared_files.locked(path) as file:
        if fresh:
            shared_files.sync_folder(path.parent)
        yield file.fileno()


def _append(record: int, line: bytes) -> None:
    """`line` is on the disk, whole and on a line of its own; on failure the file is as it was."""
    size = shared_files.append(record, line)
    try:
        os.fsync(record)
    except OSError:
        os.ftruncate(record, size)
        raise


def _line(payload: Mapping[str, Any]) -> bytes:
    common = payload.get("custom_args", {})
    entry = {
        "attempt": common.get("mailer_attempt"),
        "send": common.get("mailer_send"),
        "at": datetime.now(UTC).isoformat(),  # noqa: TID251 — to be read by people
        "recipients": [
            {"delivery": one.get("custom_args", {}).get("mailer_delivery"), "email": mailbox["email"]}
            for one in payload["personalizations"]
            for mailbox in one["to"] + one.get("cc", []) + one.get("bcc", [])
        ],
    }
    return orjson.dumps(entry) + b"\n"


def _start_anew_for_another_installation(folder: Path, installation: str) -> None:
    """Mails shown here are those of this installation: a new database counts its sends from 1 again."""
    owner = folder / ".installation"
    if installation and (owner.read_text() if owner.exists() else "") != installation:
        for mail in folder.glob("*.eml"):
            mail.unlink()
        owner.write_text(installation)


# ---------------------------------------------------------------- the mails


def _write_first_mails(folder: Path, payload: Mapping[str, Any], message_id: str) -> None:
    number = sum(1 for _ in folder.glob("*.eml"))
    # Confirmations have no end: the oldest number is kept, each new one is added.
    limit = SHOWN if folder.name != "mail" else sys.maxsize
    for index, one in enumerate(payload["personalizations"][: max(limit - number, 0)]):
        mail = mail_of(payload, one, f"{message_id}.{index}")
        (folder / f"{number + index + 1:04}.eml").write_bytes(mail)


def mail_of(payload: Mapping[str, Any], personalization: Mapping[str, Any], message_id: str) -> bytes:
    """The mail that one personalization becomes, substituted, as it would arrive (RFC 5322)."""
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
    """Encoded-words each on a line of their own; nothing else is broken, least of all an address."""
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
        """Whether our own client asks. A web page in a browser on this machine must not reach the rehearsal."""
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
    """The send's id names a folder: digits, or none."""
    arguments = payload.get("custom_args", {}) if isinstance(payload, dict) else {}
    send = arguments.get("mailer_send", "") if isinstance(arguments, dict) else ""
    return (
        []
        if re.fullmatch(r"[0-9]{0,19}", send)
        else [fault("mailer_send must be a number.", "custom_args.mailer_send")]
    )
