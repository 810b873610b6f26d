"""Apply bounces, complaints and the provider's own unsubscribes to subscribers.

Suppressions are computed from the database and never counted up, so events in any order end alike.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Max, Q, Window
from django.db.models.functions import RowNumber

from mailer.events import outages
from mailer.events.outages import Bounced
from mailer.models import REHEARSAL, Attempt, Batch, Delivery, Fact, PolicyBounce
from mailer.providers.events import Meaning
from subscribers import addresses, optin, records
from subscribers.models import Subscriber, Suppression
from subscribers.optin import NO_MORE, Origin, Why

log = logging.getLogger(__name__)

EVENT = Origin(how="event")
Reason, Rule = Suppression.Reason, Suppression.Rule

# A soft bounce says little; three in a row over two weeks say that the mailbox is dead.
IN_A_ROW = 3
APART = timedelta(days=14)
# The rules take back their own suppressions alone, which they know by `rule`.
HARD = Why("hard bounce", Rule.HARD_BOUNCE)
SOFT = Why("three soft bounces", Rule.SOFT_BOUNCES)

WITHIN = timedelta(days=7)  # between an accepted delivery and a bounce that names only an address
CLOCKS = timedelta(minutes=5)  # by which the provider's clock and ours may differ
_ON_ITS_WAY = (Batch.State.POSTING, Batch.State.UNKNOWN, Batch.State.ACCEPTED)
_MAY_HAVE_ARRIVED = (Attempt.State.OPEN, Attempt.State.UNKNOWN, Attempt.State.ACCEPTED)


@dataclass(frozen=True)
class Addressee:
    """The subscriber of a delivery; all but the first three fields are empty once they were erased."""

    delivery: int
    send: int
    newsletter: str
    subscriber: int | None
    public_id: UUID | None
    hash: str | None
    email_key: str | None

    @property
    def domain(self) -> str:
        return (self.email_key or "").rpartition("@")[2]


@dataclass(frozen=True)
class Reported:
    """What an event says of a subscriber."""

    event: int
    meaning: Meaning
    addressee: Addressee
    at: datetime  # by the provider's clock
    dropped: bool = False  # not tried: the provider remembered an older bounce
    policy: str = ""  # key of a Policy, if the receiver refused us


_ADDRESSEES = """
    SELECT delivery.id, delivery.send_id, send.newsletter,
        subscriber.id, subscriber.public_id, subscriber.suppression_hash, subscriber.email_key
    FROM mailer_delivery AS delivery JOIN mailer_send AS send ON send.id = delivery.send_id
    LEFT JOIN subscribers_subscriber AS subscriber ON subscriber.id = delivery.subscriber_id
    WHERE delivery.id IN ({})"""


def addressees_of(deliveries: Iterable[int]) -> dict[int, Addressee]:
    """Return subscribers by delivery; unknown deliveries are left out."""
    ids = set(deliveries)
    with connection.cursor() as cursor:
        cursor.execute(_ADDRESSEES.format(records.places(ids)), [*ids])
        rows = cursor.fetchall()
    return {
        delivery: Addressee(delivery, send, newsletter, subscriber, _uuid(public_id), hash, key)
        for delivery, send, newsletter, subscriber, public_id, hash, key in rows
    }


def _uuid(public_id: Any) -> UUID | None:
    """Return the id, which SQLite stores as 32 digits."""
    return UUID(public_id) if isinstance(public_id, str) else public_id


# ---------------------------------------------------------------- a bounce that names only an address


@dataclass(frozen=True)
class Found:
    addressee: Addressee | None = None
    wait: bool = False  # it may be about a request whose outcome is not known yet


def find_addressee(email: str, at: datetime) -> Found:
    """Return the subscriber with this address whose latest delivery was accepted within 7 days before; else nobody.

    Others mail through the same account, and an old bounce may be about somebody who had the address before.
    """
    try:
        key = addresses.parse(email).key
    except addresses.AddressError:
        return Found()
    recent = Delivery.objects.filter(
        subscriber__email_key=key,
        outcome=None,
        batch__state__in=_ON_ITS_WAY,
        batch__attempts__state__in=_MAY_HAVE_ARRIVED,
        batch__attempts__started_at__range=(at - WITHIN, at + CLOCKS),
    ).exclude(send__provider=REHEARSAL)
    rows = recent.annotate(asked=Max("batch__attempts__started_at")).order_by("-asked", "-pk")
    states = list(rows.values_list("pk", "batch__state"))
    accepted = [delivery for delivery, state in states if state == Batch.State.ACCEPTED]
    if accepted:
        return Found(addressees_of(accepted[:1])[accepted[0]])
    return Found(wait=bool(states))


# ---------------------------------------------------------------- what follows


def react(reported: Sequence[Reported], reconsidered: Collection[int]) -> None:
    """Suppress subscribers who bounced permanently or complained, unsubscribe those who left, look at soft bounces.

    `reconsidered` are subscribers of whom a delivery turned out to be delivered after it bounced.
    """
    by_meaning: dict[Meaning, list[Reported]] = defaultdict(list)
    for one in reported:
        by_meaning[one.meaning].append(one)
    _suppress(_reasons(by_meaning[Meaning.COMPLAINT], Reason.COMPLAINT), NO_MORE)
    spared = _judge_hard_bounces(by_meaning[Meaning.HARD])
    for one in by_meaning[Meaning.LEFT]:
        if one.addressee.public_id:
            optin.unsubscribe(one.addressee.public_id, one.addressee.newsletter, EVENT)
    soft = {one.addressee.subscriber for one in by_meaning[Meaning.SOFT] if one.addressee.subscriber}
    _look_at_soft_bounces({*soft, *reconsidered, *spared})
    _note_policies(by_meaning[Meaning.POLICY])


def _judge_hard_bounces(reported: Sequence[Reported]) -> Collection[int]:
    """Suppress those whose address is gone, release those whom an outage explains; return the latter's subscribers."""
    ours = _of_this_address([one.addressee for one in reported])
    bounces = [
        Bounced(
            one.addressee.delivery, one.addressee.send, one.addressee.hash, one.addressee.domain, one.at, one.dropped
        )
        for one in reported
        if one.addressee.hash and one.addressee in ours
    ]
    outages.note(bounces)
    with transaction.atomic():
        judgement = outages.judge(bounces)
        _suppress(dict.fromkeys(judgement.gone, str(Reason.BOUNCE)), HARD)
        let_go = _wrongly_suppressed(judgement.spared)
        for hash in let_go:
            optin.lift(hash, EVENT)
    if not let_go:
        return ()
    return Subscriber.objects.filter(suppression_hash__in=let_go).values_list("pk", flat=True)


