"""Make, sign and post events of what the stand-in accepted, as SendGrid's Event Webhook does.

    keys = EventKeys()                                   # SENDGRID_WEBHOOK_PUBLIC_KEY=keys.public
    events = events_of(api.accepted)                     # processed and delivered, for each reader
    assert post(url, keys, events) == 200

A signature is ECDSA on P-256 with SHA-256 over the header of the timestamp and the raw body, DER in base64; the key is
a SubjectPublicKeyInfo, DER in base64. Custom arguments stand flat among an event's own fields.
"""

import base64
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PATH = "/webhooks/sendgrid/"
SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"


class EventKeys:
    """A key pair of an account; `public` is what SendGrid shows for copying."""

    def __init__(self) -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())

    @property
    def public(self) -> str:
        der = self._private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(der).decode()

    def headers(self, body: bytes, timestamp: int | str | None = None) -> dict[str, str]:
        """Return what SendGrid adds to the request with this body; the timestamp is now, unless another is given."""
        at = str(int(time.time()) if timestamp is None else timestamp)
        signature = self._private.sign(at.encode() + body, ec.ECDSA(SHA256()))
        return {SIGNATURE: base64.b64encode(signature).decode(), TIMESTAMP: at, "Content-Type": "application/json"}


def event(kind: str, request: Mapping[str, Any], reader: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Make one event (`processed`, `delivered`, `bounce`, …) about a subscriber of an accepted request."""
    return {
        "email": reader["email"],
        "event": kind,
        "timestamp": int(time.time()),
        "sg_event_id": uuid4().hex,
        "sg_message_id": f"{request['message_id']}.recvd-0-0",
        "smtp-id": f"<{request['message_id']}@geopod.example>",
        "mailer_installation": request["installation"],
        "mailer_send": request["send"],
        "mailer_attempt": request["attempt"],
        "mailer_delivery": reader["delivery"],
        **more,
    }


def events_of(requests: Iterable[Mapping[str, Any]], kinds: Sequence[str] = ("processed", "delivered")) -> list[Any]:
    """Return what SendGrid reports of accepted requests: each kind of event for each subscriber."""
    return [event(kind, request, reader) for request in requests for reader in request["recipients"] for kind in kinds]


def post(base: str, keys: EventKeys, events: Any, **headers: str) -> int:
    """Post to the webhook of the web process at `base`, signed, and return the status."""
    body = json.dumps(events).encode()
    request = urllib.request.Request(base + PATH, data=body, headers=keys.headers(body) | headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return int(response.status)
    except urllib.error.HTTPError as refused:
        return refused.code
