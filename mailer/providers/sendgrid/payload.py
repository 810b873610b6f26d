"""Write the body of one request to POST /v3/mail/send from one issue and up to 1,000 subscribers."""

import re
import string
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring as quoted
from os.path import commonprefix
from typing import Any, NamedTuple
from uuid import UUID

import idna

from mailer.providers.headers import header_value, one_line
from mailer.providers.messages import InvalidMessage, Message, Recipients

# SendGrid writes these itself and refuses them from us (v3 Mail Send).
RESERVED_HEADERS = frozenset(
    {"x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding"}
    | {"to", "from", "subject", "reply-to", "cc", "bcc"}
)

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
# The link stands in a header between < and >, and unescaped in HTML: no &, quotes, comma or fragment.
_IN_LINK = string.ascii_letters + string.digits + "-._~:/?@!$()*+;=%[]"
_LINK = re.compile(rf"https?://[{re.escape(_IN_LINK)}]+")
# A name with a comma or semicolon made SendGrid mail a part of the name (sendgrid-python#291); quoting it shows quotes.
_UNSAFE_IN_NAME = re.compile(r'[\s,;<>"\\\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]+')

# SendGrid would rewrite links, add a pixel and its own footer with its own List-Unsubscribe.
NO_TRACKING = {
    "click_tracking": {"enable": False, "enable_text": False},
    "open_tracking": {"enable": False},
    "subscription_tracking": {"enable": False},
    "ganalytics": {"enable": False},
}


class Request(NamedTuple):
    """What is posted to /v3/mail/send, and how many recipients an answer can name by index."""

    body: bytes
    recipients: int


def write_request(message: Message, recipients: Recipients, attempt: UUID | None) -> Request:
    """Return the request: one personalization for each recipient, in the order given.

    The order matters: an error of SendGrid's names a subscriber by index. Without `attempt` it carries nothing that
    events could bring back but the message's own. Raises InvalidMessage.
    """
    content = contents(message.text, message.html)
    placeholder = message.unsubscribe_placeholder
    substitutes = bool(placeholder) and any(placeholder in part["value"] for part in content)
    _require_links(recipients)
    shared: dict[str, Any] = {
        "from": address(message.from_email, one_line(message.from_name, "the sender's name")),
        "subject": one_line(message.subject, "the subject"),
        "content": content,
        "headers": common_headers(message.headers),
        "custom_args": {**message.custom_args, **({"mailer_attempt": str(attempt)} if attempt else {})},
        "tracking_settings": NO_TRACKING,
    }
    if message.reply_to:
        shared["reply_to"] = address(message.reply_to)
    people = _personalizations(recipients, placeholder if substitutes else "", attempt).encode()
    return Request(b'{"personalizations":[%s],%s' % (people, as_json(shared)[1:]), len(recipients))


def as_json(value: Any) -> bytes:
    """Return the value as JSON. Raises InvalidMessage for text that no encoding can hold."""
    import orjson  # not at the top: commands that send nothing need not load it

    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise InvalidMessage(f"the request cannot be written as JSON: {error}.") from None


def _require_links(recipients: Recipients) -> None:
    """Raise InvalidMessage if a link cannot stand in a header."""
    if _surely_links(recipients.unsubscribe_urls):
        return
    for one in recipients:
        if not _LINK.fullmatch(one.unsubscribe_url):
            raise InvalidMessage(f"delivery {one.delivery}: the unsubscribe link cannot be used in a header.")


def _surely_links(urls: Sequence[str]) -> bool:
    """Return True if each would match _LINK: they begin like one, and have no other letters than a link.

    Looking at all of them at once is many times faster.
    """
    together = "".join(urls)
    begin_alike = _LINK.match(commonprefix(urls)) is not None  # noqa: RUF071 — its letters are what is compared
    return begin_alike and together.isascii() and not together.encode().translate(None, _IN_LINK.encode())


def _personalizations(recipients: Recipients, placeholder: str, attempt: UUID | None) -> str:
    """Return the recipients' personalizations as JSON: by hand, which takes a tenth of the time of dicts and orjson.

    A link needs no quoting: _require_links has seen it. Nor does a readable name.
    """
    emails = _quoted([one if one.isascii() else _with_ascii_domain(one) for one in recipients.emails])
    names = [f',"name":"{shown}"' if name and (shown := readable_name(name)) else "" for name in recipients.names]
    links, nothing = recipients.unsubscribe_urls, [""] * len(recipients)
    # SendGrid keeps custom_args for a long time: a number of ours, nothing personal.
    args, args_end = (',"custom_args":{"mailer_delivery":"', '"}') if attempt else ("", "")
    deliveries = recipients.deliveries if attempt else nothing
    put, put_end = (f',"substitutions":{{{quoted(placeholder)}:"', '"}') if placeholder else ("", "")
    substitutes = links if placeholder else nothing
    # One f-string: formatting by % takes twice as long.
    people = [
        f'{{"to":[{{"email":"{email}"{name}}}],"headers":{{"List-Unsubscribe":"<{link}>"}}'
        f"{args}{delivery}{args_end}{put}{substitute}{put_end}}}"
        for email, name, link, delivery, substitute in zip(emails, names, links, deliveries, substitutes, strict=True)
    ]
    return ",".join(people)


def _quoted(texts: Sequence[str]) -> Sequence[str]:
    """Return the texts as they stand between the quotes of JSON. Looking first whether any must change is faster."""
    together = "".join(texts)
    if quoted(together) == f'"{together}"':
        return texts
    return [quoted(text)[1:-1] for text in texts]


def contents(text: str, html: str) -> list[dict[str, str]]:
    """Return the parts that have text, text/plain first, as SendGrid demands."""
    parts = [{"type": "text/plain", "value": text}, {"type": "text/html", "value": html}]
    return [part for part in parts if part["value"].strip()]


def address(email: str, name: str = "") -> dict[str, str]:
    """Return an address as SendGrid takes it: the domain as A-label (IDNA), the name only if there is one."""
    if not email.isascii():
        email = _with_ascii_domain(email)
    return {"email": email, "name": name} if name else {"email": email}


def _with_ascii_domain(email: str) -> str:
    """Return the same mailbox in ASCII; unchanged if that is impossible (SendGrid then names it by index)."""
    local, _, domain = email.rpartition("@")
    try:
        return f"{local}@{idna.encode(domain, uts46=True).decode()}"
    except idna.IDNAError:
        return email


def readable_name(name: str) -> str:
    """Return the subscriber's name without what could be read as a further address or a further line."""
    if name.replace(" ", "").isalnum():
        return " ".join(name.split())  # most names; the other way costs three times as much
    return _UNSAFE_IN_NAME.sub(" ", name).strip() if _UNSAFE_IN_NAME.search(name) else name


def common_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers in ASCII, each on one line. Raises InvalidMessage for an invalid name or value."""
    for name in headers:
        if not _HEADER_NAME.fullmatch(name) or name.lower() in RESERVED_HEADERS:
            raise InvalidMessage(f"the header {name!r} cannot be set.")
        if name.lower() == "list-unsubscribe":
            raise InvalidMessage(
                "List-Unsubscribe is different for each subscriber, so it cannot be set for all of them."
            )
    return {name: header_value(one_line(value, f"the header {name}")) for name, value in headers.items()}