def _wrongly_suppressed(spared: Collection[str]) -> list[str]:
    if not spared:
        return []
    wrong = Suppression.objects.filter(hash__in=spared, reason=Reason.BOUNCE, rule=HARD.rule)
    return list(wrong.values_list("hash", flat=True))


def _of_this_address(addressees: Sequence[Addressee]) -> list[Addressee]:
    """Leave out subscribers who moved since the email: the old address bounced, and it is suppressed already.

    Complaints are about persons, and move with them.
    """
    moved = records.moved(addressee.subscriber for addressee in addressees if addressee.subscriber)
    if not moved:
        return list(addressees)
    mails = Delivery.objects.filter(
        pk__in=[addressee.delivery for addressee in addressees if addressee.subscriber in moved]
    )
    asked = dict(mails.values_list("pk").annotate(asked=Max("batch__attempts__started_at")))
    return [
        addressee
        for addressee in addressees
        if addressee.subscriber not in moved or asked[addressee.delivery] > moved[addressee.subscriber]
    ]


def _reasons(reported: Iterable[Reported], reason: str) -> dict[str, str]:
    return {one.addressee.hash: reason for one in reported if one.addressee.hash}


def _suppress(reasons: Mapping[str, str], why: Why) -> None:
    """Suppress as `optin.suppress_all` does, but leave equally strong ones alone: their record shows it once."""
    existing = {one.hash: one for one in Suppression.objects.filter(hash__in=reasons)} if reasons else {}
    news = {hash: reason for hash, reason in reasons.items() if _is_news(existing.get(hash), reason, why)}
    if news:
        optin.suppress_all(news, EVENT, why)


