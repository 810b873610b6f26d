"""Build the body of one request to POST /v3/mail/send from one of Django's emails."""

from email.utils import parseaddr
from typing import Any

from django.core.mail import EmailMessage, EmailMultiAlternatives

from mailer.providers.headers import one_line
from mailer.providers.messages import InvalidMessage
from mailer.providers.sendgrid.payload import NO_TRACKING, address, common_headers, contents, readable_name


def build_mail(message: EmailMessage) -> dict[str, Any]:
    """Return Django's email as one personalization. Raises InvalidMessage for what SendGrid or we do not carry."""
    if message.attachments:
        raise InvalidMessage("an email with attachments cannot be sent.")
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
            raise InvalidMessage(f"an email with a part of type {kind} cannot be sent.")
        html = str(content)
    return text, html
