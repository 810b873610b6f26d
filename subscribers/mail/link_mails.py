"""Send the emails with a link that subscribers ask for on a page. The row is the queue: see `Letter.due`."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.utils import translation
from django.utils.translation import gettext, gettext_noop

from subscribers import languages, signed_links
from subscribers.changing import named_in
from subscribers.mail import claiming
from subscribers.mail.composing import compose
from subscribers.models import Letter


@dataclass(frozen=True)
class Texts:
    title: str
    why: str
    button: str
    note: str


TEXTS = {
    Letter.Purpose.DATA: Texts(
        gettext_noop("Your data at %(name)s"),
        gettext_noop("You asked to see or change your data. The button works for 30 minutes."),
        gettext_noop("Open your data"),
        gettext_noop("Do not forward this email. If you did not ask for it, ignore it: nothing will change."),
    ),
    Letter.Purpose.ADDRESS: Texts(
        gettext_noop("Your new address for %(name)s"),
        gettext_noop("A subscriber of %(name)s wants to receive it at this address. Press the button to agree."),
        gettext_noop("Use this address"),
        gettext_noop("The link works for one day. If it was not you, ignore this email: nothing will change."),
    ),
}


def due(now: datetime) -> Iterable[int]:
    """Return ids of the letters that this process should send by `now`, longest waiting first."""
    return claiming.due(Letter, now)


def bring_forward(now: datetime) -> None:
    claiming.bring_forward(Letter, now)


def forget_old(now: datetime) -> None:
    """Delete old letters, and with them addresses that nobody confirmed."""
    Letter.objects.filter(asked_at__lt=now - claiming.KEPT).delete()


def send(letter_id: int) -> bool:
    """Send the letter if it is due, as `claiming.send_claimed` says."""
    return claiming.send_claimed(claiming.claimed(Letter, letter_id, _may_go), _message, _end)


def _may_go(letter: Letter, now: datetime) -> bool:
    if claiming.may_be_tried(letter, now):
        return True
    _end(letter)
    return False


def _end(letter: Letter) -> None:
    Letter.objects.filter(pk=letter.pk).update(due=None)


def _message(letter: Letter) -> EmailMultiAlternatives:
    """Compose the email without anything that a visitor typed."""
    newsletter = settings.NEWSLETTERS[letter.newsletter]
    language = languages.chosen(letter.subscriber.language, newsletter.language)
    with translation.override(language):
        gets = named(letter)
        context = _texts(letter.purpose, newsletter.name) | {"url": _url(letter)}
        context |= {"named": gets, "nothing_named": gets == []}
    return compose("link", letter.newsletter, language, letter.email, context)


def _texts(purpose: str, name: str) -> dict[str, Any]:
    texts = TEXTS[Letter.Purpose(purpose)]
    return {part: gettext(text) % {"name": name} for part, text in vars(texts).items()}


def named(letter: Letter) -> list[str] | None:
    """Return the newsletters that a new address will get, as people call them; None if the letter names none."""
    if letter.purpose != Letter.Purpose.ADDRESS:
        return None
    gets = named_in(letter, letter.subscriber.subscriptions.order_by("newsletter"))
    return [languages.titled(label) for label in gets]


def _url(letter: Letter) -> str:
    if letter.purpose == Letter.Purpose.ADDRESS:
        return signed_links.address_url(letter.public_id, letter.newsletter)
    return signed_links.data_url(letter.subscriber.public_id, letter.newsletter, letter.email_key)
