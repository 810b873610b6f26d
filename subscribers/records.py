"""Rows of subscribers as `optin` finds, locks and writes them: one at a time, or a thousand at once for a file."""

import secrets
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.db import connection
from django.db.models import Max, Q

from subscribers import signed_links
from subscribers.addresses import Address
from subscribers.models import Consent, FormerId, Subscriber, Subscription, Suppression

Step, Effect = Consent.Step, Consent.Effect
UNDO = "undo"  # `Consent.how` of a step by which a leaving was made undone


@dataclass(frozen=True)
class Origin:
    """How a step came about; it becomes the consent record."""

    how: str  # form, link, page, one-click, command, import
    source: str = ""  # address of the form, file name, or the editor's words
    wording: str = ""  # what the subscriber was shown, exactly
    wording_version: str = ""
    language: str = ""
    ip: str = ""  # as networks.network() cut it
    basis: str = ""  # how they agreed elsewhere, as an editor says
    effect: str | None = None  # a Consent.Effect


def unanswered(origin: Origin) -> Origin:
    """Return this origin for a request that no email answers: `how` says it to people, `effect` to rules."""
    return replace(origin, how=f"{origin.how}, no mail", effect=Effect.NO_MAIL)


class Newcomer(NamedTuple):
    """One row of a file. A tuple: a million are made three times over, and a dataclass takes four times as long."""

    address: Address
    state: str
    name: str = ""
    language: str = ""
    suppressed: str = ""  # a Suppression.Reason
    claimed: str = ""  # what the file says of their consent: JSON, as `Consent.claimed`
    hash: str = ""  # of the address, where it is known already


# ---------------------------------------------------------------- one reader


def subscriber(address: Address, name: str, language: str, now: datetime) -> Subscriber:
    """Return the subscriber with this address, locked, and create them if new.

    A known subscriber's name is not changed: anybody could have typed it.
    """
    new = {
        "email": address.email,
        "suppression_hash": signed_links.suppression_hash(address.key),
        "name": name,
        "language": language,
        "created_at": now,
    }
    while True:
        Subscriber.objects.get_or_create(email_key=address.key, defaults=new)
        locked = Subscriber.objects.select_for_update(no_key=True).filter(email_key=address.key).first()
        if locked:
            return locked
        # They were erased in between, and come back just now.


def subscription(subscriber: Subscriber, newsletter: str, now: datetime) -> Subscription:
    """Return the subscriber's subscription, locked; a new one is pending."""
    Subscription.objects.get_or_create(
        subscriber=subscriber, newsletter=newsletter, defaults={"created_at": now, "changed_at": now}
    )
    return Subscription.objects.select_for_update().get(subscriber=subscriber, newsletter=newsletter)


def find(public_id: UUID, newsletter: str) -> Subscription | None:
    """Return the subscription of this subscriber, locked; None if either does not exist."""
    found = Subscription.objects.select_for_update(of=("self",)).select_related("subscriber")
    return found.filter(subscriber__public_id=public_id, newsletter=newsletter).first()


def find_to_leave(public_id: UUID, newsletter: str) -> Subscription | None:
    """Find a subscription also by an id that the subscriber had before they moved, for a newsletter that they had then.

    The current id first: a move that commits between the two queries is found by the second.
    """
    if (now := find(public_id, newsletter)) is not None:
        return now
    former = FormerId.objects.filter(public_id=public_id, newsletter=newsletter).values("subscriber")
    found = Subscription.objects.select_for_update(of=("self",)).select_related("subscriber")
    return found.filter(subscriber__in=former, newsletter=newsletter).first()


def subscribers_behind(public_ids: Collection[UUID]) -> dict[UUID, tuple[int, set[str] | None]]:
    """Return the subscriber of each of these ids, and the newsletters that it may end: None for all.

    In the order of `find_to_leave`. Ids of subscribers who no longer exist are left out.
    """
    found: dict[UUID, tuple[int, set[str] | None]] = {
        public_id: (pk, None)
        for public_id, pk in Subscriber.objects.filter(public_id__in=public_ids).values_list("public_id", "pk")
    }
    former: dict[UUID, tuple[int, set[str]]] = {}
    rows = FormerId.objects.filter(public_id__in=set(public_ids) - set(found))
    for public_id, pk, newsletter in rows.values_list("public_id", "subscriber", "newsletter"):
        former.setdefault(public_id, (pk, set()))[1].add(newsletter)
    return found | former


