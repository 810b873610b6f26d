"""Change a subscriber's name, language or address at their own request. The only writer of profiles and of letters.

Each change becomes a step in their history, whose text holds neither the old value nor the new one in full. Of changes
that are not consent, only the last of each kind is kept.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

from django.conf import settings
from django.db import IntegrityError, transaction

from subscribers import clock, limits, notices, optin, records, signed_links
from subscribers.addresses import Address
from subscribers.installations import list_id_of
from subscribers.masking import masked
from subscribers.models import Consent, FormerId, Letter, Subscriber, Subscription, Suppression
from subscribers.optin import Origin, Reason, State, Step, lift_by_confirming, suppress

About = Consent.About


class Moved(StrEnum):
    MOVED = "moved"
    TAKEN = "taken"  # another subscriber has the address, or it is suppressed
    GONE = "gone"


def rename(public_id: UUID, name: str, origin: Origin) -> bool:
    """Give the subscriber this name. Return False if they had it already, or do not exist."""
    return _set(public_id, About.NAME, name, origin)


def speak(public_id: UUID, language: str, origin: Origin) -> bool:
    """Set the language of the subscriber's pages and emails. Return False if it was set, or they do not exist."""
    return _set(public_id, About.LANGUAGE, language, origin)


def _set(public_id: UUID, field: About, value: str, origin: Origin) -> bool:
    """Set one field of the subscriber, if it differs. `field` is also the column's name."""
    now = clock.now()
    with transaction.atomic():
        subscriber = _locked(public_id)
        if subscriber is None or getattr(subscriber, field) == value:
            return False
        Subscriber.objects.filter(pk=subscriber.pk).update(**{field: value})
        _record(subscriber, f"{field} changed", origin, now, field)
    return True


def note_export(public_id: UUID, origin: Origin) -> None:
    """Record in the subscriber's history that they took a copy of their data."""
    now = clock.now()
    with transaction.atomic():
        subscriber = _locked(public_id)
        if subscriber is not None:
            _record(subscriber, "took a copy of their data", origin, now, About.COPY)


# ---------------------------------------------------------------- letters


def ask_for_link(public_id: UUID, newsletter: str, origin: Origin) -> int | None:
    """Queue an email with a link to the subscriber's data; return its id.

    Return None if they asked often enough, or do not exist.
    """
    with transaction.atomic():
        known = Subscriber.objects.filter(public_id=public_id).values_list("email_key", flat=True).first()
        if known is None:
            return None
        mailbox = limits.mailbox(known)
        limits.one_at_a_time(mailbox)
        now = clock.now()
        subscriber = _locked(public_id)
        if subscriber is None:
            return None
        to = Address(subscriber.email, subscriber.email_key)
        before = Letter.objects.filter(
            subscriber=subscriber, purpose=Letter.Purpose.DATA, asked_at__gt=now - limits.DAY
        )
        asked = list(before.values_list("asked_at", flat=True))
        # The pause is between two of these: who has just joined, or moved here, need not wait for their data.
        few = limits.are_few(limits.asked(mailbox, limits.Budget.SIGNED, now))
        allowed = few and limits.allows_mail(asked, now)
        if allowed:
            limits.note(mailbox, limits.Budget.SIGNED, now)
        return _ask(subscriber, newsletter, Letter.Purpose.DATA, to if allowed else None, origin, now)


def ask_to_move(public_id: UUID, newsletter: str, to: Address, origin: Origin) -> int | None:
    """Queue an email to the new address that asks to confirm it; return its id.

    Return None if the address cannot be mailed now, or the subscriber does not exist. Pages answer the same in each
    case: a subscriber must not learn who else subscribes.
    """
    mailbox = limits.mailbox(to.key)
    with transaction.atomic():
        limits.one_at_a_time(mailbox)
        now = clock.now()
        subscriber = _locked(public_id)
        if subscriber is None:
            return None
        allowed = to.key != subscriber.email_key and _may_get_letters(mailbox, subscriber, now)
        if allowed:
            limits.note(mailbox, limits.Budget.TYPED, now)
        gets = subscriber.subscriptions.filter(state=State.ACTIVE).order_by("newsletter")
        named = list(gets.values_list("newsletter", flat=True))
        return _ask(subscriber, newsletter, Letter.Purpose.ADDRESS, to if allowed else None, origin, now, named)


def _may_get_letters(mailbox: str, subscriber: Subscriber, now: datetime) -> bool:
    """Return False once the mailbox got enough emails: nobody's link may fill other people's mailboxes."""
    theirs = subscriber.letters.filter(purpose=Letter.Purpose.ADDRESS, asked_at__gt=now - limits.DAY)
    if theirs.count() >= limits.LINKS_A_DAY:
        return False
    return limits.allows_mail(limits.asked(mailbox, limits.Budget.TYPED, now), now)


def _ask(
    subscriber: Subscriber,
    newsletter: str,
    purpose: Letter.Purpose,
    to: Address | None,
    origin: Origin,
    now: datetime,
    named: list[str] | None = None,
) -> int | None:
    what = f"asked for a link: {purpose}"
    about = About.LINK if purpose == Letter.Purpose.DATA else About.ADDRESS
    if to is None:
        _record(subscriber, what, records.unanswered(origin), now, about)
        return None
    _record(subscriber, what, origin, now, about)
    if newsletter not in settings.NEWSLETTERS:  # the link is of a newsletter that is gone and sends nothing
        newsletter = notices.in_whose_name(subscriber)
    letter = Letter.objects.create(
        subscriber=subscriber,
        newsletter=newsletter,
        list_id=list_id_of(newsletter),
        purpose=purpose,
        email=to.email,
        email_key=to.key,
        asked_at=now,
        due=now,
        newsletters=named,
    )
    return letter.pk


