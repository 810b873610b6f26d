"""Find what SendGrid would refuse, and what our own rules refuse, before or instead of SendGrid.

A fault of one address is placed as SendGrid places it (`personalizations.3.to.0.email`). A breach of our own rules has
a field without an index: it is a bug of ours, and must stop a send instead of rejecting a subscriber.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from mailer.providers.headers import ONE_CLICK
from mailer.providers.sendgrid.payload import RESERVED_HEADERS

Fault = dict[str, str | None]

MOST_RECIPIENTS = 1000
MOST_SUBSTITUTIONS = 150
MOST_BYTES = 10_000  # of substitutions, and of custom_args
MOST_MAIL_BYTES = 30_000_000
LOOPBACK = ("127.0.0.1", "localhost", "::1")

PLACEHOLDER = re.compile(r"zq[0-9a-f]{16}")
_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?=.{{1,254}}\Z)(?=[^@]{{1,64}}@){_LOCAL}@(?:{_LABEL}\.)+(?!\d+\Z){_LABEL}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_URI = re.compile(r"<([^<>\s]+)>")

_TOP = frozenset(
    {"personalizations", "from", "reply_to", "reply_to_list", "subject", "content", "attachments", "template_id"}
    | {"headers", "categories", "custom_args", "send_at", "batch_id", "asm", "ip_pool_name"}
    | {"mail_settings", "tracking_settings"}
)
_PERSONAL = frozenset(
    (
        "from",
        "to",
        "cc",
        "bcc",
        "subject",
        "headers",
        "substitutions",
        "dynamic_template_data",
        "custom_args",
        "send_at",
    )
)
_TRACKING = ("click_tracking", "open_tracking", "subscription_tracking", "ganalytics")


def fault(message: str, field: str | None = None) -> Fault:
    return {"message": message, "field": field, "help": None}


def faults_of(payload: Any, headers: Mapping[str, str]) -> list[Fault]:
    """Return everything wrong with a request; empty if it may be accepted. `headers` are those of the HTTP request."""
    kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    if kind.split(";")[0].strip().lower() != "application/json":
        return [fault("Content-Type should be application/json.", "content-type")]
    if not isinstance(payload, dict):
        return [fault("Bad Request")]
    personalizations = payload.get("personalizations")
    if not isinstance(personalizations, list) or not personalizations:
        message = "The personalizations field is required and must have at least one personalization."
        return [fault(message, "personalizations")]
    if not all(isinstance(one, dict) for one in personalizations):
        return [fault("Each personalization must be an object.", "personalizations")]
    form = [
        *_faults_of_keys(payload, _TOP, ""),
        *_faults_of_envelope(payload),
        *_faults_of_content(payload),
        *_faults_of_recipients(personalizations),
        *_faults_of_headers(payload.get("headers", {}), "headers"),
        *_faults_of_strings(payload.get("custom_args", {}), "custom_args"),
        *(found for number, one in enumerate(personalizations) for found in _faults_of_one(number, one, payload)),
    ]
    # The following reads parts that were just found to have the right form.
    return form or [*_faults_of_placeholders(payload), *_faults_of_issue(payload)]


def is_address(text: Any) -> bool:
    return isinstance(text, str) and _ADDRESS.fullmatch(text) is not None


def is_issue(payload: Mapping[str, Any]) -> bool:
    """Tell whether this is email to a list, which must have an unsubscribe link; a confirmation is not."""
    names = {name.lower(): value for name, value in payload.get("headers", {}).items()}
    return "list-id" in names or names.get("precedence", "").lower() == "bulk"


def _faults_of_keys(value: Mapping[str, Any], known: frozenset[str], place: str) -> Iterator[Fault]:
    for name in value.keys() - known:
        yield fault("Unknown parameter.", f"{place}{name}")


def _faults_of_envelope(payload: Mapping[str, Any]) -> Iterator[Fault]:
    sender = payload.get("from")
    if not isinstance(sender, dict) or not is_address(sender.get("email")):
        yield fault("The from object must be provided for every email send, with a valid address.", "from.email")
    else:
        yield from _faults_of_name(sender, "from")
    if "reply_to" in payload:
        reply_to = payload["reply_to"]
        if not isinstance(reply_to, dict) or not is_address(reply_to.get("email")):
            yield fault("Does not contain a valid address.", "reply_to.email")
        else:
            yield from _faults_of_name(reply_to, "reply_to")
    subject = payload.get("subject")
    if not isinstance(subject, str) or not subject.strip():
        yield fault("The subject is required.", "subject")
    elif _breaks_a_line(subject):
        yield fault("The subject contains a line break or NUL.", "subject")


def _faults_of_name(mailbox: Mapping[str, Any], place: str) -> Iterator[Fault]:
    yield from _faults_of_keys(mailbox, frozenset({"email", "name"}), f"{place}.")
    if not isinstance(mailbox.get("name", ""), str) or _breaks_a_line(mailbox.get("name", "")):
        yield fault("The name must be a string on one line.", f"{place}.name")


def _faults_of_content(payload: Mapping[str, Any]) -> Iterator[Fault]:
    parts = payload.get("content")
    if not isinstance(parts, list) or not parts:
        yield fault("The content field is required and must have at least one part.", "content")
        return
    for number, part in enumerate(parts):
        if not isinstance(part, dict) or part.keys() != {"type", "value"}:
            yield fault("A part has a type and a value.", f"content.{number}")
        elif not isinstance(part["value"], str) or not part["value"].strip():
            yield fault(
                "The content value must be a string at least one character in length.", f"content.{number}.value"
            )
    types = [part.get("type") for part in parts if isinstance(part, dict)]
    if types not in (["text/plain"], ["text/html"], ["text/plain", "text/html"]):
        yield fault("Content must be text/plain first, followed by text/html.", "content")
    if sum(len(str(part.get("value", "")).encode(errors="replace")) for part in parts if isinstance(part, dict)) > (
        MOST_MAIL_BYTES
    ):
        yield fault("The email is larger than 30 MB.", "content")


def _faults_of_recipients(personalizations: list[dict[str, Any]]) -> Iterator[Fault]:
    if len(personalizations) > MOST_RECIPIENTS:
        yield fault("The personalizations field has more than 1000 personalizations.", "personalizations")
    addresses = [
        mailbox["email"].lower()
        for one in personalizations
        for mailbox in _mailboxes(one)
        if isinstance(mailbox.get("email"), str)
    ]
    if len(addresses) > MOST_RECIPIENTS:
        yield fault("The request has more than 1000 recipients.", "personalizations")
    # SendGrid accepts the same address in two personalizations and probably mails it twice.
    twice = sum(1 for count in Counter(addresses).values() if count > 1)
    if twice:
        yield fault(f"Each address may appear only once in a request; {twice} appear more often.", "personalizations")


def _mailboxes(one: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for kind in ("to", "cc", "bcc"):
        mailboxes = one.get(kind, [])
        if isinstance(mailboxes, list):
            yield from (mailbox for mailbox in mailboxes if isinstance(mailbox, dict))


def _faults_of_one(number: int, one: Mapping[str, Any], payload: Mapping[str, Any]) -> Iterator[Fault]:
    place = f"personalizations.{number}"
    yield from _faults_of_keys(one, _PERSONAL, "personalizations.")
    if not isinstance(one.get("to"), list) or not one["to"]:
        yield fault("The to array is required for all personalization objects.", f"{place}.to")
    for kind in ("to", "cc", "bcc"):
        for index, mailbox in enumerate(one.get(kind, []) if isinstance(one.get(kind, []), list) else [None]):
            if not isinstance(mailbox, dict) or not is_address(mailbox.get("email")):
                yield fault("Does not contain a valid address.", f"{place}.{kind}.{index}.email")
            else:
                yield from _faults_of_name(mailbox, f"personalizations.{kind}")
    yield from _faults_of_headers(one.get("headers", {}), "personalizations.headers")
    yield from _faults_of_strings(one.get("substitutions", {}), "personalizations.substitutions")
    if isinstance(one.get("substitutions", {}), dict) and len(one.get("substitutions", {})) > MOST_SUBSTITUTIONS:
        yield fault("More than 150 substitutions.", "personalizations.substitutions")
    arguments, common = one.get("custom_args", {}), payload.get("custom_args", {})
    if isinstance(arguments, dict) and isinstance(common, dict):
        yield from _faults_of_strings({**common, **arguments}, "personalizations.custom_args")
    else:
        yield fault("Must be an object of strings.", "personalizations.custom_args")


def _faults_of_strings(value: Any, place: str) -> Iterator[Fault]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        yield fault("Must be an object of strings.", place)
    elif sum(len(name) + len(text) for name, text in value.items()) > MOST_BYTES // 4 and (
        sum(len((name + text).encode(errors="replace")) for name, text in value.items()) > MOST_BYTES
    ):
        yield fault("Exceeds 10,000 bytes.", place)


def _faults_of_headers(headers: Any, place: str) -> Iterator[Fault]:
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        yield fault("Must be an object of strings.", place)
        return
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            yield fault("A header name must be ASCII, without spaces or colons.", f"{place}.{name}")
        elif name.lower() in RESERVED_HEADERS:
            yield fault("This header is reserved.", f"{place}.{name}")
        if not value.isascii() or _breaks_a_line(value):
            yield fault("A header value must be ASCII on one line.", f"{place}.{name}")


def _breaks_a_line(text: str) -> bool:
    return "\r" in text or "\n" in text or "\0" in text


def _faults_of_placeholders(payload: Mapping[str, Any]) -> Iterator[Fault]:
    """Check that our placeholders are all substituted, for everybody, and nothing else is."""
    shown = " ".join([payload["subject"], *(part["value"] for part in payload["content"])])
    wanted = set(PLACEHOLDER.findall(shown))
    for one in payload["personalizations"]:
        given = one.get("substitutions", {})
        if missing := wanted - given.keys():
            yield fault(f"{sorted(missing)[0]} is an unfilled placeholder.", "content")
            return
        yield from _faults_of_tags(given)
    merged = [payload.get("headers", {}), *(one.get("headers", {}) for one in payload["personalizations"])]
    if any(PLACEHOLDER.search(value) for headers in merged for value in headers.values()):
        yield fault("A header contains a placeholder, and SendGrid fills none in headers.", "headers")


def _faults_of_tags(substitutions: Mapping[str, str]) -> Iterator[Fault]:
    tags = list(substitutions)
    if any(len(tag) < 8 or re.search(r"[\s<>&]", tag) for tag in tags):
        yield fault("A substitution tag must be opaque, without spaces, <, > or &.", "personalizations.substitutions")
    if any(tag != other and tag in other for tag in tags for other in tags):
        yield fault("A substitution tag is part of another.", "personalizations.substitutions")
    if any(tag in value for tag in tags for value in substitutions.values()):
        yield fault("A substitution value contains a tag.", "personalizations.substitutions")


def _faults_of_issue(payload: Mapping[str, Any]) -> Iterator[Fault]:
    """Check email to a list: a link for each subscriber, one-click (RFC 8058) and visible, and no tracking."""
    if not is_issue(payload):
        return
    common = {name.lower(): value for name, value in payload.get("headers", {}).items()}
    if common.get("list-unsubscribe-post") != ONE_CLICK:
        yield fault(f"An issue needs List-Unsubscribe-Post: {ONE_CLICK}.", "headers.List-Unsubscribe-Post")
    if not re.search(r"<[^<>@\s]+\.[^<>@\s]+>\Z", common.get("list-id", "")):
        yield fault("An issue needs List-ID with an id in < and >.", "headers.List-ID")
    if any("bypass" in name for name in payload.get("mail_settings", {})):
        yield fault("An issue never bypasses the provider's lists of bounces and complaints.", "mail_settings")
    if len(common) != len(payload.get("headers", {})):
        yield fault("A header occurs twice.", "headers")
    links = Counter[str]()
    for one in payload["personalizations"]:
        link = _one_click_link({**common, **{name.lower(): value for name, value in one.get("headers", {}).items()}})
        if link is None or len(list(_mailboxes(one))) != 1:
            message = "Each subscriber of an issue needs their own List-Unsubscribe with exactly one https address."
            yield fault(message, "headers.List-Unsubscribe")
            return
        links[link] += 1
        tags = [tag for tag, value in one.get("substitutions", {}).items() if value == link]
        if not all(_shows(part["value"], link, tags) for part in payload["content"]):
            yield fault("Each part must show the subscriber's unsubscribe link.", "content")
            return
    if len(links) != len(payload["personalizations"]):
        yield fault("Two subscribers have the same List-Unsubscribe.", "headers.List-Unsubscribe")
    tracking = payload.get("tracking_settings")
    for name in _TRACKING:
        setting = tracking.get(name) if isinstance(tracking, dict) else None
        if not isinstance(setting, dict) or setting.get("enable") is not False:
            yield fault("Must be switched off explicitly.", f"tracking_settings.{name}.enable")


def _shows(text: str, link: str, tags: list[str]) -> bool:
    return any(tag in text for tag in tags) or link in text


def _one_click_link(headers: Mapping[str, str]) -> str | None:
    """Return the one https address of List-Unsubscribe (plain http on this machine only), or None."""
    items = [item.strip() for item in headers.get("list-unsubscribe", "").split(",")]
    uris = [match[1] if (match := _URI.fullmatch(item)) else "" for item in items]
    web = [uri for uri in uris if not uri.startswith("mailto:")]
    if len(web) != 1 or len(uris) > 2 or not web[0]:
        return None
    try:
        parts = urlsplit(web[0])
        host = parts.hostname
    except ValueError:
        return None
    allowed = parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK)
    return web[0] if allowed and host and not parts.fragment and "#" not in web[0] else None
