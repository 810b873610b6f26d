"""Who agreed to what. The only writer of consent: every step of a reader is one function here.

Rows are locked in one order, reader before subscription. The reader's lock is FOR NO KEY UPDATE, because inserting a
Consent takes FOR KEY SHARE on the same row, and FOR UPDATE would deadlock with it.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from subscribers import limits, links
from subscribers.addresses import Address
from subscribers.models import Consent, Subscriber, Subscription, Suppression

log = logging.getLogger(__name__)

Step, State, Reason = Consent.Step, Subscription.State, Suppression.Reason

BOUNCE_RESTS = timedelta(days=7)  # so long a bounced address gets no confirmation mail either
# A weaker reason never replaces a stronger one.
STRENGTH: Mapping[str, int] = {Reason.ERASED: 0, Reason.BOUNCE: 1, Reason.MANUAL: 2, Reason.COMPLAINT: 3}


@dataclass(frozen=True)
class Origin:
    """How a step came about; it becomes the consent record."""

    how: str  # form, link, page, one-click, command, import
    source: str = ""  # address of the form, file name, or the editor's words
    wording: str = ""  # what the reader was shown, exactly
    wording_version: str = ""
    language: str = ""
    ip: str = ""  # as networks.network() cut it


class Refused(Exception):
    """Nothing was changed; the message says why and who can change it."""


class Answer(StrEnum):
    """What a request for a newsletter led to. Pages never show which: it would tell who is a reader."""

    MAIL_DUE = "mail due"
    ACTIVE = "active"
    SUPPRESSED = "suppressed"
    ASKED_ENOUGH = "asked enough"


@dataclass(frozen=True)
class Request:
    subscription_id: int
    answer: Answer


def subscribe(address: Address, newsletter: str, *, name: str = "", language: str = "", origin: Origin) -> Request:
    """The wish is on record, and where it may be, a confirmation mail is due.

    All addresses take the same steps here, known or not, so that neither answer nor time tells them apart.
    Raises limits.TooManyRequests.
    """
    now = timezone.now()
    with transaction.atomic():
        limits.check_network(origin.ip, now)
        subscriber = _reader(address, name, language, now)
        subscription = _subscription(subscriber, newsletter, now)
        asked = limits.mails_asked(subscriber.pk, now)
        answer = _answer(subscriber, subscription, asked, now)
        if answer is Answer.MAIL_DUE:
            _ask(subscription, tries=subscription.confirmation_tries if asked else 0, now=now)
            _record(subscriber, newsletter, Step.REQUESTED, origin, now)
        else:
            quiet = replace(origin, how=origin.how + limits.NO_MAIL)
            _record(subscriber, newsletter, Step.REQUESTED, quiet, now)
    return Request(subscription.pk, answer)


def _answer(subscriber: Subscriber, subscription: Subscription, asked: list[datetime], now: datetime) -> Answer:
    suppression = Suppression.objects.filter(hash=subscriber.suppression_hash).first()
    if suppression and not confirming_lifts(suppression, now):
        return Answer.SUPPRESSED
    # An active reader whose address bounced long ago confirms anew; until then nothing is sent to them anyway.
    if subscription.state == State.ACTIVE and not suppression:
        return Answer.ACTIVE
    return Answer.MAIL_DUE if limits.allows_mail(asked, now) else Answer.ASKED_ENOUGH


def confirming_lifts(suppression: Suppression, now: datetime) -> bool:
    """Whether a reader with this suppression may get a confirmation mail, and is free of it once they confirm.

    Complaints and an operator's own decision are lifted by an operator only.
    """
    if suppression.reason == Reason.BOUNCE:
        return suppression.at <= now - BOUNCE_RESTS
    return suppression.reason == Reason.ERASED


def _ask(subscription: Subscription, tries: int, now: datetime) -> None:
    Subscription.objects.filter(pk=subscription.pk).update(
        state=State.PENDING, confirmation_due=now, confirmation_tries=tries, changed_at=now
    )


class Confirmation(StrEnum):
    CONFIRMED = "confirmed"
    BEFORE = "confirmed before"
    LEFT = "left since"  # an old link never brings anybody back
    GONE = "gone"


def confirm(public_id: UUID, newsletter: str, origin: Origin) -> Confirmation:
    """A pending reader is active, and what confirming lifts is lifted. The second time changes nothing."""
    now = timezone.now()
    with transaction.atomic():
        subscription = _find(public_id, newsletter)
        if subscription is None:
            return Confirmation.GONE
        if subscription.state == State.ACTIVE:
            return Confirmation.BEFORE
        if subscription.state == State.UNSUBSCRIBED:
            return Confirmation.LEFT
        Subscription.objects.filter(pk=subscription.pk).update(
            state=State.ACTIVE, confirmation_due=None, changed_at=now
        )
        _lift_by_confirming(subscription.subscriber, now)
        _record(subscription.subscriber, newsletter, Step.CONFIRMED, origin, now)
    return Confirmation.CONFIRMED


def _lift_by_confirming(subscriber: Subscriber, now: datetime) -> None:
    suppression = Suppression.objects.select_for_update().filter(hash=subscriber.suppression_hash).first()
    if suppression and confirming_lifts(suppression, now):
        suppression.delete()


def unsubscribe(public_id: UUID, newsletter: str, origin: Origin) -> bool:
    """Nobody mails this reader this newsletter from now on. False: nobody did before either."""
    now = timezone.now()
    with transaction.atomic():
        subscription = _find(public_id, newsletter)
        if subscription is None or subscription.state == State.UNSUBSCRIBED:
            return False
        _leave([subscription.pk], now)
        _record(subscription.subscriber, newsletter, Step.UNSUBSCRIBED, origin, now)
    return True


def _leave(subscription_ids: Iterable[int], now: datetime) -> None:
    Subscription.objects.filter(pk__in=list(subscription_ids)).update(
        state=State.UNSUBSCRIBED, confirmation_due=None, changed_at=now
    )


def add_active(
    address: Address, newsletter: str, *, name: str = "", language: str = "", origin: Origin
) -> Subscription:
    """The reader gets the newsletter without a confirmation mail: the editor has their consent from elsewhere.

    Raises Refused for whoever left or may not be mailed: nobody but the reader brings them back.
    """
    now = timezone.now()
    with transaction.atomic():
        subscriber = _reader(address, name, language, now)
        suppression = Suppression.objects.filter(hash=subscriber.suppression_hash).first()
        if suppression:
            raise Refused(f"nobody may mail this address ({suppression.reason}, {suppression.at:%Y-%m-%d})")
        subscription = _subscription(subscriber, newsletter, now)
        if subscription.state == State.ACTIVE:
            return subscription
        if subscription.pk in those_who_left(newsletter, [subscriber.pk]):
            raise Refused("this reader unsubscribed, and only a confirmation of their own brings them back")
        Subscription.objects.filter(pk=subscription.pk).update(
            state=State.ACTIVE, confirmation_due=None, changed_at=now
        )
        _record(subscriber, newsletter, Step.IMPORTED, origin, now)
    subscription.refresh_from_db()
    return subscription


def those_who_left(newsletter: str, subscriber_ids: Iterable[int]) -> set[int]:
    """Ids of the subscriptions, of these readers, that ended in unsubscribing and were not confirmed again.

    A pending one may be among them: anybody can type in the address of somebody who left.
    """
    ids = list(subscriber_ids)
    last: dict[int, str] = {}
    steps = Consent.objects.filter(
        subscriber_id__in=ids, newsletter=newsletter, step__in=[Step.CONFIRMED, Step.IMPORTED, Step.UNSUBSCRIBED]
    )
    for subscriber_id, step in steps.order_by("at", "pk").values_list("subscriber_id", "step"):
        last[subscriber_id] = step
    there = Subscription.objects.filter(subscriber_id__in=ids, newsletter=newsletter)
    return {
        pk
        for pk, subscriber_id, state in there.values_list("pk", "subscriber_id", "state")
        if state == State.UNSUBSCRIBED or (state == State.PENDING and last.get(subscriber_id) == Step.UNSUBSCRIBED)
    }


def suppress(hash: str, reason: str, origin: Origin, *, note: str = "") -> None:
    """Nobody may mail the address behind this hash, in any newsletter. A stronger reason that stands stays."""
    now = timezone.now()
    with transaction.atomic():
        suppression, new = Suppression.objects.select_for_update().get_or_create(
            hash=hash, defaults={"reason": reason, "note": note, "at": now}
        )
        if not new and STRENGTH[reason] < STRENGTH[suppression.reason]:
            return
        if not new:
            Suppression.objects.filter(hash=hash).update(reason=reason, note=note, at=now)
        _record_for_all(hash, replace(origin, source=f"suppressed: {reason} {origin.source}".strip()), now)
    log.info("address suppressed", extra={"reason": str(reason)})


def lift(hash: str, origin: Origin) -> str | None:
    """The address may be mailed again, where its reader wants it; what the reason was. None: it was not suppressed.

    For operators. Readers lift by confirming.
    """
    now = timezone.now()
    with transaction.atomic():
        suppression = Suppression.objects.select_for_update().filter(hash=hash).first()
        if suppression is None:
            return None
        suppression.delete()
        _record_for_all(hash, replace(origin, source=f"lifted: {suppression.reason} {origin.source}".strip()), now)
    return str(suppression.reason)


@dataclass(frozen=True)
class Newcomer:
    """One row of a file."""

    address: Address
    state: str
    name: str = ""
    language: str = ""
    suppressed: str = ""  # a Suppression.Reason


def take_in(newsletter: str, newcomers: list[Newcomer], leaving: list[Newcomer], origin: Origin) -> None:
    """Newcomers, who have no subscription here yet, are in their file's state; those leaving are unsubscribed.

    In the caller's transaction, about 1,000 at a time. Nobody is mailed.
    """
    now = timezone.now()
    readers = _readers([*newcomers, *leaving], now)
    Subscription.objects.bulk_create(
        Subscription(
            subscriber=readers[row.address.key], newsletter=newsletter, state=row.state, created_at=now, changed_at=now
        )
        for row in newcomers
    )
    left = [readers[row.address.key] for row in leaving]
    ids = Subscription.objects.filter(newsletter=newsletter, subscriber__in=left).values_list("pk", flat=True)
    _leave(list(ids), now)
    gone = [readers[row.address.key] for row in newcomers if row.state == State.UNSUBSCRIBED] + left
    came = [readers[row.address.key] for row in newcomers if row.state != State.UNSUBSCRIBED]
    Consent.objects.bulk_create(
        _consent(reader, newsletter, step, origin, now)
        for step, group in ((Step.IMPORTED, came), (Step.UNSUBSCRIBED, gone))
        for reader in group
    )


def _readers(rows: list[Newcomer], now: datetime) -> dict[str, Subscriber]:
    """The readers of these rows by key, made where they are new."""
    keys = [row.address.key for row in rows]
    known = {reader.email_key: reader for reader in Subscriber.objects.filter(email_key__in=keys)}
    made = Subscriber.objects.bulk_create(
        _new_reader(row.address, row.name, row.language, now) for row in rows if row.address.key not in known
    )
    return known | {reader.email_key: reader for reader in made}


def _new_reader(address: Address, name: str, language: str, now: datetime) -> Subscriber:
    return Subscriber(
        email=address.email,
        email_key=address.key,
        suppression_hash=links.suppression_hash(address.key),
        name=name,
        language=language,
        created_at=now,
    )


def _reader(address: Address, name: str, language: str, now: datetime) -> Subscriber:
    """The reader with this address, locked. A known reader's name is not changed: anybody could have typed it."""
    new = _new_reader(address, name, language, now)
    fields = ("email", "suppression_hash", "name", "language", "created_at")
    Subscriber.objects.get_or_create(email_key=address.key, defaults={field: getattr(new, field) for field in fields})
    return Subscriber.objects.select_for_update(no_key=True).get(email_key=address.key)