# ---------------------------------------------------------------- a new address


def move(letter: UUID, origin: Origin) -> Moved:
    """Move the subscriber to the address that this letter went to. Doing it again changes nothing.

    Only the subscriber's last letter counts: an address given by mistake must not take over later. The new address gets
    the newsletters that its letter named and no others. The subscriber gets a new id, because links with the old one
    lie in a mailbox that may be somebody else's by now; and that mailbox is told.
    """
    try:
        with transaction.atomic():
            return _move(letter, origin, clock.now())
    except IntegrityError:
        return Moved.TAKEN  # somebody signed up with it at this very moment


def _move(public_id: UUID, origin: Origin, now: datetime) -> Moved:
    letter = Letter.objects.filter(public_id=public_id, purpose=Letter.Purpose.ADDRESS).first()
    if letter is None:
        return Moved.GONE
    subscriber = Subscriber.objects.select_for_update(no_key=True).filter(pk=letter.subscriber_id).first()
    if subscriber is None or is_superseded(letter):
        return Moved.GONE
    if subscriber.email_key == letter.email_key:
        return Moved.MOVED
    if Subscriber.objects.filter(email_key=letter.email_key).exists() or _held_back(subscriber):
        return Moved.TAKEN
    wishes = list(subscriber.subscriptions.select_for_update().order_by("pk"))
    hash, told = signed_links.suppression_hash(letter.email_key), notices.may_be_told(subscriber)
    if not lift_by_confirming(hash, subscriber, now):
        return Moved.TAKEN
    Subscriber.objects.filter(pk=subscriber.pk).update(suppression_hash=hash)
    _leave_links_behind(subscriber, wishes)
    _record_move(subscriber, letter, wishes, origin, now)
    if told:
        notices.moved(subscriber, letter.newsletter, now)
    # Last: this locks the row against whatever records a step of this subscriber, and that may hold what we need.
    Subscriber.objects.filter(pk=subscriber.pk).update(
        email=letter.email, email_key=letter.email_key, public_id=uuid4()
    )
    return Moved.MOVED


def is_superseded(letter: Letter) -> bool:
    """Tell whether the subscriber has named another new address since this letter was asked for."""
    newer = Letter.objects.filter(subscriber=letter.subscriber_id, purpose=letter.purpose, pk__gt=letter.pk)
    return newer.exists()


def _leave_links_behind(subscriber: Subscriber, wishes: list[Subscription]) -> None:
    """Limit links in the old mailbox to unsubscribing from what went there. Waiting emails stay with the subscriber."""
    # Where nothing went there, the id is kept all the same: its links say where to go instead.
    former = [wish.newsletter for wish in wishes if wish.state == State.ACTIVE] or [""]
    FormerId.objects.bulk_create(
        FormerId(public_id=subscriber.public_id, subscriber=subscriber, newsletter=newsletter) for newsletter in former
    )
    subscriber.letters.exclude(due=None).update(due=None)


def named_in(letter: Letter, wishes: Iterable[Subscription]) -> list[str]:
    """Return the newsletters that the new address gets: those still active that its letter named.

    A letter from before letters named newsletters counts as naming what was active when it was asked for.
    """
    return [
        wish.newsletter
        for wish in wishes
        if wish.state == State.ACTIVE
        and (
            wish.changed_at <= letter.asked_at if letter.newsletters is None else wish.newsletter in letter.newsletters
        )
    ]


def _held_back(subscriber: Subscriber) -> bool:
    """Tell whether a complaint or a manual suppression applies: nobody may escape it by changing the address."""
    suppression = Suppression.objects.filter(hash=subscriber.suppression_hash).first()
    return suppression is not None and suppression.reason not in (Reason.BOUNCE, Reason.ERASED)


def _record_move(
    subscriber: Subscriber, letter: Letter, wishes: list[Subscription], origin: Origin, now: datetime
) -> None:
    moved = replace(origin, effect=Consent.Effect.MOVED)
    _record(subscriber, f"address changed, it was {masked(subscriber.email)}", moved, now)
    named = named_in(letter, wishes)
    for wish in wishes:
        if wish.newsletter in named:
            records.record(subscriber, wish.newsletter, Step.CONFIRMED, origin, now)
        elif wish.state != State.UNSUBSCRIBED:
            optin.end(wish, replace(origin, source=f"not confirmed at the new address {origin.source}".strip()))
    Subscription.objects.filter(subscriber=subscriber).update(undoable=None)
    # Neither importing an old list nor restoring an old backup may mail the address they left behind.
    suppress(subscriber.suppression_hash, Reason.ERASED, origin)


def _locked(public_id: UUID) -> Subscriber | None:
    return Subscriber.objects.select_for_update(no_key=True).filter(public_id=public_id).first()


def _record(subscriber: Subscriber, what: str, origin: Origin, now: datetime, about: About | None = None) -> None:
    said = replace(origin, source=f"{what} {origin.source}".strip())
    records.record(subscriber, "", Step.CHANGED, said, now, about=about or "")
