"""SendGrid as a `Provider`: what the rest of mailer asks, answered by the modules beside this one."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage

from mailer.providers.answers import Answer
from mailer.providers.events import Meaning, ProviderEvent
from mailer.providers.messages import Message, Recipients
from mailer.providers.policies import policy_of
from mailer.providers.protocol import Names
from mailer.providers.sendgrid import webhook
from mailer.providers.sendgrid.account import SendGridAccount
from mailer.providers.sendgrid.bounces import bounce_of, meaning
from mailer.providers.sendgrid.client import Client
from mailer.providers.sendgrid.payload import Request, as_json, write_request
from mailer.providers.sendgrid.single_mails import build_mail
from mailer.providers.sendgrid.strict import MOST_RECIPIENTS, faults_of
from mailer.providers.sendgrid.suppressions import SendGridSuppressions

SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"
# Also below a domain of the sender's ("link branding"): /ls/click?upn=…, /wf/click?upn=…, /wf/open?upn=…
_REWRITTEN = re.compile(r"/(?:ls|wf)/(?:click|open)", re.IGNORECASE)

NAMES = Names(
    provider="SendGrid",
    path="sendgrid",
    key="SENDGRID_API_KEY",
    url="SENDGRID_API_URL",
    events="SENDGRID_WEBHOOK_PUBLIC_KEY",
    authenticate="authenticate the domain at SendGrid (Settings, Sender Authentication)",
    tracking="switch Click Tracking, Open Tracking and Subscription Tracking off at SendGrid (Settings, Tracking)",
    events_page="Settings, Mail Settings, Event Webhook at SendGrid",
)


class SendGrid:
    names = NAMES
    most_recipients = MOST_RECIPIENTS
    dkim_selectors: Sequence[str] = ("s1", "s2")  # where it rotates the keys itself

    def __init__(self) -> None:
        self.events: SendGridEvents | None = SendGridEvents()
        self.account: SendGridAccount | None = SendGridAccount(self.client)
        self.suppressions: SendGridSuppressions | None = SendGridSuppressions(self.client)

    def client(self) -> Client:
        """Return the process's one client for the key that is set."""
        return _client(settings.SENDGRID_API_URL, settings.SENDGRID_API_KEY, settings.MAILER_HTTP_TIMEOUT)

    def key(self) -> str:
        key: str = settings.SENDGRID_API_KEY
        return key

    def prepare(self, message: Message, recipients: Recipients, attempt: UUID | None) -> Request:
        return write_request(message, recipients, attempt)

    def prepare_single(self, mail: EmailMessage) -> Request:
        return Request(as_json(build_mail(mail)), 1)

    def faults(self, request: Request) -> list[str]:
        found = faults_of(json.loads(request.body), {"Content-Type": "application/json"})
        return [str(fault["message"]) for fault in found]

    def get_ready(self) -> None:
        self.client()

    def post(self, request: Request, first_byte_by: float | None = None) -> Answer:
        return self.client().post(request, first_byte_by)

    def rewrites(self, link: str) -> bool:
        parts = urlsplit(link)
        host = (parts.hostname or "").lower()
        return host.endswith("sendgrid.net") or bool(_REWRITTEN.match(parts.path) and "upn=" in parts.query)

    def rehearse(self, folder: Path) -> "RehearsedSendGrid":
        return RehearsedSendGrid(folder)


class RehearsedSendGrid(SendGrid):
    """The same requests by the same client to a server in this process, which is as strict and mails nobody."""

    def __init__(self, folder: Path) -> None:
        from mailer.providers.sendgrid.rehearsal import Rehearsal

        self.events = self.account = self.suppressions = None
        self._server = Rehearsal(folder)
        self._server.start()

    def client(self) -> Client:
        return _client(self._server.url, self._server.key, settings.MAILER_HTTP_TIMEOUT)


class SendGridEvents:
    """The signed event webhook."""

    def keys(self) -> Sequence[bytes]:
        keys: tuple[bytes, ...] = settings.SENDGRID_WEBHOOK_KEYS
        return keys

    def verify(self, body: bytes, headers: Mapping[str, str], now: Callable[[], datetime]) -> bytes:
        return webhook.verify(body, headers.get(SIGNATURE), headers.get(TIMESTAMP), self.keys(), now)

    def parse(self, body: bytes) -> list[ProviderEvent]:
        return webhook.parse(body)

    def kind(self, stored: str) -> str:
        return webhook.neutral(stored)

    def read(self, kind: str, details: Mapping[str, str]) -> tuple[Meaning, str]:
        means = meaning(kind, details)
        return means, policy_of(bounce_of(details)).key if means is Meaning.POLICY else ""


@cache
def _client(url: str, key: str, timeout: float) -> Client:
    return Client(url, key, timeout)
