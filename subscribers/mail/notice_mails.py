"""Send the emails that tell what was done. The row is the queue: the sweep finds what is due by `Notice.due`."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import F
from django.utils import translation
from django.utils.translation import gettext, gettext_noop

from subscribers import clock, languages, signed_links
from subscribers.installations import may_mail, newsletters_here
from subscribers.mail.composing import SubscriberMail, compose
from subscribers.mail.failures import backs_off, hand_over, may_be_retried
from subscribers.mail.link_mails import KEPT, NEXT_TRY
from subscribers.models import Notice, Subscription
from subscribers.optin import may_get_single_mails

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
    if not may_mail():
        return []
    waiting = Notice.objects.filter(newsletters_here(), due__lte=now).order_by("due")
    return waiting.values_list("pk", flat=True).iterator()


def bring_forward(now: datetime) -> None:
    """Repair due times, as `link_mails.bring_forward` does."""
    Notice.objects.filter(due__gt=now + NEXT_TRY[-1]).update(due=now + NEXT_TRY[0])


def forget_old(now: datetime) -> None:
    """Delete notices of long ago, and with them addresses that subscribers left behind."""
    Notice.objects.filter(at__lt=now - KEPT).delete()


def send(notice_id: int) -> bool:
    """Hand the notice to the provider. Return False if it is not due, or fails and is retried once.

    Call outside of transactions: the claim must be committed before the email leaves.
    """
    notice = _claimed(notice_id)
    if notice is None:
        return False
    try:
        hand_over(_message(notice))
    except Exception as error:  # noqa: BLE001 — whatever the mail backend raises: it stays due
        log.warning("notice failed", extra={"notice": notice_id, "error": type(error).__name__})
        if not may_be_retried(error):
            _end(notice)
        return False
    _end(notice)
    return True


def _claimed(notice_id: int) -> Notice | None:
    """Claim the notice and return it. The new due time is when a failed try is repeated."""
    now = clock.now()
    ours = Notice.objects.filter(newsletters_here(), pk=notice_id, due__lte=now)
    notice = ours.select_related("subscriber").first()
    if notice is None or not may_mail() or backs_off():
        return None
    if notice.tries >= len(NEXT_TRY) or not may_get_single_mails(signed_links.suppression_hash(notice.email_key), now):
        _end(notice)
        return None
    if not _is_true(notice):
        # Delete it, or the mailbox would not hear of another undo today.
        ours.delete()
        return None
    lease = now + NEXT_TRY[notice.tries]
    return notice if ours.filter(tries=notice.tries).update(due=lease, tries=F("tries") + 1) else None


def _end(notice: Notice) -> None:
    """Mark it as not due. Delete it if the address no longer belongs to a subscriber."""
    row = Notice.objects.filter(pk=notice.pk)
    if notice.subscriber is None:
        row.delete()
    else:
        row.update(due=None)


def _is_true(notice: Notice) -> bool:
    """Return False if the notice no longer holds: they left since, or the mailbox is one they left behind.

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
