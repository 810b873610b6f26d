"""What SendGrid's report of a bounce or a drop means for the subscriber."""

import re
from collections.abc import Iterator, Mapping

from mailer.providers.events import Kind, Meaning
from mailer.providers.no_such_user import says_no_such_user
from mailer.providers.policies import Bounce, is_policy

# RFC 3463; those that say that the mailbox or its domain does not exist. 5.4.1 is Microsoft 365's "Recipient address
# rejected: Access denied", for an address that its directory does not list.
GONE = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.10", "5.2.1", "5.4.1"})
# They say nothing by themselves; outlook.com answers 5.5.0 for an address that does not exist.
VAGUE = frozenset({"5.5.0", "5.0.0"})
UNCLASSIFIED = ("", "unclassified")
# `bounced` was seen in the field.
FOR_GOOD = ("bounce", "bounced")
# Many bounces carry their code only in the server's sentence. Must not match part of an IP address.
_STATUS = re.compile(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.]*\d)")

# Exactly these: "Invalid SMTPAPI header" is our bug and not the subscriber's address.
_DROPPED = {
    "bounced address": "hard",
    "invalid": "hard",
    "invalid address": "hard",
    "spam reporting address": "complaint",
    "unsubscribed address": "left",
}


def meaning(kind: str, details: Mapping[str, str]) -> Meaning:
    """Return what an event says of its subscriber. Unclear bounces are soft: three over two weeks tell enough."""
    if kind == Kind.BOUNCED:
        return _of_bounce(details)
    if kind == Kind.DROPPED:
        return Meaning(_DROPPED.get(details.get("reason", "").strip().lower(), "nothing"))
    if kind == Kind.COMPLAINED:
        return Meaning.COMPLAINT
    return Meaning.LEFT if kind == Kind.UNSUBSCRIBED else Meaning.NOTHING


def _of_bounce(details: Mapping[str, str]) -> Meaning:
    bounce = bounce_of(details)
    # First: a server that refuses us may well call the address invalid.
    if is_policy(bounce):
        return Meaning.POLICY
    if details.get("type", "").strip().lower() in FOR_GOOD and _nobody_is_there(bounce):
        return Meaning.HARD
    return Meaning.SOFT


def _nobody_is_there(bounce: Bounce) -> bool:
    if bounce.kind not in UNCLASSIFIED:
        return "invalid" in bounce.kind
    clear = [code for code in bounce.codes if code not in VAGUE]
    if clear:
        return clear[0] in GONE
    return says_no_such_user(bounce.said)


def bounce_of(details: Mapping[str, str]) -> Bounce:
    """Return what SendGrid reports of a bounce in neutral words."""
    said = " ".join(details.get(name, "") for name in ("reason", "response"))
    return Bounce(tuple(_codes_of(details)), said.strip(), details.get("bounce_classification", "").strip().lower())


def _codes_of(details: Mapping[str, str]) -> Iterator[str]:
    """Return enhanced status codes (RFC 3463): first from their own field, then those in the server's sentence.

    They differ: SendGrid's field was seen to say 5.0.0 when the server had said 5.7.606.
    """
    for name in ("status", "reason", "response"):
        yield from _STATUS.findall(details.get(name, ""))
