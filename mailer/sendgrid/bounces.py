"""What SendGrid's words about a bounce or a drop mean for the reader."""

import re
from collections.abc import Mapping
from enum import StrEnum

# RFC 3463; those that say that the mailbox or its domain does not exist.
GONE = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.10", "5.2.1"})
# The receiving server dislikes us or the mail, not the reader.
POLICY_STATUS = ("5.7.", "4.7.")
POLICY_CLASSES = frozenset({"reputation", "content"})
# Many bounces carry their code only in the server's sentence. Not a part of an IP address.
_STATUS = re.compile(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.]*\d)")

# Exactly these: "Invalid SMTPAPI header" is our mistake and not the reader's address.
_DROPPED = {
    "bounced address": "hard",
    "invalid": "hard",
    "invalid address": "hard",
    "spam reporting address": "complaint",
    "unsubscribed address": "left",
}


class Meaning(StrEnum):
    HARD = "hard"  # nobody is there
    SOFT = "soft"  # not now
    POLICY = "policy"  # because of us
    COMPLAINT = "complaint"
    LEFT = "left"  # through SendGrid's own unsubscribe
    NOTHING = "nothing"


def meaning(kind: str, details: Mapping[str, str]) -> Meaning:
    """What an event says of its reader. Unclear bounces are soft: three of them over two weeks tell enough."""
    if kind == "bounce":
        return _of_bounce(details)
    if kind == "dropped":
        return Meaning(_DROPPED.get(details.get("reason", "").strip().lower(), "nothing"))
    if kind == "spamreport":
        return Meaning.COMPLAINT
    return Meaning.LEFT if kind in ("unsubscribe", "group_unsubscribe") else Meaning.NOTHING


def _of_bounce(details: Mapping[str, str]) -> Meaning:
    status = _status(details)
    if status.startswith(POLICY_STATUS) or details.get("bounce_classification", "").strip().lower() in POLICY_CLASSES:
        return Meaning.POLICY
    if details.get("type", "").strip().lower() == "bounce" and status in GONE:
        return Meaning.HARD
    return Meaning.SOFT


def _status(details: Mapping[str, str]) -> str:
    """The enhanced status code (RFC 3463), from the field of its own or from the server's sentence; else empty."""
    for name in ("status", "reason", "response"):
        found = _STATUS.search(details.get(name, ""))
        if found:
            return found[0]
    return ""
