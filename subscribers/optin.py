"""Record who agreed to what. The only writer of consent: every step of a subscriber is one function here.

What waited in the journal of leavings is applied by `clicks`, many at once.

Rows are locked in one order: the subscriber if their row is changed, subscriptions, suppression. The subscriber's lock
is FOR NO KEY UPDATE, because inserting a Consent takes FOR KEY SHARE on the same row, and FOR UPDATE would deadlock
with it; what does need FOR UPDATE, a new address and erasing, comes last in its transaction.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from subscribers import clock, labels, limits, optouts, queue, records, signed_links, undoing, welcomes
from subscribers.addresses import Address
from subscribers.installations import list_id_of
from subscribers.models import Consent, MailRequest, Subscriber, Subscription, Suppression
from subscribers.optouts import UNSUBSCRIBED, OptOut
from subscribers.records import Newcomer as Newcomer
from subscribers.records import Origin as Origin
from subscribers.staged import Part, Staged
from subscribers.undoing import Left as Left

log = logging.getLogger(__name__)

Step, Effect, State, Reason = Consent.Step, Consent.Effect, Subscription.State, Suppression.Reason

RESTORE = "restore"  # `Consent.how` of what replaying the log of opt-outs repeats: counted when it first happened
BOUNCE_RESTS = timedelta(days=7)  # for this long a bounced address gets no confirmation email either
# A weaker reason never replaces a stronger one.
STRENGTH: Mapping[str, int] = {Reason.ERASED: 0, Reason.BOUNCE: 1, Reason.MANUAL: 2, Reason.COMPLAINT: 3}


class Refused(Exception):
    """Nothing was changed; the message says why and who can change it."""


class Answer(StrEnum):
    """What a request for a newsletter led to. Pages never show which: it would reveal who is subscribed."""

    MAIL_DUE = "mail due"
    ACTIVE = "active"
    SUPPRESSED = "suppressed"
    ASKED_ENOUGH = "asked enough"


@dataclass(frozen=True)
class Request:
    subscription_id: int  # 0: nothing was recorded
    answer: Answer
    queued: bool = False  # an email may take a while


def subscribe(
    address: Address,
    newsletter: str,
    *,
    name: str = "",
    language: str = "",
    origin: Origin,
    typed: limits.Typed | None = None,
) -> Request:
    """Record the request and, unless it is refused, make a confirmation email due.

    `typed` is for what anybody can ask for; without it, it is the subscriber by a signed link, or the operator. All
    addresses take the same steps here, known or not, so that neither answer nor time tells them apart. Raises
    limits.EffortNeeded, limits.TokenSpent.
    """
    mailbox = limits.mailbox(address.key)
    with transaction.atomic():
        limits.one_at_a_time(origin.ip if typed else "", mailbox)
        now = clock.now()
        counted = limits.count_typed(mailbox, origin.ip, typed, now) if typed else limits.count_signed(mailbox, now)
        if counted is None:
            return Request(0, _answer_without_mail(address, newsletter, now))
        subscriber = records.subscriber(address, name, language, now)
        subscription = records.subscription(subscriber, newsletter, now)
        answer = _answer(subscriber.suppression_hash, subscription.state, now)
        _ask(subscription, answer, counted, now)
        said = origin if answer is Answer.MAIL_DUE else records.unanswered(origin)
        records.record(subscriber, newsletter, Step.REQUESTED, said, now)
    if typed:
        queue.push_out(now)
    return Request(subscription.pk, answer, counted.queued)


def _answer_without_mail(address: Address, newsletter: str, now: datetime) -> Answer:
    known = Subscription.objects.filter(subscriber__email_key=address.key, newsletter=newsletter)
    state = known.values_list("state", flat=True).first() or ""
    answer = _answer(signed_links.suppression_hash(address.key), state, now)
    return Answer.ASKED_ENOUGH if answer is Answer.MAIL_DUE else answer


def _answer(suppression_hash: str, state: str, now: datetime) -> Answer:
    suppression = Suppression.objects.filter(hash=suppression_hash).first()
    if suppression and not confirming_lifts(suppression, now):
        return Answer.SUPPRESSED
    # An active subscriber whose address bounced long ago confirms anew; until then nothing is sent to them.
    return Answer.ACTIVE if state == State.ACTIVE and not suppression else Answer.MAIL_DUE


def confirming_lifts(suppression: Suppression, now: datetime) -> bool:
    """Tell whether a subscriber with this suppression may get a confirmation email and, by confirming, lift it.

    Only an operator lifts complaints and an operator's own decision.
    """
    if suppression.reason == Reason.BOUNCE:
        return suppression.at <= now - BOUNCE_RESTS
    return suppression.reason == Reason.ERASED


def may_get_single_mails(suppression_hash: str, now: datetime) -> bool:
    """Tell whether this address may get an email that its subscriber asked for, or that tells what they did."""
    suppression = Suppression.objects.filter(hash=suppression_hash).first()
    return suppression is None or confirming_lifts(suppression, now)


def _ask(subscription: Subscription, answer: Answer, counted: limits.Counted, now: datetime) -> None:
    """Make an email due if allowed. The statements are the same for all, or their time would tell who is subscribed."""
    may_be = Q() if answer is Answer.MAIL_DUE else Q(pk=0)
    goes_on = limits.confirmations_asked(subscription.subscriber_id, now)
    Subscription.objects.filter(may_be, pk=subscription.pk).update(
        state=State.PENDING,
        confirmation_due=max(now, min(subscription.confirmation_due or counted.due, counted.due)),
        confirmation_tries=subscription.confirmation_tries if goes_on else 0,
        list_id=list_id_of(subscription.newsletter),
        changed_at=now,
    )
    _take_place(subscription, may_be, counted.request)


def _take_place(subscription: Subscription, may_be: Q, request: MailRequest) -> None:
    """Let one request alone stand for a subscription in the queue: a stranger's second request puts none back."""
    waiting = list(MailRequest.objects.filter(may_be, subscription=subscription, sent_at=None))
    signed = [one for one in waiting if one.budget == MailRequest.Budget.SIGNED]
    place = signed[0] if signed else request
    rank = min([request.rank, *(one.rank for one in waiting)])
    MailRequest.objects.filter(pk__in=[one.pk for one in waiting]).update(subscription=None)
    MailRequest.objects.filter(may_be, pk=place.pk).update(subscription=subscription, rank=rank)


