"""Headers of email as the RFCs ask for them, whichever provider carries it."""

import hashlib
import re
from email.header import Header
from urllib.parse import quote, urlsplit

from mailer.providers.messages import InvalidMessage

ONE_CLICK = "List-Unsubscribe=One-Click"

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")


def one_line(value: str, what: str) -> str:
    """Return `value`. Raises InvalidMessage if it holds a line break or another control character."""
    if _CONTROL.search(value):
        raise InvalidMessage(f"{what} contains a line break or another control character; write it on one line.")
    return value


def header_value(value: str) -> str:
    """Return ASCII as it is, anything else as encoded-words of at most 75 characters (RFC 2047) on one line."""
    if value.isascii():
        return value
    if "://" in value:
        raise InvalidMessage(f"a header with an address must be ASCII, got {value!r}.")
    return Header(value, "utf-8").encode(maxlinelen=75, linesep="")


def phrase(name: str) -> str:
    """Return a display name as a header writes it: bare, quoted or encoded (RFC 5322 phrase)."""
    if not name.isascii():
        return header_value(name)
    if re.fullmatch(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*", name):
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def issue_headers(newsletter_label: str, newsletter_name: str, list_id: str, base_url: str) -> dict[str, str]:
    """Return the headers that are the same for every subscriber of an issue; List-Unsubscribe comes with each.

    List-ID (RFC 2919) must never change: subscribers' filters depend on it. The last part of Feedback-ID is the
    sender's, 5 to 15 characters, the same in all email of this installation.
    """
    name = one_line(newsletter_name, "the newsletter's name")
    sender = hashlib.sha256((urlsplit(base_url).hostname or "").encode()).hexdigest()[:12]
    return {
        "List-ID": f"{phrase(name)} <{list_id}>" if name else f"<{list_id}>",
        "List-Post": "NO",
        "List-Unsubscribe-Post": ONE_CLICK,
        "Precedence": "bulk",
        "Feedback-ID": f"{quote(newsletter_label, safe='')}:issue:{sender}",
    }
