"""Store what the provider reports once and as it came, and apply at once what is about a delivery and nothing else.

Nearly all events only add a fact to a delivery whose request is known to be accepted. They are stored as applied, in
the transaction that adds the fact: stored first and applied later, each would be written twice. All others are left to
`mailer.events.processing`.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import itemgetter
from typing import Any
from uuid import UUID

import orjson
from django.db import InterfaceError, OperationalError, connection, transaction

from mailer.events import facts
from mailer.events.facts import OF_KIND, Known
from mailer.models import Event, Fact
from mailer.providers.events import Kind, ProviderEvent
from mailer.sending import evidence
from mailer.store import clock
from mailer.store.installation import public_id

log = logging.getLogger(__name__)

FACT_HASH = ProviderEvent._fields.index("fact_hash")
# They carry text, and only the fact follows from them.
ONLY_FACTS = (Kind.DEFERRED, Kind.RESUBSCRIBED)

# Raw SQL: 1,000 events cost 5 ms of CPU on SQLite and 10 on PostgreSQL; by bulk_create 33 and 44.
_COLUMNS = "kind, attempt, delivery, at, received_at, applied_at, details, id_hash, fact_hash"
_INSERT = f"INSERT OR IGNORE INTO mailer_event ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"  # noqa: S608 — ours
# What repeats in a post is written once and named by its place. psycopg writes 1,000 ids as a list in 8 ms.
_INSERT_ON_POSTGRES = f"""
    INSERT INTO mailer_event ({_COLUMNS})
    SELECT (%s::text[])[kind], (%s::uuid[])[attempt], delivery, (%s::timestamptz[])[at], clock_timestamp(),
        CASE WHEN applied THEN clock_timestamp() END, details::jsonb, id_hash, fact_hash
    FROM unnest(
        %s::int[], %s::int[], %s::int[], %s::bigint[], %s::bool[], %s::text[], %s::bigint[], %s::bigint[]
    ) AS told (kind, attempt, at, delivery, applied, details, id_hash, fact_hash)
    ON CONFLICT DO NOTHING RETURNING fact_hash, id"""  # noqa: S608 — ours

_New = dict[int, int]  # fact_hash → id of the events that were not stored before
_Attempts = Mapping[UUID | None, Known]


@dataclass(frozen=True)
class Stored:
    """What became of the events of a post."""

    new: int = 0
    left: Sequence[int] = ()  # ids of those that are still to be applied
    accounts: frozenset[int] = frozenset()  # of the requests that they are about


def store(events: Iterable[ProviderEvent]) -> Stored:
    """Commit the events of this installation that are new, and apply those that only add a fact.

    Two posts with the same events at the same time wait for each other in one order, so neither fails. Events of
    unknown attempts (an older backup was restored) are kept too.
    """
    ours = sorted(_of_this_installation(events), key=itemgetter(FACT_HASH))
    if not ours:
        return Stored()
    attempts = facts.attempts_of(event.attempt for event in ours)
    try:
        return _store(ours, attempts)
    except (OperationalError, InterfaceError):
        raise  # the database is down
    except Exception as error:  # noqa: BLE001 — what can be stored is stored, whatever goes wrong with its meaning
        log.error("events not applied at once", extra={"events": len(ours), "error": type(error).__name__})
        return _store(ours, attempts, may_apply=False)


def _of_this_installation(events: Iterable[ProviderEvent]) -> list[ProviderEvent]:
    """Keep the events that are ours: the account may serve other programs too, and a late bounce may lack our ids."""
    me = public_id()
    return [
        event if event.installation == me else event._replace(attempt=None, delivery=None)
        for event in events
        if event.installation == me or _may_be_ours(event)
    ]


def _may_be_ours(event: ProviderEvent) -> bool:
    return event.installation is None and event.kind == Kind.BOUNCED and bool(email_of(event.details))


def email_of(details: Mapping[str, str] | None) -> str:
    return details.get("email", "") if details else ""


def _store(events: Sequence[ProviderEvent], attempts: _Attempts, may_apply: bool = True) -> Stored:
    # An attempt is looked up once for each event: the hash of a UUID is computed in Python.
    known = [attempts.get(event.attempt) for event in events]
    applied = [may_apply and _only_adds_a_fact(*pair) for pair in zip(events, known, strict=True)]
    with transaction.atomic(), connection.cursor() as cursor:
        insert = _insert_on_postgres if connection.vendor == "postgresql" else _insert
        new = insert(cursor, events, applied)
        if may_apply:
            # Attempts before batches, as everywhere: else two could wait for each other.
            evidence.record_accepted([attempt for attempt, one in attempts.items() if attempt and one.is_silent])
        told = _told_by(events, known, applied, new)
        waiting = {event.fact_hash for event, done in zip(events, applied, strict=True) if not done}
        waiting |= _put_back(events, facts.add(told) if told else (), new)
    left = sorted(new[fact_hash] for fact_hash in waiting if fact_hash in new)
    return Stored(len(new), left, frozenset(one.account for one in attempts.values() if one.account))


def _only_adds_a_fact(event: ProviderEvent, known: Known | None) -> bool:
    """Tell whether nothing else follows from an event, neither for its subscriber nor for its batch or send."""
    return (event.details is None or event.kind in ONLY_FACTS) and (known is None or known.is_accepted)


def _told_by(
    events: Iterable[ProviderEvent], known: Iterable[Known | None], applied: Iterable[bool], new: Mapping[int, int]
) -> facts.Told:
    told: dict[tuple[Fact, int], list[int]] = defaultdict(list)
    for event, attempt, done in zip(events, known, applied, strict=True):
        fact = OF_KIND.get(event.kind)
        if fact and done and attempt and event.delivery and event.fact_hash in new:
            told[fact, attempt.send].append(event.delivery)
    return told


def _put_back(events: Iterable[ProviderEvent], after_all: Collection[int], new: Mapping[int, int]) -> set[int]:
    """Let events be applied later that say "delivered" of these deliveries; return their fact_hash."""
    if not after_all:
        return set()
    delivered = (event for event in events if event.kind == Kind.DELIVERED and event.fact_hash in new)
    news = {event.fact_hash for event in delivered if event.delivery in after_all}
    Event.objects.filter(pk__in=[new[fact_hash] for fact_hash in news]).update(applied_at=None)
    return news


# ---------------------------------------------------------------- rows


def _insert(cursor: Any, events: Sequence[ProviderEvent], applied: Sequence[bool]) -> _New:
    """Insert on SQLite, which has one writer at a time, so that the new rows are those above the last."""
    adapt = connection.ops.adapt_datetimefield_value
    now = adapt(clock.now())
    cursor.execute("SELECT coalesce(max(id), 0) FROM mailer_event")
    last = cursor.fetchone()[0]
    kinds, named, deliveries, at, _, details, ids, fact_hashes = zip(*events, strict=True)
    times = {one: adapt(one) for one in set(at)}
    attempts = {one: one and one.hex for one in set(named)}
    columns = (
        *(kinds, map(attempts.__getitem__, named), deliveries, map(times.__getitem__, at), repeat(now)),
        *([now if done else None for done in applied], map(_json, details), ids, fact_hashes),
    )
    cursor.executemany(_INSERT, list(zip(*columns, strict=False)))
    cursor.execute("SELECT fact_hash, id FROM mailer_event WHERE id > %s", [last])
    return dict(cursor.fetchall())


def _insert_on_postgres(cursor: Any, events: Sequence[ProviderEvent], applied: Sequence[bool]) -> _New:
    kinds, attempts, deliveries, times, _, details, ids, fact_hashes = zip(*events, strict=True)
    repeated = [_by_place(column) for column in (kinds, attempts, times)]
    cursor.execute(
        _INSERT_ON_POSTGRES,
        [
            *(values for values, _ in repeated),
            *(places for _, places in repeated),
            *map(_array, (deliveries, applied)),
            [_json(one) for one in details],
            *map(_array, (ids, fact_hashes)),
        ],
    )
    return dict(cursor.fetchall())


def _by_place(column: Iterable[Any]) -> tuple[list[Any], str]:
    """Return the different values of a column, and the place of each row's value among them."""
    places: dict[Any, int] = {}
    numbers = [places.setdefault(value, len(places) + 1) for value in column]
    return list(places), _array(numbers)


def _array(values: Iterable[int | None]) -> str:
    return f"{{{','.join(['NULL' if value is None else str(value) for value in values])}}}"


def _json(details: dict[str, str] | None) -> str | None:
    return None if details is None else orjson.dumps(details).decode()