class Confirmation(StrEnum):
    CONFIRMED = "confirmed"
    BEFORE = "confirmed before"
    LEFT = "left since"  # an old link never resubscribes anybody
    GONE = "gone"


def confirm(public_id: UUID, newsletter: str, origin: Origin) -> Confirmation:
    """Activate a pending subscription, and lift what confirming lifts. Doing it again changes nothing."""
    now = clock.now()
    with transaction.atomic():
        subscription = records.find(public_id, newsletter)
        if subscription is None:
            return Confirmation.GONE
        if subscription.state != State.PENDING:
            return Confirmation.BEFORE if subscription.state == State.ACTIVE else Confirmation.LEFT
        Subscription.objects.filter(pk=subscription.pk).update(
            state=State.ACTIVE, confirmation_due=None, undoable=None, changed_at=now
        )
        suppression = _suppression(subscription.subscriber.suppression_hash)
        welcomes.make_due(subscription.subscriber, subscription.newsletter, suppression, now)
        _lift(suppression, subscription.subscriber, now)
        records.record(subscription.subscriber, subscription.newsletter, Step.CONFIRMED, origin, now)
    return Confirmation.CONFIRMED


def lift_by_confirming(hash: str, subscriber: Subscriber, now: datetime) -> bool:
    """Lift what confirming lifts, and tell whether the address may be mailed now that its subscriber confirmed it.

    An erasure before that is the first step in the history of a subscriber who comes back. In the caller's transaction.
    """
    return _lift(_suppression(hash), subscriber, now)


def _suppression(hash: str) -> Suppression | None:
    """Return the suppression of an address, locked."""
    return Suppression.objects.select_for_update().filter(hash=hash).first()


def _lift(suppression: Suppression | None, subscriber: Subscriber, now: datetime) -> bool:
    if suppression is None:
        return True
    if not confirming_lifts(suppression, now):
        return False
    if erased := records.erasure(suppression):
        erased.subscriber = subscriber
        erased.save(force_insert=True)
    suppression.delete()
    for newsletter in suppression.newsletters_left or []:
        stay_out(subscriber, newsletter, Origin(how=RESTORE), suppression.at)
    return True


def stay_out(subscriber: Subscriber, newsletter: str, origin: Origin, at: datetime) -> None:
    """Keep files from restoring what the subscriber left before this database knew them; requests made here stay."""
    newsletter = labels.today(newsletter)
    new = {"state": State.UNSUBSCRIBED, "created_at": at, "changed_at": at}
    _, is_new = Subscription.objects.get_or_create(subscriber=subscriber, newsletter=newsletter, defaults=new)
    if is_new:
        records.record(subscriber, newsletter, Step.UNSUBSCRIBED, origin, at)


def unsubscribe(public_id: UUID, newsletter: str, origin: Origin) -> bool:
    """End this subscriber's subscription to the newsletter. Return False if it had ended, or never existed."""
    return leave(public_id, newsletter, origin) is not None


