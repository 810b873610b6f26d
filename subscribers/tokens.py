"""Signed links: what a token says, we said. Pure functions: keys and clock are passed in.

A token is base64url(mac ‖ subscriber ‖ expiry ‖ newsletter), with HMAC-SHA256 cut to 128 bits over the purpose and the
rest; one that is valid for a single mailbox or leaving ends in a zero byte and that mailbox's mark, or the leaving's
number. It carries no secret: reading it reveals a random id, a newsletter's label, and a mark that only our key can
make of an address.
"""

import hashlib
import hmac
import re
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

CONFIRM = "confirm"
UNSUBSCRIBE = "unsubscribe"
PREFERENCES = "preferences"  # may be in a forwarded email: opens nothing but its subscriber's newsletters
UNDO = "undo"
DATA = "data"  # name, address, export, deletion
ADDRESS = "address"  # its id is that of a Letter to a new address
CONFIRM_LIFE = timedelta(days=7)
UNDO_LIFE = timedelta(minutes=30)
DATA_LIFE = timedelta(minutes=30)
ADDRESS_LIFE = timedelta(days=1)

MAC_BYTES = 16
_BLOCK = 64  # bytes that SHA-256 takes at a time
HEAD_BYTES = MAC_BYTES + 16 + 4
LONGEST_TOKEN = 400
NEVER = b"\0\0\0\0"
MARK_LETTERS = 16
NO_LETTER = re.compile("[^A-Za-z0-9_-]")
URL_SAFE = bytes.maketrans(b"+/", b"-_")
URL_UNSAFE = bytes.maketrans(b"-_+/", b"+/!!")  # only the URL-safe letters are read


@dataclass(frozen=True)
class Ticket:
    """Whom the token was given to, and for which newsletter."""

    public_id: UUID
    newsletter: str
    only_for: str = ""  # the one thing it is valid for: a mailbox by its mark, a leaving by its number


@dataclass(frozen=True)
class LinkKey:
    key: bytes
    signs_from: datetime


@dataclass(frozen=True)
class Keys:
    """An installation's keys. All of `links`, oldest first, verify; `suppressions` makes hashes and never changes."""

    links: tuple[LinkKey, ...]
    suppressions: bytes

    def verifying(self) -> tuple[bytes, ...]:
        return tuple(one.key for one in self.links)

    def signing(self, now: datetime) -> bytes:
        """Return the newest key whose time has come: before that, other processes may not know it."""
        due = [one.key for one in self.links if one.signs_from <= now]
        return due[-1] if due else self.links[0].key


class TokenError(ValueError):
    """The token was not made by us for this purpose."""


class UnknownSignature(TokenError):
    """It looks like a token, but none of the keys signed it for this purpose."""


class ExpiredToken(TokenError):
    """The token was made by us and has expired."""

    def __init__(self, ticket: Ticket) -> None:
        super().__init__("the link has expired")
        self.ticket = ticket


def make(purpose: str, public_id: UUID, newsletter: str, key: bytes, expires: datetime | None = None) -> str:
    """Make a token that lets one subscriber do one thing. Without `expires` it never expires."""
    return Signer(purpose, newsletter, key, expires).token(public_id.bytes)


def make_for(only: str, purpose: str, public_id: UUID, newsletter: str, key: bytes, expires: datetime) -> str:
    """Make a token as `make` does, whose ticket also names the one thing it is valid for."""
    return make(purpose, public_id, f"{newsletter}\0{only}", key, expires)


