"""What the provider reports of emails: stored once and as it came, then applied to the ledger and to subscribers.

Applying adds facts and computes from facts, and never counts reports, so events in any order and any number lead to the
same end. What a crash leaves stored and not applied, the sweep applies.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from operator import itemgetter
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction

from mailer.events import facts, suppressing
from mailer.events.facts import Chosen, Known
from mailer.events.suppressing import Addressee, Reported
from mailer.models import Event, Fact
from mailer.providers.current import configured_provider
from mailer.providers.events import Kind, Meaning, ProviderEvent
from mailer.sending import evidence, thresholds
from mailer.store import clock
from mailer.store.installation import public_id

log = logging.getLogger(__name__)

FACT_HASH = ProviderEvent._fields.index("fact_hash")
# They carry text, and only the fact follows from them.
ONLY_FACTS = (Kind.DEFERRED, Kind.RESUBSCRIBED)
FACTS = {
    Meaning.HARD: Fact.HARD,
    Meaning.SOFT: Fact.SOFT,
    Meaning.POLICY: Fact.POLICY,
    Meaning.COMPLAINT: Fact.COMPLAINED,
}
WAITED_FOR = suppressing.WITHIN  # how long a bounce without ids waits for the outcome of a request
LEFT_ALONE = timedelta(seconds=10)  # the request that stored them is still applying them
CHUNK = 1000
GIVEN_UP = timedelta(days=1)  # an event that cannot be applied for this long is a bug, and is only logged
MOST_PRUNED = 50 * CHUNK  # in one sweep

# Raw SQL: 1,000 events cost 5 ms of CPU on SQLite and 22 on PostgreSQL; by bulk_create 33 and 44.
_COLUMNS = "kind, attempt, delivery, at, received_at, details, id_hash, fact_hash"
_INSERT = f"INSERT OR IGNORE INTO mailer_event ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"  # noqa: S608 — ours
_INSERT_ON_POSTGRES = f"""
    INSERT INTO mailer_event ({_COLUMNS})
    SELECT kind, attempt, delivery, at, clock_timestamp(), details::jsonb, id_hash, fact_hash FROM unnest(
        %s::text[], %s::uuid[], %s::bigint[], %s::timestamptz[], %s::text[], %s::bigint[], %s::bigint[]
    ) AS told (kind, attempt, delivery, at, details, id_hash, fact_hash)
    ON CONFLICT DO NOTHING RETURNING id"""  # noqa: S608 — ours


# ---------------------------------------------------------------- storing


def store(events: Iterable[ProviderEvent]) -> Sequence[int]:
    """Commit the events of this installation that are new; return their ids, to be applied.

    Two posts with the same events at the same time wait for each other in one order, so neither fails. Events of
    unknown attempts (an older backup was restored) are kept too.
    """
    ours = sorted(_of_this_installation(events), key=itemgetter(FACT_HASH))
    if not ours:
        return []
    with transaction.atomic(), connection.cursor() as cursor:
        return _insert_on_postgres(cursor, ours) if connection.vendor == "postgresql" else _insert(cursor, ours)


def _of_this_installation(events: Iterable[ProviderEvent]) -> list[ProviderEvent]:
    """Keep the events that are ours: the account may serve other programs too, and a late bounce may lack our ids."""
    me = public_id()
    return [
        event if event.installation == me else event._replace(attempt=None, delivery=None)
        for event in events
        if event.installation == me or _may_be_ours(event)
    ]


def _may_be_ours(event: ProviderEvent) -> bool:
    return event.installation is None and event.kind == Kind.BOUNCED and bool(_email(event.details))


def _email(details: dict[str, str] | None) -> str:
    return details.get("email", "") if details else ""


def _insert(cursor: Any, events: list[ProviderEvent]) -> range:
    """Insert on SQLite, which has one writer at a time, so that the new ids are those above the last."""
    adapt = connection.ops.adapt_datetimefield_value
    times = {at: adapt(at) for at in {event.at for event in events}}
    attempts = {attempt: attempt and attempt.hex for attempt in {event.attempt for event in events}}
    now = adapt(clock.now())
    last = _last_id(cursor)
    cursor.executemany(
        _INSERT,
        [
            (kind, attempts[attempt], delivery, times[at], now, _json(details), id_hash, fact_hash)
            for kind, attempt, delivery, at, _, details, id_hash, fact_hash in events
        ],
    )
    return range(last + 1, _last_id(cursor) + 1)


def _last_id(cursor: Any) -> int:
    cursor.execute("SELECT max(id) FROM mailer_event")
    return int(cursor.fetchone()[0] or 0)


def _insert_on_postgres(cursor: Any, events: list[ProviderEvent]) -> list[int]:
    kinds, attempts, deliveries, times, _, details, id_hashes, fact_hashes = map(list, zip(*events, strict=True))
    texts = [_json(one) for one in details]
    arrays = [kinds, attempts, deliveries, times, texts, id_hashes, fact_hashes]
    cursor.execute(_INSERT_ON_POSTGRES, arrays)
    return [row[0] for row in cursor.fetchall()]


def _json(details: dict[str, str] | None) -> str | None:
    return None if details is None else orjson.dumps(details).decode()


# ---------------------------------------------------------------- applying


def apply(ids: Sequence[int]) -> None:
    """Apply what these events say to evidence, facts, counters, suppressions and thresholds. Repeating changes nothing.

    Facts are committed before subscribers are touched: erasing a subscriber locks them before their deliveries, so that
    both in one transaction could deadlock with it. What leads to more than a fact counts as applied only after that.
    """
    if not ids:
        return
    chosen = facts.choose(ids)
    attempts = facts.attempts_of(chosen)
    # Attempts that were refused or never made are among them: they prove nothing, and `evidence` raises the alarm.
    evidence.record([attempt for attempt, known in attempts.items() if not known.has_evidence])
    reading = _read(chosen, attempts)
    with transaction.atomic():
        facts.add(chosen, _facts_of(reading.reported))
        reconsidered = facts.delivered_after_all(chosen)
        facts.mark_applied(chosen, but={*reading.events, *reconsidered})
    suppressing.react(reading.reported, {addressee for addressee in reconsidered.values() if addressee})
    thresholds.check(
        {one.addressee.send for one in reading.reported if one.meaning in (Meaning.HARD, Meaning.COMPLAINT)}
    )
    _finish(reading, reconsidered)


@dataclass(frozen=True)
class _Reading:
    """Events that say more than a fact."""

    reported: list[Reported]
    by_address: list[Reported]  # those of `reported` that had no ids
    nobodys: list[int]  # about an address that we did not mail
    addressed: list[int]  # those of `nobodys` that hold an address
    waiting: list[int]  # about an address whose request has no known outcome yet

    @property
    def events(self) -> set[int]:
        return {*(one.event for one in self.reported), *self.nobodys, *self.waiting}


def _read(chosen: Chosen, attempts: Mapping[UUID, Known]) -> _Reading:
    reading = _Reading([], [], [], [], [])
    rows = list(chosen.events().filter(details__isnull=False).exclude(kind__in=ONLY_FACTS))
    addressees = suppressing.addressees_of(row.delivery for row in rows if row.delivery)
    for row in rows:
        if _kind(row) == Kind.BOUNCED and (row.attempt is None or row.delivery is None):
            _read_by_address(reading, row)
            continue
        attempt, addressee = attempts.get(row.attempt or UUID(int=0)), addressees.get(row.delivery or 0)
        if attempt and addressee and attempt.went_out and addressee.send == attempt.send:
            reading.reported.append(_reported(row, addressee))
        else:
            _leave_out(reading, row)
    return reading


def _read_by_address(reading: _Reading, row: Event) -> None:
    found = suppressing.find_addressee(_email(row.details), row.at)
    if found.addressee:
        reported = _reported(row, found.addressee)
        reading.reported.append(reported)
        reading.by_address.append(reported)
    elif found.wait and clock.now() - row.received_at < WAITED_FOR:
        reading.waiting.append(row.pk)
    else:
        _leave_out(reading, row)


def _reported(row: Event, addressee: Addressee) -> Reported:
    events, kind = configured_provider().events, _kind(row)
    means, policy = events.read(kind, row.details or {}) if events else (Meaning.NOTHING, "")
    return Reported(row.pk, means, addressee, row.at, kind == Kind.DROPPED, policy)


def _kind(row: Event) -> str:
    events = configured_provider().events
    return events.kind(row.kind) if events else row.kind


def _leave_out(reading: _Reading, row: Event) -> None:
    reading.nobodys.append(row.pk)
    if _email(row.details):
        reading.addressed.append(row.pk)


def _facts_of(reported: Iterable[Reported]) -> dict[Fact, set[int]]:
    """Return fact → deliveries."""
    found: dict[Fact, set[int]] = defaultdict(set)
    for one in reported:
        if one.meaning in FACTS:
            found[FACTS[one.meaning]].add(one.addressee.delivery)
    return found


def _finish(reading: _Reading, reconsidered: Iterable[int]) -> None:
    """Mark the last events as applied too. What names only an address is kept no longer than this."""
    now = clock.now()
    if not reading.reported and not reading.nobodys and not reconsidered:
        return
    with transaction.atomic():
        for one in reading.by_address:
            details = Event.objects.values_list("details", flat=True).get(pk=one.event) or {}
            kept = {name: words for name, words in details.items() if name != "email"}
            Event.objects.filter(pk=one.event).update(delivery=one.addressee.delivery, details=kept)
        Event.objects.filter(pk__in=reading.addressed).update(details=None)
        done = [*(one.event for one in reading.reported), *reading.nobodys, *reconsidered]
        Event.objects.filter(pk__in=done, applied_at=None).update(applied_at=now)


# ---------------------------------------------------------------- the sweep's part


def apply_leftovers() -> int:
    """Apply events that a crash left stored and not applied; return how many were looked at.

    One that cannot be applied does not hold up others: its neighbours are applied without it, and it is retried in each
    sweep, for a day.
    """
    looked_at = last = 0
    left = Event.objects.filter(applied_at=None, received_at__lt=clock.now() - LEFT_ALONE).order_by("pk")
    while ids := list(left.filter(pk__gt=last).values_list("pk", flat=True)[:CHUNK]):
        _apply_or_isolate(ids)
        looked_at, last = looked_at + len(ids), ids[-1]
    return looked_at


def _apply_or_isolate(ids: Sequence[int]) -> None:
    try:
        apply(ids)
    except (OperationalError, InterfaceError):
        raise  # the database is away; the events are not to blame
    except Exception as error:  # noqa: BLE001 — a defect in one event's meaning must not hold up all others
        if len(ids) == 1:
            _put_off(ids[0], error)
            return
        middle = len(ids) // 2
        _apply_or_isolate(ids[:middle])
        _apply_or_isolate(ids[middle:])


def _put_off(event: int, error: Exception) -> None:
    given_up = Event.objects.filter(pk=event, received_at__lt=clock.now() - GIVEN_UP).update(applied_at=clock.now())
    phrase = "event given up" if given_up else "event not applied, will retry"
    log.error(phrase, extra={"event": event, "error": type(error).__name__})


def prune(now: datetime) -> int:
    """Delete events older than MAILER_EVENTS_DAYS, some at a time; return how many. Facts and counters stay.

    Ids rise with time, so the oldest come first and no index on time is needed.
    """
    before, pruned = now - timedelta(days=settings.MAILER_EVENTS_DAYS), 0
    while pruned < MOST_PRUNED:
        oldest = Event.objects.order_by("pk").values_list("pk", "received_at")[:CHUNK]
        old = [pk for pk, received_at in takewhile(lambda row: row[1] < before, oldest)]
        if not old:
            break
        pruned += Event.objects.filter(pk__in=old).delete()[0]
    return pruned