def leave(public_id: UUID, newsletter: str, origin: Origin) -> Left | None:
    """Unsubscribe, and return what ended: only what was active may be undone, and only this leaving.

    Leaving once more changes only that: a friend with a forwarded email may have left before, for them.
    """
    if origin.how not in undoing.BY_A_PAGE and (at_once := records.end_active(public_id, newsletter, origin)):
        optouts.note([OptOut(at_once.suppression_hash, newsletter, UNSUBSCRIBED, at_once.at)])
        return Left(State.ACTIVE)
    now = clock.now()
    with transaction.atomic():
        found = records.find_to_leave(public_id, newsletter)
        undoing.end(one for one in found if one.state == State.UNSUBSCRIBED)
        ended = [(one, _unsubscribe(one, origin, now)) for one in found if one.state != State.UNSUBSCRIBED]
        left = [undoing.offered(one, public_id, origin, leaving, now) for one, leaving in ended]
    return left[-1] if left else None


def end(subscription: Subscription, origin: Origin) -> None:
    """End a locked subscription that is active or pending, in the caller's transaction."""
    _unsubscribe(subscription, origin, clock.now())


def _unsubscribe(subscription: Subscription, origin: Origin, at: datetime) -> int:
    subscriber, newsletter = subscription.subscriber, subscription.newsletter
    _leave([subscription.pk], at)
    leaving = records.record(subscriber, newsletter, Step.UNSUBSCRIBED, origin, at)
    optouts.note([OptOut(subscriber.suppression_hash, newsletter, UNSUBSCRIBED, at)])
    return leaving


def _leave(subscription_ids: Iterable[int], now: datetime) -> None:
    Subscription.objects.filter(pk__in=list(subscription_ids)).update(
        state=State.UNSUBSCRIBED, confirmation_due=None, undoable=None, changed_at=now
    )


def add_active(
    address: Address, newsletter: str, *, name: str = "", language: str = "", origin: Origin
) -> Subscription:
    """Subscribe without a confirmation email: the editor has their consent from elsewhere.

    Raises Refused for those who left or must not be mailed: only they themselves can come back.
    """
    now = clock.now()
    with transaction.atomic():
        subscriber = records.subscriber(address, name, language, now)
        suppression = Suppression.objects.filter(hash=subscriber.suppression_hash).first()
        if suppression:
            raise Refused(f"this address may not be emailed ({suppression.reason}, {suppression.at:%Y-%m-%d})")
        subscription = records.subscription(subscriber, newsletter, now)
        if subscription.state == State.ACTIVE:
            return subscription
        if subscription.pk in those_who_left(newsletter, [subscriber.pk]):
            raise Refused("this subscriber unsubscribed, and only their own confirmation brings them back")
        Subscription.objects.filter(pk=subscription.pk).update(
            state=State.ACTIVE, confirmation_due=None, changed_at=now
        )
        records.record(subscriber, newsletter, Step.IMPORTED, origin, now)
    subscription.refresh_from_db()
    return subscription


def those_who_left(newsletter: str, subscriber_ids: Iterable[int]) -> set[int]:
    """Return ids of the subscriptions, of these subscribers, that ended in unsubscribing and were not confirmed again.

    A pending one may be among them: anybody can type in the address of somebody who left.
    """
    ids = list(subscriber_ids)
    steps = Consent.objects.filter(
        subscriber_id__in=ids, newsletter=newsletter, step__in=[Step.CONFIRMED, Step.IMPORTED, Step.UNSUBSCRIBED]
    )
    last = dict(steps.order_by("at", "pk").values_list("subscriber_id", "step").iterator())
    there = Subscription.objects.filter(subscriber_id__in=ids, newsletter=newsletter)
    return {
        pk
        for pk, subscriber_id, state in there.values_list("pk", "subscriber_id", "state")
        if has_left(state, last.get(subscriber_id))
    }


def has_left(state: str, last_step: str | None) -> bool:
    """Tell whether a subscription ended and was not confirmed again, by the last step that began or ended it."""
    return state == State.UNSUBSCRIBED or (state == State.PENDING and last_step == Step.UNSUBSCRIBED)


@dataclass(frozen=True)
class Why:
    """What stands beside the reason of a suppression."""

    note: str = ""  # for people
    rule: Suppression.Rule | None = None
    newsletters_left: list[str] | None = None  # of an address that is not known here


NO_MORE = Why()


def suppress(hash: str, reason: str, origin: Origin, why: Why = NO_MORE) -> bool:
    """Suppress the address behind this hash in all newsletters. Return False if a stronger reason stands; it stays."""
    return bool(suppress_all({hash: reason}, origin, why))


