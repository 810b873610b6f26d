# ruff: noqa: S608 — the statements are put together from words of ours; every value is a parameter
"""Add facts to deliveries and count them by batch, with set-based statements: an event must cost microseconds.

A delivery gains each fact once, and a batch counts a delivery when it does: so no repetition counts twice. Locks are
taken in one order, batches by id, then deliveries; the row of a send is not touched.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet

from mailer.models import BOUNCED, Attempt, Event, Fact
from mailer.providers.events import Kind
from mailer.store import clock

# What an event of this kind says by itself. Of bounces, complaints and drops the provider's `events.read` says more.
OF_KIND = {Kind.DELIVERED: Fact.DELIVERED, Kind.DEFERRED: Fact.DEFERRED, Kind.DROPPED: Fact.DROPPED}
NEVER = (Attempt.State.REFUSED, Attempt.State.UNSENT)  # their events are never evidence
COUNTED = {
    Fact.DELIVERED: "delivered",
    Fact.DEFERRED: "deferred",
    Fact.DROPPED: "dropped",
    Fact.HARD: "bounced_hard",
    Fact.COMPLAINED: "complained",
}
FIELDS = (*COUNTED.values(), "bounced")


@dataclass(frozen=True)
class Chosen:
    """Events, as a condition: in SQL on `e.id`, with its parameters, and for the ORM."""

    sql: str
    parameters: tuple[Any, ...]
    where: Q

    def events(self) -> QuerySet[Event]:
        return Event.objects.filter(self.where, applied_at=None)


def choose(ids: Sequence[int]) -> Chosen:
    """Choose these events. On SQLite consecutive ids become a range, which is three times faster than a list.

    Not on PostgreSQL: there an event of another post may be committed into a range after it was read.
    """
    if connection.vendor == "sqlite" and ids[-1] - ids[0] + 1 == len(ids):
        return Chosen("e.id BETWEEN %s AND %s", (ids[0], ids[-1]), Q(pk__range=(ids[0], ids[-1])))
    sql, parameter = _among("e.id", ids)
    return Chosen(sql, (parameter,), Q(pk__in=list(ids)))


def _among(column: str, ids: Iterable[int]) -> tuple[str, Any]:
    if connection.vendor == "postgresql":
        return f"{column} = ANY(%s)", list(ids)
    return f"{column} IN (SELECT value FROM json_each(%s))", str(list(ids))


@dataclass(frozen=True)
class Known:
    """An attempt that we made."""

    send: int
    went_out: bool
    has_evidence: bool


def attempts_of(chosen: Chosen) -> dict[UUID, Known]:
    """Return the attempts that these events name, without unknown ones."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.id, b.send_id, a.state, a.evidence_at FROM mailer_attempt AS a"
            " JOIN mailer_batch AS b ON b.id = a.batch_id WHERE a.id IN"
            f" (SELECT e.attempt FROM mailer_event AS e WHERE {chosen.sql} AND e.applied_at IS NULL)",
            chosen.parameters,
        )
        rows = cursor.fetchall()
    return {
        _uuid(pk): Known(send, state not in NEVER, evidence_at is not None) for pk, send, state, evidence_at in rows
    }


def _uuid(pk: Any) -> UUID:
    """Return the UUID, which SQLite stores as 32 digits."""
    return pk if isinstance(pk, UUID) else UUID(pk)


def add(chosen: Chosen, told: Mapping[Fact, Collection[int]]) -> None:
    """Add the facts that these events tell, and `told` (fact → deliveries), to deliveries and their batches' counters.

    Only if a delivery belongs to the send of the event's attempt, and that attempt was not refused or unsent.
    """
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    with connection.cursor() as cursor:
        _lock_batches(cursor, chosen, told)
        for kind, fact in OF_KIND.items():
            _count(counts, fact, _add_by_kind(cursor, chosen, str(kind), fact))
        for fact, deliveries in told.items():
            _count(counts, fact, _add_to(cursor, fact, deliveries))
        _add_counts(cursor, counts)


