"""Tell subscribers by email what they did not ask an email for: an undone unsubscribe, a new address, an erasure.

Somebody who did it by a forwarded or stolen link cannot keep the owner of the mailbox from hearing of it. Written in
the transaction of the step itself; `mail.notice_mails` sends what is written here.
"""

from datetime import datetime, timedelta

from django.conf import settings

from subscribers import limits
from subscribers.installations import list_id_of
from subscribers.models import Notice, Subscriber, Suppression

UNDONE_PAUSE = timedelta(days=1)

Kind = Notice.Kind


def undone(subscriber: Subscriber, newsletter: str, now: datetime) -> None:
    """Tell the subscriber that an unsubscribe was undone, once a day per mailbox at most. Their row is locked."""
    today = Notice.objects.filter(
        kind=Kind.UNDONE, mailbox=limits.mailbox(subscriber.email_key), at__gt=now - UNDONE_PAUSE
    )
    if not today.exists():
        _write(Kind.UNDONE, subscriber, newsletter, now, subscriber=subscriber)


def moved(subscriber: Subscriber, newsletter: str, now: datetime) -> None:
    """Tell the mailbox that the subscriber, as given, leaves behind, even if they are erased a moment later."""
    _write(Kind.MOVED, subscriber, newsletter, now, subscriber=None)


def erased(subscriber: Subscriber, now: datetime) -> None:
    """Tell the mailbox of a subscriber who is about to be erased. Their row may go: the notice does not need it."""
    if newsletter := in_whose_name(subscriber):
        _write(Kind.ERASED, subscriber, newsletter, now, subscriber=None)


def in_whose_name(subscriber: Subscriber) -> str:
    """Return the newsletter in whose name to write if none is given: one that they get, else one that they got."""
    known = subscriber.subscriptions.filter(newsletter__in=settings.NEWSLETTERS).order_by("state", "newsletter")
    active_first = known.values_list("newsletter", flat=True)
    return active_first.first() or next(iter(settings.NEWSLETTERS), "")


def forget(email_key: str) -> None:
    """Delete what names this address, but for the news of its erasure, which is deleted once it is sent."""
    Notice.objects.filter(email_key=email_key).exclude(kind=Kind.ERASED).delete()


def may_be_told(subscriber: Subscriber) -> bool:
    """Return False if nobody may email the address in its state before the step."""
    return not Suppression.objects.filter(hash=subscriber.suppression_hash).exists()


def _write(kind: Kind, told: Subscriber, newsletter: str, now: datetime, *, subscriber: Subscriber | None) -> None:
    Notice.objects.create(
        subscriber=subscriber,
        newsletter=newsletter,
        list_id=list_id_of(newsletter),
        kind=kind,
        email=told.email,
        email_key=told.email_key,
        mailbox=limits.mailbox(told.email_key),
        language=told.language,
        at=now,
        due=now,
    )