def suppress_all(
    reasons: Mapping[str, str], origin: Origin, why: Why = NO_MORE, since: Mapping[str, datetime] | None = None
) -> int:
    """Suppress the addresses behind these hashes (hash → reason); return how many are new or have a new reason.

    In one transaction, so pass some thousands at a time. `since` is for addresses whose reason is older than now.
    """
    now = clock.now()
    times = dict.fromkeys(reasons, now) | {hash: min(at, now) for hash, at in (since or {}).items()}
    with transaction.atomic():
        changed = _suppress(reasons, why, times)
        for reason in {reasons[hash] for hash in changed}:
            hashes = [hash for hash in changed if reasons[hash] == reason]
            because = f"suppressed: {reason} {origin.source}".strip()
            _record_for_all(hashes, replace(origin, source=because, effect=Effect.SUPPRESSED), now)
        optouts.note(OptOut(hash, "", str(reasons[hash]), now) for hash in changed)
    for hash in changed:
        log.info("address suppressed", extra={"reason": str(reasons[hash])})
    return len(changed)


def _suppress(reasons: Mapping[str, str], why: Why, times: Mapping[str, datetime]) -> list[str]:
    """Return those that are new, or whose reason is as strong as the one that stood."""
    # In one order, so that two who suppress the same addresses do not wait for each other.
    hashes = sorted(reasons)
    before = set(Suppression.objects.filter(hash__in=hashes).values_list("hash", flat=True))
    new = [Suppression(hash=hash, reason=reasons[hash], at=times[hash], **vars(why)) for hash in hashes]
    Suppression.objects.bulk_create([one for one in new if one.hash not in before], ignore_conflicts=True)
    changed = []
    for standing in Suppression.objects.select_for_update().filter(hash__in=hashes).order_by("hash"):
        reason, at = reasons[standing.hash], times[standing.hash]
        if standing.hash not in before and (standing.reason, standing.at) == (reason, at):
            changed.append(standing.hash)
        elif STRENGTH[reason] >= STRENGTH[standing.reason]:
            Suppression.objects.filter(hash=standing.hash).update(reason=reason, at=at, **vars(why))
            changed.append(standing.hash)
    return changed


def _record_for_all(hashes: Iterable[str], origin: Origin, now: datetime) -> None:
    known = Subscriber.objects.filter(suppression_hash__in=list(hashes)).values_list("pk", flat=True)
    records.record_all([(pk, Step.CHANGED, "") for pk in known], "", origin, now)


def lift(hash: str, origin: Origin) -> str | None:
    """Let the address be mailed again if its subscriber wants it; return the lifted reason, or None if there was none.

    For operators. Subscribers lift by confirming, and nobody else lifts an erasure: if a stronger reason stood before
    it, only that reason is lifted. Raises Refused.
    """
    with transaction.atomic():
        suppression = Suppression.objects.select_for_update().filter(hash=hash).first()
        if suppression is None:
            return None
        if suppression.reason == Reason.ERASED:
            raise Refused("this subscriber was erased, and only their own confirmation brings them back")
        if suppression.erased_at:
            erased = {"reason": Reason.ERASED, "at": suppression.erased_at}
            Suppression.objects.filter(hash=hash).update(**erased, **vars(NO_MORE))
        else:
            suppression.delete()
        because = f"lifted: {suppression.reason} {origin.source}".strip()
        _record_for_all([hash], replace(origin, source=because, effect=Effect.LIFTED), clock.now())
    return str(suppression.reason)


def add_staged(people: Staged, part: Part, newsletter: str, origin: Origin) -> None:
    """Add these people, who have no subscription here yet, in their file's state.

    In the caller's transaction, some thousands at a time. Nobody is mailed.
    """
    now = clock.now()
    gone = people.add(part, newsletter, origin, now)
    optouts.note(OptOut(hash, newsletter, UNSUBSCRIBED, now) for hash in gone)


def leave_all(leaving: Sequence[tuple[int, Newcomer]], newsletter: str, origin: Origin) -> None:
    """End the subscriptions of these subscribers (id, what their file says). In the caller's transaction."""
    now, subscribers = clock.now(), [subscriber for subscriber, _ in leaving]
    there = Subscription.objects.filter(newsletter=newsletter, subscriber__in=subscribers)
    _leave(there.values_list("pk", flat=True), now)
    steps = [(subscriber, Step.UNSUBSCRIBED, row.claimed) for subscriber, row in leaving]
    records.record_all(steps, newsletter, origin, now)
    optouts.note(OptOut(row.hash, newsletter, UNSUBSCRIBED, now) for _, row in leaving)