def _lock_batches(cursor: Any, chosen: Chosen, told: Mapping[Fact, Collection[int]]) -> None:
    """Make writers of the same batches wait here, and not in the middle with some rows locked."""
    if connection.vendor == "sqlite":
        return  # SQLite has one writer
    named = {delivery for deliveries in told.values() for delivery in deliveries}
    cursor.execute(
        "SELECT id FROM mailer_batch WHERE id IN (SELECT batch_id FROM mailer_delivery WHERE id = ANY(%s) OR id IN "
        f"(SELECT e.delivery FROM mailer_event AS e WHERE {chosen.sql})) ORDER BY id FOR NO KEY UPDATE",
        [list(named), *chosen.parameters],
    )


def _add_by_kind(cursor: Any, chosen: Chosen, kind: str, fact: Fact) -> list[tuple[int, int]]:
    """Return batch and facts of each delivery that gained this one."""
    cursor.execute(
        "UPDATE mailer_delivery SET facts = facts | %s FROM ("
        "  SELECT e.delivery AS told_delivery, b.send_id AS told_send FROM mailer_event AS e"
        "  JOIN mailer_attempt AS a ON a.id = e.attempt JOIN mailer_batch AS b ON b.id = a.batch_id"
        f"  WHERE {chosen.sql} AND e.applied_at IS NULL AND e.kind = %s AND a.state NOT IN ('refused', 'unsent')"
        ") AS told WHERE id = told_delivery AND send_id = told_send AND (facts & %s) = 0 RETURNING batch_id, facts",
        [int(fact), *chosen.parameters, kind, int(fact)],
    )
    gained: list[tuple[int, int]] = cursor.fetchall()
    return gained


def _add_to(cursor: Any, fact: Fact, deliveries: Collection[int]) -> list[tuple[int, int]]:
    sql, parameter = _among("id", deliveries)
    cursor.execute(
        f"UPDATE mailer_delivery SET facts = facts | %s WHERE {sql} AND (facts & %s) = 0 RETURNING batch_id, facts",
        [int(fact), parameter, int(fact)],
    )
    gained: list[tuple[int, int]] = cursor.fetchall()
    return gained


def _count(counts: dict[int, Counter[str]], fact: Fact, gained: list[tuple[int, int]]) -> None:
    field = COUNTED.get(fact)
    for batch, facts in gained:
        if field:
            counts[batch][field] += 1
        # A subscriber bounced once, however many kinds of bounces they have.
        if fact in BOUNCED and facts & BOUNCED == fact:
            counts[batch]["bounced"] += 1


def _add_counts(cursor: Any, counts: Mapping[int, Counter[str]]) -> None:
    additions = ", ".join(f"{field} = {field} + %s" for field in FIELDS)
    cursor.executemany(
        f"UPDATE mailer_batch SET {additions} WHERE id = %s",
        [(*(counts[batch][field] for field in FIELDS), batch) for batch in sorted(counts)],
    )


def delivered_after_all(chosen: Chosen) -> dict[int, int | None]:
    """Return event → subscriber of those that say "delivered" of a delivery that also bounced softly."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.id, d.subscriber_id FROM mailer_event AS e JOIN mailer_delivery AS d ON d.id = e.delivery "
            f"WHERE {chosen.sql} AND e.applied_at IS NULL AND e.kind = 'delivered' AND (d.facts & %s) <> 0",
            [*chosen.parameters, int(Fact.SOFT)],
        )
        return dict(cursor.fetchall())


def mark_applied(chosen: Chosen, but: Collection[int]) -> None:
    """Mark these events as applied, without those in `but`."""
    sql, parameter = _among("e.id", but)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE mailer_event AS e SET applied_at = %s WHERE {chosen.sql} AND e.applied_at IS NULL AND NOT ({sql})",
            [connection.ops.adapt_datetimefield_value(clock.now()), *chosen.parameters, parameter],
        )
