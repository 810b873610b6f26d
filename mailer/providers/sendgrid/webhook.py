"""Verify and parse SendGrid's Event Webhook.

Whatever anybody posts, these functions raise only their two named errors.
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from mailer.providers.events import Kind, NotEvents, NotSigned, ProviderEvent

if TYPE_CHECKING:  # loaded by the web process alone, once the first event comes
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

OLDEST = timedelta(hours=25)  # SendGrid repeats for 24 h, perhaps with the first signature
EARLIEST = timedelta(minutes=5)  # how much its clock may be ahead of ours

LONGEST_KIND = 24
LONGEST_DETAIL = 500
END_OF_TIME = 4_102_444_800  # 2100: a later timestamp is a mistake, and Python's and PostgreSQL's limits are not far

# Its words for what happened, where ours are others. The database of an older version has some of them.
KINDS = {
    "bounce": Kind.BOUNCED,
    "spamreport": Kind.COMPLAINED,
    "unsubscribe": Kind.UNSUBSCRIBED,
    "group_unsubscribe": Kind.UNSUBSCRIBED,
    "group_resubscribe": Kind.RESUBSCRIBED,
    "open": Kind.OPENED,
    "click": Kind.CLICKED,
}
# Kinds that say more than that something happened. Deferrals too: editors first ask why an email is late.
TELLING = frozenset(
    {"bounce", "dropped", "deferred", "spamreport", "unsubscribe", "group_unsubscribe", "group_resubscribe"}
)
WORDS = ("type", "status", "reason", "response", "bounce_classification")


# ---------------------------------------------------------------- the signature


def verify(
    body: bytes, signature: str | None, timestamp: str | None, keys: Sequence[bytes], now: Callable[[], datetime]
) -> bytes:
    """Return which of the keys (DER SubjectPublicKeyInfo) signed the body, at most 25 hours ago.

    `signature` is base64 of a DER ECDSA signature (P-256, SHA-256) over the timestamp header and the body. Raises
    NotSigned. `now` is asked once the signature fits: posts of strangers cost no look at the database's clock.
    """
    if not signature or not timestamp:
        raise NotSigned("the request is not signed; turn on the signed event webhook at SendGrid")
    signed_at = _time(timestamp)
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raise NotSigned("the signature is not base64") from None
    signed = timestamp.encode() + body
    for key in keys:
        if _is_signed(signed, raw, key):
            _check_age(signed_at, now())
            return key
    raise NotSigned("the signature matches none of the keys in SENDGRID_WEBHOOK_PUBLIC_KEY")


def _time(timestamp: str) -> datetime:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 10):
        raise NotSigned("the timestamp is not a number of seconds")
    return datetime.fromtimestamp(int(timestamp), UTC)


def _check_age(signed_at: datetime, now: datetime) -> None:
    if not -EARLIEST <= now - signed_at <= OLDEST:
        raise NotSigned("the signature is older than 25 hours, or from the future; check the database's clock")


def _is_signed(signed: bytes, signature: bytes, key: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    public = public_key(key)
    if public is None:
        return False
    try:
        public.verify(signature, signed, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


@cache
def public_key(key: bytes) -> "EllipticCurvePublicKey | None":
    """Return the key, read once a process; None for anything but a P-256 key."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        public = load_der_public_key(key)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return public if isinstance(public, EllipticCurvePublicKey) and isinstance(public.curve, SECP256R1) else None


# ---------------------------------------------------------------- the events


def parse(body: bytes) -> list[ProviderEvent]:
    """Return the events of a post, in its order. Skip entries that are not events; drop malformed fields.

    Raises NotEvents.
    """
    try:
        items = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise NotEvents("the body is not JSON; SendGrid posts an array of events") from None
    if not isinstance(items, list):
        raise NotEvents("the body is not a JSON array; SendGrid posts an array of events")
    return _Parser().read(items)


def neutral(kind: str) -> str:
    """Return our word for a kind of SendGrid's; one that is not known stays as it is."""
    return str(KINDS.get(kind, kind))