def find_all(subscribers: Collection[int]) -> list[Subscription]:
    """Return the subscriptions of these subscribers, locked in one order: two who lock many must not deadlock."""
    found = Subscription.objects.select_for_update(of=("self",)).select_related("subscriber")
    return list(found.filter(subscriber__in=subscribers).order_by("pk"))


def newest(subscriptions: Iterable[Subscription], *which: Q, step: str) -> dict[tuple[int, str], datetime]:
    """Return when this step was last taken, by subscriber and newsletter, in the histories of these subscriptions."""
    subscribers = {one.subscriber_id for one in subscriptions}
    steps = Consent.objects.filter(*which, subscriber__in=subscribers, step=step).order_by()
    rows = steps.values_list("subscriber", "newsletter").annotate(last=Max("at"))
    return {(subscriber, newsletter): last for subscriber, newsletter, last in rows}


def undos(subscriber: Subscriber, newsletter: str, since: datetime) -> int:
    """Return how often leaving this newsletter was undone since then."""
    return subscriber.consents.filter(newsletter=newsletter, step=Step.CONFIRMED, how=UNDO, at__gt=since).count()


def record(
    subscriber: Subscriber, newsletter: str, step: str, origin: Origin, now: datetime, *, about: str = ""
) -> int:
    """Add the step to the subscriber's history and return its id.

    Of what is not consent (`about`) only the last is kept; then the subscriber must be locked.
    """
    if about:
        Consent.objects.filter(subscriber=subscriber, newsletter=newsletter, about=about).delete()
    consent = Consent(
        subscriber=subscriber,
        newsletter=newsletter,
        step=step,
        at=now,
        how=origin.how,
        about=about,
        effect=origin.effect,
        source=origin.source,
        basis=origin.basis,
        wording=origin.wording,
        wording_version=origin.wording_version,
        language=origin.language,
        ip=origin.ip,
    )
    consent.save(force_insert=True)
    return int(consent.pk)


def moved(subscribers: Iterable[int]) -> dict[int, datetime]:
    """Return when each of these subscribers last took another address; those who never did are left out."""
    steps = Consent.objects.filter(subscriber__in=list(subscribers), effect=Effect.MOVED)
    return dict(steps.order_by().values_list("subscriber").annotate(last=Max("at")))


def confirmed(hashes: Collection[str]) -> dict[str, datetime]:
    """Return when the subscribers of these addresses last confirmed; those who never did are left out."""
    steps = Consent.objects.filter(subscriber__suppression_hash__in=hashes, step=Step.CONFIRMED)
    return dict(steps.order_by().values_list("subscriber__suppression_hash").annotate(last=Max("at")))


def erasure(suppression: Suppression) -> Consent | None:
    """Return the step by which this address's subscriber was erased, which is in no history; None if nobody was."""
    if suppression.erased_at is None:
        return None
    return Consent(step=Step.ERASED, at=suppression.erased_at, how=suppression.erased_how)


# ---------------------------------------------------------------- a thousand at once


class Known(NamedTuple):
    """A subscriber who is in the database."""

    pk: int
    hash: str


def subscribers(rows: Sequence[Newcomer], now: datetime) -> dict[str, Known]:
    """Return the subscribers of these rows by key; create new ones. In the caller's transaction."""
    known = _known([row.address.key for row in rows])
    new = [row for row in rows if row.address.key not in known] if known else rows
    if not new:
        return known
    at, hashes = _moment(now), hashes_of(new)
    columns = ("public_id", "email", "email_key", "suppression_hash", "name", "language", "created_at")
    _insert(
        Subscriber,
        columns,
        [
            (public_id, row.address.email, row.address.key, hashes[row.address.key], row.name, row.language, at)
            for public_id, row in zip(_public_ids(len(new)), new, strict=True)
        ],
    )
    if connection.vendor == "postgresql":
        return known | _known([row.address.key for row in new])
    # SQLite has one writer, who is in this transaction: the newest ids are these, in their order.
    last = Subscriber.objects.order_by("-pk").values_list("pk", flat=True)[0]
    ids = range(last - len(new) + 1, last + 1)
    made = {row.address.key: Known(pk, hashes[row.address.key]) for pk, row in zip(ids, new, strict=True)}
    return known | made


