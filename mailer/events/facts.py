# ruff: noqa: S608 — the statements are put together from words of ours; every value is a parameter
"""Add facts to deliveries and count them by batch, with set-based statements: an event must cost microseconds.

A delivery gains each fact once, and a batch counts a delivery when it does: so no repetition counts twice. Locks are
taken in one order, batches by id, then deliveries; the row of a send is not touched.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from mailer.models import BOUNCED, Attempt, Fact
from mailer.providers.events import Kind
from mailer.store import clock

# What an event of this kind says by itself. Of bounces, complaints and drops the provider's `events.read` says more.
OF_KIND: dict[str, Fact] = {Kind.DELIVERED: Fact.DELIVERED, Kind.DEFERRED: Fact.DEFERRED, Kind.DROPPED: Fact.DROPPED}
NEVER = (Attempt.State.REFUSED, Attempt.State.UNSENT)  # their events are never evidence
COUNTED = {
    Fact.DELIVERED: "delivered",
    Fact.DEFERRED: "deferred",
    Fact.DROPPED: "dropped",
    Fact.HARD: "bounced_hard",
    Fact.COMPLAINED: "complained",
}
FIELDS = (*COUNTED.values(), "bounced")

SOFT = int(Fact.SOFT)

# Deliveries by what was told of them: a fact, in events of a request of this send.
Told = Mapping[tuple[Fact, int], Collection[int]]


@dataclass(frozen=True)
class Known:
    """An attempt that we made."""

    send: int
    account: int | None
    state: str
    has_evidence: bool

    @property
    def went_out(self) -> bool:
        return self.state not in NEVER

    @property
    def is_accepted(self) -> bool:
        """Tell whether its events are only about deliveries: the provider accepted it, which is final."""
        return self.state == Attempt.State.ACCEPTED

    @property
    def is_silent(self) -> bool:
        """Tell whether the provider accepted it, and no event is on record that shows it."""
        return self.is_accepted and not self.has_evidence


def attempts_of(attempts: Iterable[UUID | None]) -> dict[UUID | None, Known]:
    """Return what we know of these attempts, without unknown ones."""
    named = {attempt for attempt in attempts if attempt}
    if not named:
        return {}
    sql, parameter = "a.id = ANY(%s::uuid[])", f"{{{','.join(map(str, named))}}}"
    if connection.vendor == "sqlite":
        sql, parameter = "a.id IN (SELECT value FROM json_each(%s))", json.dumps([attempt.hex for attempt in named])
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.id, b.send_id, s.account_id, a.state, a.evidence_at FROM mailer_attempt AS a"
            f" JOIN mailer_batch AS b ON b.id = a.batch_id JOIN mailer_send AS s ON s.id = b.send_id WHERE {sql}",
            [parameter],
        )
        rows = cursor.fetchall()
    return {_uuid(pk): Known(send, account, state, at is not None) for pk, send, account, state, at in rows}


def _uuid(pk: Any) -> UUID:
    """Return the UUID, which SQLite stores as 32 digits."""
    return pk if isinstance(pk, UUID) else UUID(pk)


def add(told: Told) -> set[int]:
    """Add what was told to deliveries of that send, and to the counters of their batches.

    Return the deliveries that gained "delivered" and had bounced softly before.
    """
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    after_all: set[int] = set()
    with connection.cursor() as cursor:
        _lock_batches(cursor, {delivery for deliveries in told.values() for delivery in deliveries})
        for (fact, send), deliveries in told.items():
            gained = _add_to(cursor, fact, send, deliveries)
            _count(counts, fact, gained)
            if fact == Fact.DELIVERED:
                after_all.update(delivery for delivery, _, facts in gained if facts & SOFT)
        _add_counts(cursor, counts)
    return after_all


def _lock_batches(cursor: Any, deliveries: Collection[int]) -> None:
    """Make writers of the same batches wait here, and not in the middle with some rows locked."""
    if connection.vendor == "sqlite" or not deliveries:
        return  # SQLite has one writer
    sql, parameter = among("id", deliveries)
    cursor.execute(
        "SELECT id FROM mailer_batch WHERE id IN"
        f" (SELECT batch_id FROM mailer_delivery WHERE {sql}) ORDER BY id FOR NO KEY UPDATE",
        [parameter],
    )


def _add_to(cursor: Any, fact: Fact, send: int, deliveries: Collection[int]) -> list[tuple[int, int, int]]:
    """Return id, batch and facts of each delivery that gained this one."""
    sql, parameter = among("id", deliveries)
    cursor.execute(
        f"UPDATE mailer_delivery SET facts = facts | %s WHERE {sql} AND send_id = %s AND (facts & %s) = 0"
        " RETURNING id, batch_id, facts",
        [int(fact), parameter, send, int(fact)],
    )
    gained: list[tuple[int, int, int]] = cursor.fetchall()
    return gained


def among(column: str, ids: Iterable[int]) -> tuple[str, str]:
    """Return a condition and its parameter: a text, because psycopg takes ten times as long to write a list."""
    listed = ",".join(map(str, ids))
    if connection.vendor == "postgresql":
        return f"{column} = ANY(%s::bigint[])", f"{{{listed}}}"
    return f"{column} IN (SELECT value FROM json_each(%s))", f"[{listed}]"


def _count(counts: dict[int, Counter[str]], fact: Fact, gained: Iterable[tuple[int, int, int]]) -> None:
    field = COUNTED.get(fact)
    for (batch, facts), deliveries in Counter((batch, facts) for _, batch, facts in gained).items():
        if field:
            counts[batch][field] += deliveries
        # A subscriber bounced once, however many kinds of bounces they have.
        if fact in BOUNCED and facts & BOUNCED == fact:
            counts[batch]["bounced"] += deliveries


def _add_counts(cursor: Any, counts: Mapping[int, Counter[str]]) -> None:
    additions = ", ".join(f"{field} = {field} + %s" for field in FIELDS)
    cursor.executemany(
        f"UPDATE mailer_batch SET {additions} WHERE id = %s",
        [(*(counts[batch][field] for field in FIELDS), batch) for batch in sorted(counts)],
    )


def bounced_softly(deliveries: Collection[int]) -> dict[int, int | None]:
    """Return those of these deliveries that bounced softly, with their subscribers."""
    if not deliveries:
        return {}
    sql, parameter = among("id", deliveries)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, subscriber_id FROM mailer_delivery WHERE {sql} AND (facts & %s) <> 0", [parameter, SOFT]
        )
        return dict(cursor.fetchall())


def mark_applied(ids: Collection[int]) -> None:
    if not ids:
        return
    sql, parameter = among("id", ids)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE mailer_event SET applied_at = %s WHERE {sql} AND applied_at IS NULL",
            [connection.ops.adapt_datetimefield_value(clock.now()), parameter],
        )
