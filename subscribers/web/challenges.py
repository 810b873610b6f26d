"""Ask a form for effort before it causes an email, if its network caused many: proof of work, or a wait.

The work is ALTCHA's challenge in its first version, with SHA-256: find the number that was hashed with a salt. Both are
signed for one form and one network and expire; the form is spent by one email. Nothing is stored.
"""

import json
import secrets
from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from math import ceil
from typing import Any

from django.core import signing
from django.utils.crypto import salted_hmac

from subscribers.limits import Effort

# Hashes at most, half of them on average. A slow phone makes some 100,000 in a second.
HARDEST = 500_000
LIFE = timedelta(minutes=30)
WAIT = timedelta(seconds=60)
SALT = "subscribers.web.challenges"
ALGORITHM = "SHA-256"


@dataclass(frozen=True)
class Asked:
    """What the page asks for: work from browsers with JavaScript, a wait from all others."""

    challenge: str  # JSON
    wait: str  # signed
    seconds: int  # left of it


def ask(form: str, network: str, now: datetime, wait: str = "") -> Asked:
    """Return what the form must include. `wait` is the one that it was given before, which keeps running."""
    left = _left(wait, form, network, now)
    if left is None:
        left, wait = WAIT, _signer().sign(f"{_bound(form, network)}:{int((now + WAIT).timestamp())}")
    return Asked(_challenge(form, network, now), wait, max(2, ceil(left.total_seconds())))


def effort(answer: str, wait: str, form: str, network: str, now: datetime) -> Effort:
    """Return the effort that this form from this network includes."""
    if answer and _is_solved(answer, form, network, now):
        return Effort.SOLVED
    left = _left(wait, form, network, now)
    return Effort.WAITED if left is not None and left <= timedelta(0) else Effort.NONE


def _challenge(form: str, network: str, now: datetime) -> str:
    # Just over 64 bytes, the block that is hashed once for all numbers. The last sign keeps digits of the number from
    # being moved into the salt, which would make it another time.
    salt = f"{secrets.token_hex(12)}?expires={(now + LIFE).timestamp():.0f}&for={_bound(form, network)}&"
    challenge = sha256(f"{salt}{secrets.randbelow(HARDEST + 1)}".encode()).hexdigest()
    return json.dumps(
        {
            "algorithm": ALGORITHM,
            "challenge": challenge,
            "maxnumber": HARDEST,
            "salt": salt,
            "signature": _signature(challenge),
        }
    )


def _is_solved(answer: str, form: str, network: str, now: datetime) -> bool:
    match _read(answer):
        case {"algorithm": "SHA-256", "salt": str(salt), "number": int(number), "signature": str(signature)}:
            challenge = sha256(f"{salt}{number}".encode("utf-8", "replace")).hexdigest()
            ours = compare_digest(_signature(challenge).encode(), signature.encode("utf-8", "replace"))
            return ours and _is_for(salt, form, network, now)
    return False


def _is_for(salt: str, form: str, network: str, now: datetime) -> bool:
    """Tell whether we made this salt for this form and network, and it has not expired."""
    expires, bound = salt.rstrip("&").partition("?expires=")[2].split("&for=")
    return bound == _bound(form, network) and int(expires) > now.timestamp()


def _read(answer: str) -> Any:
    try:
        return json.loads(b64decode(answer, validate=True))
    except (Base64Error, ValueError, RecursionError):
        return None


def _left(wait: str, form: str, network: str, now: datetime) -> timedelta | None:
    """Return how long this form must still wait; None if it was given no wait, or too long ago."""
    try:
        bound, _, until = _signer().unsign(wait).partition(":")
    except signing.BadSignature:
        return None
    left = timedelta(seconds=int(until) - now.timestamp())
    return left if bound == _bound(form, network) and -LIFE < left <= WAIT else None


def _signer() -> signing.Signer:
    return signing.Signer(salt=f"{SALT}.wait")


def _signature(challenge: str) -> str:
    return salted_hmac(SALT, challenge, algorithm="sha256").hexdigest()


def _bound(form: str, network: str) -> str:
    return sha256(f"{form} {network}".encode()).hexdigest()[:16]