def hashes_of(rows: Iterable[Newcomer]) -> dict[str, str]:
    """Return the suppression hashes of these rows by key."""
    known = {row.address.key: row.hash for row in rows}
    unknown = [key for key, hash in known.items() if not hash]
    return known | signed_links.suppression_hashes(unknown) if unknown else known


def _known(keys: Sequence[str]) -> dict[str, Known]:
    return {
        key: Known(pk, hash)
        for key, pk, hash in _look_up(
            "SELECT email_key, id, suppression_hash FROM subscribers_subscriber WHERE email_key", keys
        )
    }


@dataclass(frozen=True)
class Wish:
    pk: int  # of the subscription
    subscriber: int
    state: str


def wishes(newsletter: str, keys: Sequence[str]) -> dict[str, Wish]:
    """Return, by key, the subscriptions to this newsletter of the subscribers with these keys."""
    # LEFT JOIN: SQLite must begin with the keys. By itself it begins with the whole newsletter.
    rows = _look_up(
        "SELECT s.email_key, w.id, s.id, w.state FROM subscribers_subscriber AS s"
        " LEFT JOIN subscribers_subscription AS w ON w.subscriber_id = s.id AND w.newsletter = %s WHERE s.email_key",
        keys,
        newsletter,
    )
    return {key: Wish(pk, subscriber, state) for key, pk, subscriber, state in rows if pk is not None}


def suppressed(hashes: Sequence[str]) -> dict[str, str]:
    """Return hash → reason of those that must not be mailed."""
    return dict(_look_up("SELECT hash, reason FROM subscribers_suppression WHERE hash", hashes))


def _look_up(question: str, values: Sequence[str], *parameters: Any) -> list[tuple[Any, ...]]:
    """Pass all values as one parameter: as many parameters as values cost five times the query."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"{question} = ANY(%s)", [*parameters, list(values)])
        else:
            asked = f"{question} IN (SELECT value FROM json_each(%s))"  # noqa: S608 — words of ours
            cursor.execute(asked, [*parameters, orjson.dumps(values).decode()])
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _public_ids(count: int) -> list[Any]:
    """Make UUIDs of version 7 (RFC 9562): those that are made together stand together in the index."""
    begun, random = f"{time.time_ns() // 1_000_000:012x}7", secrets.token_hex(9 * count)
    # Three digits, one for the variant of the UUID, and fifteen.
    ids = [f"{begun}{random[n : n + 3]}8{random[n + 3 : n + 18]}" for n in range(0, 18 * count, 18)]
    return [UUID(hex=one) for one in ids] if connection.vendor == "postgresql" else ids


def subscribe_all(newsletter: str, rows: Iterable[tuple[int, str]], now: datetime) -> None:
    """Subscribe each of these (subscriber, state) to the newsletter. None may have had it before."""
    at = _moment(now)
    columns = ("subscriber_id", "newsletter", "state", "confirmation_tries", "created_at", "changed_at")
    _insert(Subscription, columns, [(pk, newsletter, state, 0, at, at) for pk, state in rows])


def end_all(ends: Iterable[tuple[int, datetime]]) -> None:
    """Unsubscribe each of these locked subscriptions since its time: (subscription, time)."""
    update = (
        f"UPDATE {Subscription._meta.db_table} SET state = %s, confirmation_due = NULL, undoable = NULL,"  # noqa: S608
        " changed_at = %s WHERE id = %s"
    )
    # Not by bulk_update, which took four fifths of the time of a journal of leavings.
    with connection.cursor() as cursor:
        cursor.executemany(update, [(str(Subscription.State.UNSUBSCRIBED), _moment(at), pk) for pk, at in ends])


def record_all(steps: Iterable[tuple[int, str, str]], newsletter: str, origin: Origin, now: datetime) -> None:
    """Add each step to its subscriber's history: (subscriber, step, the consent that a file states)."""
    columns = ("subscriber_id", "step", "claimed", "newsletter", "at", *vars(origin))
    same = (newsletter, _moment(now), *vars(origin).values())
    _insert(Consent, columns, [(pk, str(step), claimed or None, *same) for pk, step, claimed in steps])


def _moment(at: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(at)


def _insert(
    model: type[Subscriber | Subscription | Consent], columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert without bulk_create, which makes 200 seconds for a file with a million subscribers out of 40."""
    if not rows:
        return
    names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {model._meta.db_table} ({names}) VALUES ({marks})", rows)  # noqa: S608 — ours
