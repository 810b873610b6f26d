"""Compose single emails to a subscriber: a folder of templates, in the newsletter's name and colours."""

from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import translation

from subscribers.languages import direction, language_tag

PARTS = ("subject.txt", "body.txt", "body.mjml")


class SubscriberMail(EmailMultiAlternatives):
    """An email to one subscriber. `bounced_before`: send it although the provider remembers a bounce of the address."""

    bounced_before = False


def compose(folder: str, newsletter: str, language: str, to: str, context: dict[str, Any]) -> SubscriberMail:
    """Render the email, ready to be sent. `folder` lies in templates/email; the newsletter must be configured."""
    sender = settings.NEWSLETTERS[newsletter]
    frame = {
        "newsletter_name": sender.name,
        "postal_address": sender.postal_address,
        "language": language_tag(language),
        "direction": direction(language),
        "accent_color": sender.accent_color,
    }
    with translation.override(language):
        subject, text, html = (render_to_string(f"email/{folder}/{part}", frame | context) for part in PARTS)
    message = SubscriberMail(
        subject=" ".join(subject.split()),
        body=text,
        from_email=_mailbox(sender.from_name, sender.from_email),
        to=[to],
        reply_to=[sender.reply_to] if sender.reply_to else None,
        headers={"Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(html, "text/html")
    return message


def _mailbox(name: str, email: str) -> str:
    if not name:
        return email
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{email}>'