def _subscription(subscriber: Subscriber, newsletter: str, now: datetime) -> Subscription:
    Subscription.objects.get_or_create(
        subscriber=subscriber, newsletter=newsletter, defaults={"created_at": now, "changed_at": now}
    )
    return Subscription.objects.select_for_update().get(subscriber=subscriber, newsletter=newsletter)


def _find(public_id: UUID, newsletter: str) -> Subscription | None:
    """The subscription of this reader, locked; None when reader or subscription is gone."""
    found = Subscription.objects.select_for_update(of=("self",)).select_related("subscriber")
    return found.filter(subscriber__public_id=public_id, newsletter=newsletter).first()


def _record_for_all(hash: str, origin: Origin, now: datetime) -> None:
    for subscriber in Subscriber.objects.filter(suppression_hash=hash):
        _record(subscriber, "", Step.CHANGED, origin, now)


def _record(subscriber: Subscriber, newsletter: str, step: str, origin: Origin, now: datetime) -> None:
    _consent(subscriber, newsletter, step, origin, now).save(force_insert=True)


def _consent(subscriber: Subscriber, newsletter: str, step: str, origin: Origin, now: datetime) -> Consent:
    return Consent(
        subscriber=subscriber,
        newsletter=newsletter,
        step=step,
        at=now,
        how=origin.how,
        source=origin.source,
        wording=origin.wording,
        wording_version=origin.wording_version,
        language=origin.language,
        ip=origin.ip,
    )
