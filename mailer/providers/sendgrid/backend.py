"""Django's mail (confirmations, notices) through the same client as the issues."""

from collections.abc import Sequence
from email.utils import parseaddr
from typing import Any

from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend

from mailer.providers.current import current_client
from mailer.providers.sendgrid.client import (
    Accepted,
    Answer,
    NeverOpened,
    OutcomeUnknown,
    ReadersRefused,
    Refused,
    TooLate,
    TooMany,
)
from mailer.providers.sendgrid.payload import (
    NO_TRACKING,
    PayloadError,
    address,
    common_headers,
    contents,
    one_line,
    readable_name,
)


class NotSent(OSError):
    """A mail did not go out, or may not have. The words are the provider's or the network's.

    `retry`: the same mail may go through later. It is False where this mail or address was refused for good, and for
    a mail whose outcome is unknown (`unknown`), where a second try may be a second mail.
    """

    def __init__(self, words: str, *, retry: bool, unknown: bool = False, wait: float | None = None) -> None:
        super().__init__(words)
        self.words = words
        self.retry = retry
        self.unknown = unknown
        self.wait = wait


class SendGridBackend(BaseEmailBackend):
    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """How many mails the provider accepted. Raises NotSent at the first that it did not, unless fail_silently."""
        accepted = 0
        for message in email_messages:
            if not message.recipients():
                continue
            try:
                _send(message)
            except NotSent:
                if not self.fail_silently:
                    raise
            else:
                accepted += 1
        return accepted


def _send(message: EmailMessage) -> None:
    try:
        payload = build_mail(message)
    except PayloadError as error:
        raise NotSent(str(error), retry=False) from error
    answer = current_client().post(payload)
    if not isinstance(answer, Accepted):
        raise _not_sent(answer)


def _not_sent(answer: Answer) -> NotSent:
    match answer:
        case TooMany(words=words, wait=wait):
            return NotSent(words, retry=True, wait=wait)
        case NeverOpened(words=words):
            return NotSent(words, retry=True)
        case TooLate():
            return NotSent("the time for the request was over", retry=True)
        case OutcomeUnknown(words=words):
            return NotSent(words, retry=False, unknown=True)
        case ReadersRefused(words=by_reader):
            return NotSent("; ".join(by_reader.values()), retry=False)
        case Refused(words=words, status=status):
            # The key or the account, not this mail: it goes through once that is mended.
            return NotSent(words, retry=status in (401, 403))
        case _:
            return NotSent(getattr(answer, "words", ""), retry=False)


def build_mail(message: EmailMessage) -> dict[str, Any]:
    """Django's mail as one personalization. Raises PayloadError for what SendGrid or we do not carry."""
    if message.attachments:
        raise PayloadError("a mail with attachments cannot be sent.")
    sender_name, sender = parseaddr(str(message.extra_headers.get("From", message.from_email)))
    recipients = {"to": message.to, "cc": message.cc, "bcc": message.bcc}
    payload: dict[str, Any] = {
        "personalizations": [{kind: [_mailbox(one) for one in some] for kind, some in recipients.items() if some}],
        "from": address(sender, one_line(sender_name, "the sender's name")),
        "subject": one_line(str(message.subject), "the subject"),
        "content": contents(*_text_and_html(message)),
        "tracking_settings": NO_TRACKING,
    }
    headers = {
        name: str(value) for name, value in message.extra_headers.items() if name.lower() not in ("from", "date")
    }
    if headers:
        payload["headers"] = common_headers(headers)
    if getattr(message, "bounced_before", False):
        payload["mail_settings"] = {"bypass_bounce_management": {"enable": True}}
    if message.reply_to:
        payload["reply_to"] = _mailbox(message.reply_to[0])
    return payload


def _mailbox(written: str) -> dict[str, str]:
    name, email = parseaddr(str(written))
    return address(email or str(written), readable_name(name))


def _text_and_html(message: EmailMessage) -> tuple[str, str]:
    body = str(message.body or "")
    text, html = (body, "") if message.content_subtype == "plain" else ("", body)
    for alternative in message.alternatives if isinstance(message, EmailMultiAlternatives) else ():
        content, kind = alternative[0], alternative[1]
        if kind != "text/html":
            raise PayloadError(f"a mail with a part of type {kind} cannot be sent.")
        html = str(content)
    return text, html
