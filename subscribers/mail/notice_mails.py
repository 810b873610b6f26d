"""Send the emails that tell what was done. The row is the queue: the sweep finds what is due by `Notice.due`."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext, gettext_noop

from subscribers import languages, signed_links
from subscribers.mail import claiming
from subscribers.mail.composing import SubscriberMail, compose
from subscribers.models import Notice, Subscription

log = logging.getLogger(__name__)

Kind = Notice.Kind


@dataclass(frozen=True)
class Texts:
    title: str
    why: str
    note: str
    button: str = ""


TEXTS = {
    Kind.UNDONE: Texts(
        gettext_noop("You are still subscribed to %(name)s"),
        gettext_noop("You were unsubscribed from %(name)s, and right after that someone pressed Undo on the page."),
        gettext_noop(
            "If that was you, there is nothing to do. If not, unsubscribe again: that Undo link no longer works."
        ),
        gettext_noop("Unsubscribe"),
    ),
    Kind.MOVED: Texts(
        gettext_noop("Your address for %(name)s has changed"),
        gettext_noop("From now on, your emails go to your new, confirmed address and no longer to this one."),
        gettext_noop("If it was not you, reply to this email. Unsubscribe links in earlier emails still work."),
    ),
    Kind.ERASED: Texts(
        gettext_noop("Your data at %(name)s has been deleted"),
        gettext_noop(
            "Your subscriptions have ended and your data is deleted. This is the last email you will receive."
        ),
        gettext_noop("If you did not ask for this, reply to this email. You can always subscribe again."),
    ),
}


def due(now: datetime) -> Iterable[int]:
    """Return ids of the notices that this process should send by `now`, longest waiting first."""
    return claiming.due(Notice, now)


def bring_forward(now: datetime) -> None:
    claiming.bring_forward(Notice, now)


def forget_old(now: datetime) -> None:
    """Delete notices of long ago, and with them addresses that subscribers left behind."""
    Notice.objects.filter(at__lt=now - claiming.KEPT).delete()


def send(notice_id: int) -> bool:
    """Send the notice if it is due. Return False if it is not, or if it fails and is retried once.

    Call outside of transactions: the claim must be committed before the email leaves.
    """
    try:
        return claiming.send_claimed(claiming.claimed(Notice, notice_id, _may_go), _message, _end)
    except claiming.MailFailed as failure:
        log.warning("notice failed", extra={"notice": notice_id, "error": type(failure.__cause__).__name__})
        return False


def _may_go(notice: Notice, now: datetime) -> bool:
    if not claiming.may_be_tried(notice, now):
        _end(notice)
        return False
    if not _is_true(notice):
        # Delete it, or the mailbox would not hear of another undo today.
        Notice.objects.filter(pk=notice.pk, due=notice.due).delete()
        return False
    return True


def _end(notice: Notice) -> None:
    """Mark it as not due. Delete it if the address no longer belongs to a subscriber."""
    row = Notice.objects.filter(pk=notice.pk)
    if notice.subscriber is None:
        row.delete()
    else:
        row.update(due=None)


def _is_true(notice: Notice) -> bool:
    """Return False if the notice no longer holds: they have left since, or left the mailbox behind.

    Its link would carry the id that they got at the move.
    """
    got = Subscription.objects.filter(subscriber__email_key=notice.email_key, newsletter=notice.newsletter)
    active = got.filter(subscriber=notice.subscriber, state=Subscription.State.ACTIVE)
    return notice.kind != Kind.UNDONE or active.exists()


def _message(notice: Notice) -> SubscriberMail:
    """Compose the email without anything that a visitor typed."""
    newsletter, texts = settings.NEWSLETTERS[notice.newsletter], TEXTS[Kind(notice.kind)]
    language = languages.chosen(notice.language, newsletter.language)
    with translation.override(language):
        said = {part: gettext(text) % {"name": newsletter.name} if text else "" for part, text in vars(texts).items()}
    return compose("link", notice.newsletter, language, notice.email, said | {"url": _leave_url(notice)})


def _leave_url(notice: Notice) -> str:
    """Return where the button of an undo's notice leads; other notices have none."""
    if notice.kind != Kind.UNDONE or notice.subscriber is None:
        return ""
    return signed_links.unsubscribe_url(notice.subscriber.public_id, notice.newsletter)