class Mac:
    """Makes HMAC-SHA256 (RFC 2104) of texts that begin alike: key and beginning are hashed once.

    An issue needs one for each subscriber. `hmac` does the same, but a copy of its object costs as much as the hashing.
    """

    def __init__(self, key: bytes, beginning: bytes) -> None:
        block = (key if len(key) <= _BLOCK else hashlib.sha256(key).digest()).ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(block.translate(hmac.trans_36) + beginning)
        self._outer = hashlib.sha256(block.translate(hmac.trans_5C))

    def of_all(self, rests: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the HMAC of the beginning and each of these rests, in one loop: a call for each takes longer."""
        inner_of, outer_of = self._inner.copy, self._outer.copy
        for rest in rests:
            inner, outer = inner_of(), outer_of()
            inner.update(rest)
            outer.update(inner.digest())
            yield outer.digest()


class Signer:
    """Makes the tokens of one purpose and newsletter: what all of them share is hashed once."""

    def __init__(self, purpose: str, newsletter: str, key: bytes, expires: datetime | None = None) -> None:
        until = NEVER if expires is None else int(expires.timestamp()).to_bytes(4, "big")
        self._mac = Mac(key, _head(purpose))
        self._tail = until + newsletter.encode()

    def token(self, public_id: bytes) -> str:
        """Make the token that `make` makes. The id as its 16 bytes: a UUID takes a microsecond to make."""
        return self.tokens([public_id])[0]

    def tokens(self, public_ids: Iterable[bytes]) -> list[str]:
        """Make a token for each of these ids, all by one base64: a request has a thousand."""
        payloads = [public_id + self._tail for public_id in public_ids]
        # Base64 takes three bytes at a time. The letters that the filling becomes are cut off.
        size = MAC_BYTES + 16 + len(self._tail)
        filling = b"\0" * (-size % 3)
        macs = self._mac.of_all(payloads)
        raw = b"".join([mac[:MAC_BYTES] + payload + filling for mac, payload in zip(macs, payloads, strict=True)])
        letters = b2a_base64(raw, newline=False).translate(URL_SAFE).decode()
        step = (size + len(filling)) // 3 * 4
        return [letters[start : start + step - len(filling)] for start in range(0, len(letters), step)]


def read(token: str, purpose: str, keys: Sequence[bytes], now: Callable[[], datetime]) -> Ticket:
    """Return the ticket of a token that one of `keys` signed for this purpose. Raises TokenError, ExpiredToken.

    `now` is called only for tokens that expire: leaving must not need a clock that may be unavailable.
    """
    raw = _decode(token)
    mac, payload = raw[:MAC_BYTES], raw[MAC_BYTES:]
    # Every key is tried, so that the time taken does not tell which one fitted.
    if not sum([hmac.compare_digest(mac, _mac(key, purpose, payload)) for key in keys]):
        raise UnknownSignature("the link is not one of ours")
    newsletter, _, only_for = payload[20:].decode().partition("\0")
    ticket = Ticket(UUID(bytes=payload[:16]), newsletter, only_for)
    until = int.from_bytes(payload[16:20], "big")
    if until and now().timestamp() >= until:
        raise ExpiredToken(ticket)
    return ticket


def begun_by(text: str) -> str:
    """Return the token that this part of a link begins with: all up to the first character that no token has.

    Mail programs and gateways take what follows a link for a part of it: a full stop, a bracket, `&amp;`.
    """
    return NO_LETTER.split(text, maxsplit=1)[0]


def newsletter_said(token: str) -> str:
    """Return what is left of the newsletter's label in a damaged token, maybe its beginning; "" if it cannot be read.

    Nobody signed it: it may choose the language of a page, and nothing else.
    """
    letters = begun_by(token[:LONGEST_TOKEN]).encode().translate(URL_UNSAFE)
    raw = a2b_base64(letters[: len(letters) // 4 * 4])
    return raw[HEAD_BYTES:].partition(b"\0")[0].decode(errors="ignore")


def suppression_hash(email_key: str, key: bytes) -> str:
    """Return what is kept of an address that must not be mailed, in hex."""
    return hmac.digest(key, b"suppression\0" + email_key.encode(), "sha256").hex()


def suppression_hashes(email_keys: Iterable[str], key: bytes) -> dict[str, str]:
    """Return key → suppression hash, as `suppression_hash` does: files hold a million."""
    keys = list(email_keys)
    macs = Mac(key, b"suppression\0").of_all(map(str.encode, keys))
    return {email_key: mac.hex() for email_key, mac in zip(keys, macs, strict=True)}


def _mac(key: bytes, purpose: str, payload: bytes) -> bytes:
    return hmac.digest(key, _head(purpose) + payload, "sha256")[:MAC_BYTES]


def _head(purpose: str) -> bytes:
    return purpose.encode() + b"\0"


def _decode(token: str) -> bytes:
    try:
        text = token.encode("ascii").translate(URL_UNSAFE)
        raw = a2b_base64(text + b"=" * (-len(text) % 4), strict_mode=True)
    except (UnicodeEncodeError, Base64Error):
        raise TokenError("the link is damaged") from None
    # Base64 ignores the last letter's spare bits: without this, four tokens would be one.
    canonical = b2a_base64(raw, newline=False).rstrip(b"=") == text
    if not canonical or len(raw) <= HEAD_BYTES or len(token) > LONGEST_TOKEN:
        raise TokenError("the link is damaged")
    return raw