def _is_news(existing: Suppression | None, reason: str, why: Why) -> bool:
    if existing is None or optin.STRENGTH[reason] > optin.STRENGTH[existing.reason]:
        return True
    # A hard bounce takes the place of what soft ones made, or the latter might be taken back.
    return existing.reason == reason and existing.rule == SOFT.rule and why != SOFT


def _look_at_soft_bounces(addressees: Collection[int]) -> None:
    """Suppress each of these subscribers exactly if the rule of three says so, as far as that rule may decide."""
    if not addressees:
        return
    last: dict[str, list[tuple[int, datetime]]] = defaultdict(list)
    moved = records.moved(addressees)
    for subscriber, hash, facts, at in _last_deliveries(addressees):
        if subscriber not in moved or at > moved[subscriber]:
            last[hash].append((facts, at))
    gone = {hash for hash, deliveries in last.items() if _is_gone(deliveries)}
    _suppress(dict.fromkeys(gone, str(Reason.BOUNCE)), SOFT)
    ours = Suppression.objects.filter(hash__in=last.keys() - gone, reason=Reason.BOUNCE, rule=SOFT.rule)
    for hash in ours.values_list("hash", flat=True):
        optin.lift(hash, EVENT)


def _last_deliveries(addressees: Collection[int]) -> Iterable[tuple[int, str, int, datetime]]:
    """Return subscriber, hash, facts and time of each one's last three sends that were, or may have been, mailed.

    Also those whose outcome is not known yet: else the answer would depend on when their evidence comes. Not welcomes,
    which have no time of a first request: a version of one is mailed for months.
    """
    mailed = Delivery.objects.filter(
        subscriber__in=addressees, outcome=None, batch__state__in=_ON_ITS_WAY, send__first_request_at__isnull=False
    ).exclude(send__provider=REHEARSAL)
    newest = Window(
        RowNumber(), partition_by=[F("subscriber")], order_by=[F("send__first_request_at").desc(), F("pk").desc()]
    )
    last = mailed.annotate(newest=newest, asked_at=F("send__first_request_at")).filter(newest__lte=IN_A_ROW)
    rows: Iterable[tuple[int, str, int, datetime]] = last.values_list(
        "subscriber", "subscriber__suppression_hash", "facts", "asked_at"
    )
    return rows


def _is_gone(deliveries: Sequence[tuple[int, datetime]]) -> bool:
    times = [at for _, at in deliveries]
    return (
        len(deliveries) == IN_A_ROW
        and all(facts & Fact.SOFT and not facts & Fact.DELIVERED for facts, _ in deliveries)
        and max(times) - min(times) >= APART
    )


def _note_policies(reported: Collection[Reported]) -> None:
    """Record policy bounces for the editor: servers refuse the sender or the content, not the subscribers."""
    if not reported:
        return
    first: dict[int, Reported] = {}
    for one in sorted(reported, key=lambda one: (one.at, one.policy), reverse=True):
        first[one.addressee.delivery] = one
    rows = [
        PolicyBounce(delivery_id=pk, send_id=one.addressee.send, policy=one.policy, at=one.at)
        for pk, one in sorted(first.items())
    ]
    PolicyBounce.objects.bulk_create(rows, ignore_conflicts=True)
    for row in PolicyBounce.objects.filter(pk__in=first):
        ours = first[row.pk]
        if (ours.at, ours.policy) < (row.at, row.policy):
            earlier = Q(at__gt=ours.at) | Q(at=ours.at, policy__gt=ours.policy)
            PolicyBounce.objects.filter(earlier, pk=row.pk).update(at=ours.at, policy=ours.policy)
    _alert(reported)


def _alert(reported: Collection[Reported]) -> None:
    log.warning(
        "bounced because of sender or content, check your domain's reputation",
        extra={
            "sends": sorted({one.addressee.send for one in reported}),
            "bounces": len(reported),
            "policies": sorted({one.policy for one in reported}),
        },
    )