class _Parser:
    """Reads one post. What repeats in it is made an object once: attempts, seconds, kinds."""

    def __init__(self) -> None:
        self._attempts: dict[str, UUID | None] = {}
        self._seconds: dict[int, tuple[datetime, int]] = {}
        self._kinds: dict[str, str] = {}

    def read(self, items: list[Any]) -> list[ProviderEvent]:
        """Read in one loop that calls nothing for well-formed events: a call costs as much as the rest of its line."""
        found, attempts, seconds, kinds = [], self._attempts, self._seconds, self._kinds
        for item in items:
            if type(item) is not dict:
                continue
            get: Callable[[str], Any] = item.get
            kind, second = get("event"), get("timestamp")
            if type(kind) is not str or type(second) is not int:
                continue
            if (kind not in kinds or second not in seconds) and not self._meet(kind, second):
                continue
            at, front = seconds[second]
            given, number, installation = get("mailer_attempt"), get("mailer_delivery"), get("mailer_installation")
            attempt = attempts[given] if type(given) is str and given in attempts else self._attempt(given)
            plain = type(number) is str and len(number) < 19 and number.isdigit() and number.isascii()
            delivery = (int(number) if plain else None) or None
            if type(installation) is not str:
                installation = None
            whole = attempt is not None and delivery is not None and installation is not None
            details = _details(item, whole) if kind in TELLING else None
            who = given if whole else f"{get('email')} {get('sg_message_id')}"
            if details:
                # Two bounces of one second that say different things are two, or the first to come would win.
                who = f"{who} {details.get('type')} {details.get('status')}"
            # Of its own word, as ever: what came before an upgrade is known after it.
            fact = _hash(f"{number} {kind} {second} {who} {get('url')}".encode(), digest_size=6).digest()
            event_id = get("sg_event_id")
            known = type(event_id) is str and event_id != ""
            id_ = _hash(event_id.encode(), digest_size=6).digest() if known else fact
            keys = front | int.from_bytes(id_, "little"), front | int.from_bytes(fact, "little")
            found.append(_new(ProviderEvent, (kinds[kind], attempt, delivery, at, installation, details, *keys)))
        return found

    def _meet(self, kind: str, second: int) -> bool:
        """Tell whether both may be an event's; if so, remember them."""
        if not (0 < len(kind) <= LONGEST_KIND and kind.isascii() and kind.isprintable() and 0 <= second < END_OF_TIME):
            return False
        self._kinds[kind] = neutral(kind)
        self._seconds[second] = datetime.fromtimestamp(second, UTC), _front(second)
        return True

    def _attempt(self, given: Any) -> UUID | None:
        if type(given) is not str:
            return None
        self._attempts[given] = attempt = _uuid(given)
        return attempt


_hash, _new = blake2b, tuple.__new__


def _front(second: int) -> int:
    """Return the upper 16 bits of a key: the event's time in steps of 8 s. The lower 48 are a hash.

    With the time in front, what is stored together lies together in the unique indexes. With bare hashes each event
    would dirty two pages of its own: measured on SQLite with 180,000 events, 29 µs an event against 8. A million events
    within one hour hold a false match once in 100,000 times.
    """
    return (second >> 3 & 0xFFFF) - 0x8000 << 48


def _uuid(given: str) -> UUID | None:
    try:
        return UUID(given) if len(given) == 36 else None
    except ValueError:
        return None


def _details(item: Mapping[str, Any], whole: bool) -> dict[str, str]:
    """Return what the provider says of it, without what a database refuses.

    The address only if no ids tell whose it is.
    """
    names = WORDS if whole else (*WORDS, "email")
    said = ((name, item.get(name)) for name in names)
    return {name: _plain(value) for name, value in said if type(value) is str and value}


def _plain(detail: str) -> str:
    """Put it on one line, without terminal escapes: strangers' servers wrote it, and `mailer status` prints it."""
    detail = detail.replace("\0", "")[:LONGEST_DETAIL]
    return detail if detail.isprintable() else "".join(one if one.isprintable() else " " for one in detail)
