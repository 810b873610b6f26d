"""Rows of subscribers as `optin` finds, locks and writes them: one at a time, or a thousand at once for a file."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Max, Q

from subscribers import clock, labels, signed_links
from subscribers.addresses import Address
from subscribers.models import Consent, FormerId, RenamedNewsletter, Subscriber, Subscription, Suppression

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


_ORIGIN = tuple(field.name for field in fields(Origin))  # columns of Consent


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
    """Return the subscription of this subscriber, locked; None if either does not exist.

    The newsletter may have been renamed: its subscription then has the label of today.
    """
    if (found := _find(public_id, newsletter)) is not None:
        return found
    today = labels.today(newsletter)
    return _find(public_id, today) if today != newsletter else None


def _find(public_id: UUID, newsletter: str) -> Subscription | None:
    found = Subscription.objects.select_for_update(of=("self",)).select_related("subscriber")
    return found.filter(subscriber__public_id=public_id, newsletter=newsletter).first()


def find_to_leave(public_id: UUID, newsletter: str) -> list[Subscription]:
    """Return the subscriptions, locked, that a link with this id and label ends.

    The label of today is asked for last: a rename may commit while the first query waits for its lock. There are two
    where somebody signed up again at a process that had the old newsletter.toml.
    """
    found = _find_to_leave(public_id, newsletter)
    today = labels.today(newsletter)
    renamed = _find_to_leave(public_id, today) if today != newsletter else None
    return [one for one in (found, renamed) if one is not None]


def _find_to_leave(public_id: UUID, newsletter: str) -> Subscription | None:
    """Find a subscription also by an id that the subscriber had before they moved, for a newsletter that they had then.

    The current id first: a move that commits between the two queries is found by the second.
    """
    if (now := _find(public_id, newsletter)) is not None:
        return now
    former = FormerId.objects.filter(public_id=public_id, newsletter=newsletter).values("subscriber")
    found = Subscription.objects.select_for_update(of=("self",)).select_related("subscriber")
    return found.filter(subscriber__in=former, newsletter=newsletter).first()


class Ended(NamedTuple):
    """A subscription that a single statement ended."""

    suppression_hash: str
    at: datetime


def end_active(public_id: UUID, newsletter: str, origin: Origin) -> Ended | None:
    """End an active subscription on PostgreSQL and add the step to the history, both in one statement.

    Return None, with nothing changed, on SQLite and for all that is less usual: not active, an id from before a move, a
    newsletter that was renamed. If a rename commits while this waits for its row, the label does not match any more; if
    a move does, the subscription is ended all the same.
    """
    if connection.vendor != "postgresql":  # SQLite has no such statement, nor a round trip that it would save
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            _END_ACTIVE.replace("NOW", clock.in_sql()), [public_id, newsletter, newsletter, *vars(origin).values()]
        )
        row = cursor.fetchone()
    return Ended(*row) if row else None


# By the ORM a one-click unsubscribe took ten round trips, 3.6 ms of the web process and 1.2 of PostgreSQL; this way it
# takes 1.3 and 0.75.
_END_ACTIVE = f"""
    WITH ended AS (
        UPDATE {Subscription._meta.db_table} AS one
        SET state = '{Subscription.State.UNSUBSCRIBED}', confirmation_due = NULL, undoable = NULL,
            changed_at = NOW
        FROM {Subscriber._meta.db_table} AS person
        WHERE person.public_id = %s AND one.subscriber_id = person.id AND one.newsletter = %s
            AND one.state = '{Subscription.State.ACTIVE}'
            AND NOT EXISTS (SELECT FROM {RenamedNewsletter._meta.db_table} WHERE label = %s)
        RETURNING one.subscriber_id, one.newsletter, one.changed_at, person.suppression_hash
    ), recorded AS (
        INSERT INTO {Consent._meta.db_table} (subscriber_id, newsletter, step, at, {", ".join(_ORIGIN)})
        SELECT subscriber_id, newsletter, '{Step.UNSUBSCRIBED}', changed_at, {", ".join(["%s"] * len(_ORIGIN))}
        FROM ended
    )
    SELECT suppression_hash, changed_at FROM ended
"""  # noqa: S608 — names of ours


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


def subscribed_since(subscriber: Subscriber, newsletter: str) -> datetime | None:
    """Return when the subscriber last joined this newsletter; an undo is no joining."""
    joined = subscriber.consents.filter(newsletter=newsletter, step__in=[Step.CONFIRMED, Step.IMPORTED])
    return joined.exclude(how=UNDO).order_by("at").values_list("at", flat=True).last()


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
    ids = list(subscribers)
    return _last(_MOVED.format(places(ids)), [*ids, str(Effect.MOVED)])


def confirmed(hashes: Collection[str]) -> dict[str, datetime]:
    """Return when the subscribers of these addresses last confirmed; those who never did are left out."""
    return _last(_CONFIRMED.format(places(hashes)), [*hashes, str(Step.CONFIRMED)])


# Not by the ORM: in each post with a bounce, it took longer to write these than the database to answer.
_MOVED = "SELECT subscriber_id, at FROM subscribers_consent WHERE subscriber_id IN ({}) AND effect = %s ORDER BY at"
_CONFIRMED = """
    SELECT subscriber.suppression_hash, consent.at FROM subscribers_consent AS consent
    JOIN subscribers_subscriber AS subscriber ON subscriber.id = consent.subscriber_id
    WHERE subscriber.suppression_hash IN ({}) AND consent.step = %s ORDER BY consent.at"""


def _last(sql: str, values: list[Any]) -> dict[Any, datetime]:
    """Return the last time of each."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return {of: with_zone(at) for of, at in cursor.fetchall()}


def places(values: Collection[Any]) -> str:
    """Return a placeholder for each value, or what is never found if there is none."""
    return ", ".join(["%s"] * len(values)) or "NULL"


def with_zone(at: datetime) -> datetime:
    """Return a time that was read past the ORM with its zone, which SQLite leaves out."""
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def erasure(suppression: Suppression) -> Consent | None:
    """Return the step by which this address's subscriber was erased, which is in no history; None if nobody was."""
    if suppression.erased_at is None:
        return None
    return Consent(step=Step.ERASED, at=suppression.erased_at, how=suppression.erased_how)


# ---------------------------------------------------------------- a thousand at once


def end_all(ends: Iterable[tuple[int, datetime]]) -> None:
    """Unsubscribe each of these locked subscriptions since its time: (subscription, time)."""
    update = (
        f"UPDATE {Subscription._meta.db_table} SET state = %s, confirmation_due = NULL, undoable = NULL,"  # noqa: S608
        " changed_at = %s WHERE id = %s"
    )
    # Not by bulk_update, which took four fifths of the time of a journal of leavings.
    with connection.cursor() as cursor:
        cursor.executemany(update, [(str(Subscription.State.UNSUBSCRIBED), _moment(at), pk) for pk, at in ends])


def record_all(steps: Sequence[tuple[int, str, str]], newsletter: str, origin: Origin, now: datetime) -> None:
    """Add each step to its subscriber's history: (subscriber, step, the consent that a file states)."""
    if not steps:
        return
    names = ("subscriber_id", "step", "claimed", "newsletter", "at", *vars(origin))
    same = (newsletter, _moment(now), *vars(origin).values())
    rows = [(pk, str(step), claimed or None, *same) for pk, step, claimed in steps]
    marks = ", ".join(["%s"] * len(names))
    # Not by bulk_create, which takes five times as long.
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {Consent._meta.db_table} ({', '.join(names)}) VALUES ({marks})", rows)  # noqa: S608


def _moment(at: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(at)
