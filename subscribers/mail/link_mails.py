"""Send the emails with a link that subscribers ask for on a page. The row is the queue: see `Letter.due`."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db.models import F
from django.utils import translation
from django.utils.translation import gettext, gettext_noop

from subscribers import clock, languages, signed_links
from subscribers.changing import named_in
from subscribers.installations import may_mail, newsletters_here
from subscribers.mail.composing import compose
from subscribers.mail.failures import backs_off, hand_over, may_be_retried
from subscribers.models import Letter
from subscribers.optin import may_get_single_mails

log = logging.getLogger(__name__)

# By the number of tries before. Never under 10 minutes: a try that failed for us may still have arrived.
NEXT_TRY = (timedelta(minutes=10), timedelta(hours=1))
KEPT = timedelta(days=2)  # limits look one day back, and a link to confirm an address is good for one


class LetterFailed(Exception):
    """The email could not be handed over; the cause says why. It stays due and is retried once."""


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
    if not may_mail():
        return []
    waiting = Letter.objects.filter(newsletters_here(), due__lte=now).order_by("due")
    return waiting.values_list("pk", flat=True).iterator()


def bring_forward(now: datetime) -> None:
    """Repair due times that a clock running ahead had put off. See mailer.sending.clocks."""
    Letter.objects.filter(due__gt=now + NEXT_TRY[-1]).update(due=now + NEXT_TRY[0])


def forget_old(now: datetime) -> None:
    """Delete old letters, and with them addresses that nobody confirmed."""
    Letter.objects.filter(asked_at__lt=now - KEPT).delete()


def send(letter_id: int) -> bool:
    """Hand the letter to the provider. Return False if it is not due, or another worker holds it.

    Call outside of transactions: the claim must be committed before the email leaves. Raises LetterFailed.
    """
    letter = _claimed(letter_id)
    if letter is None:
        return False
    try:
        hand_over(_message(letter))
    except Exception as error:
        if not may_be_retried(error):
            Letter.objects.filter(pk=letter_id).update(due=None)
        raise LetterFailed(f"letter {letter_id}: {type(error).__name__}") from error
    Letter.objects.filter(pk=letter_id).update(due=None)
    return True


def _claimed(letter_id: int) -> Letter | None:
    """Claim the letter and return it. The new due time is when a failed try is repeated."""
    now = clock.now()
    ours = Letter.objects.filter(newsletters_here(), pk=letter_id, due__lte=now)
    letter = ours.select_related("subscriber").first()
    if letter is None or not may_mail() or backs_off():
        return None
    if letter.tries >= len(NEXT_TRY) or not may_get_single_mails(signed_links.suppression_hash(letter.email_key), now):
        ours.update(due=None)
        return None
    lease = now + NEXT_TRY[letter.tries]
    return letter if ours.filter(tries=letter.tries).update(due=lease, tries=F("tries") + 1) else None


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
