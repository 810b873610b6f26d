"""Apply the events that were stored and not applied at once: to evidence, facts and subscribers.

Applying adds facts and computes from facts, and never counts reports, so events in any order and any number lead to the
same end. What a crash leaves stored and not applied, the sweep applies.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction

from mailer.events import facts, suppressing
from mailer.events.facts import OF_KIND, Known
from mailer.events.storing import ONLY_FACTS, email_of
from mailer.events.suppressing import Addressee, Reported
from mailer.models import Event, Fact
from mailer.providers.current import configured_provider
from mailer.providers.events import Kind, Meaning
from mailer.sending import evidence, thresholds
from mailer.store import clock

log = logging.getLogger(__name__)

FACTS = {
    Meaning.HARD: Fact.HARD,
    Meaning.SOFT: Fact.SOFT,
    Meaning.POLICY: Fact.POLICY,
    Meaning.COMPLAINT: Fact.COMPLAINED,
}
JUDGED = (Meaning.HARD, Meaning.COMPLAINT)  # by the thresholds
WAITED_FOR = suppressing.WITHIN  # how long a bounce without ids waits for the outcome of a request
LEFT_ALONE = timedelta(seconds=10)  # the request that stored them is still applying them
CHUNK = 1000
GIVEN_UP = timedelta(days=1)  # an event that cannot be applied for this long is a bug, and is only logged
MOST_PRUNED = 50 * CHUNK  # in one sweep


# ---------------------------------------------------------------- applying


class Row(NamedTuple):
    """A stored event."""

    pk: int
    kind: str
    attempt: UUID | None
    delivery: int | None
    at: datetime
    received_at: datetime
    details: dict[str, str] | None


def apply(ids: Sequence[int]) -> None:
    """Apply what these events say to evidence, facts, counters, suppressions and thresholds. Repeating changes nothing.

    Facts are committed before subscribers are touched: erasing a subscriber locks them before their deliveries, so that
    both in one transaction could deadlock with it. What leads to more than a fact counts as applied only after that.
    """
    for start in range(0, len(ids), CHUNK):
        waiting = Event.objects.filter(pk__in=ids[start : start + CHUNK], applied_at=None)
        _apply(list(map(Row._make, waiting.order_by("pk").values_list(*Row._fields))))


def _apply(rows: Sequence[Row]) -> None:
    attempts = _attempts_with_evidence(rows)
    reading = _read(rows, attempts)
    with transaction.atomic():
        facts.add(_told_by(rows, attempts, reading.reported))
        reconsidered = _delivered_after_all(rows)
        facts.mark_applied({row.pk for row in rows} - reading.events - reconsidered.keys())
    if reading.reported or reconsidered:
        suppressing.react(reading.reported, {addressee for addressee in reconsidered.values() if addressee})
        thresholds.check({one.addressee.send for one in reading.reported if one.meaning in JUDGED})
    if reading.reported or reading.nobodys or reconsidered:
        _finish(reading, reconsidered)


def _attempts_with_evidence(rows: Iterable[Row]) -> dict[UUID | None, Known]:
    """Record that the provider accepted the requests of these events, and return them."""
    attempts = facts.attempts_of(row.attempt for row in rows)
    silent = [attempt for attempt, known in attempts.items() if attempt and not known.has_evidence]
    # Attempts that were refused are among them: they prove nothing, and `evidence` raises the alarm.
    evidence.record(silent)
    return attempts | facts.attempts_of(silent)


def _told_by(rows: Iterable[Row], attempts: Mapping[UUID | None, Known], reported: Iterable[Reported]) -> facts.Told:
    told: dict[tuple[Fact, int], set[int]] = defaultdict(set)
    for row in rows:
        fact, attempt = OF_KIND.get(row.kind), attempts.get(row.attempt)
        if fact and attempt and attempt.went_out and row.delivery:
            told[fact, attempt.send].add(row.delivery)
    for one in reported:
        if one.meaning in FACTS:
            told[FACTS[one.meaning], one.addressee.send].add(one.addressee.delivery)
    return told


def _delivered_after_all(rows: Iterable[Row]) -> dict[int, int | None]:
    """Return event → subscriber of those that say "delivered" of a delivery that also bounced softly."""
    delivered = {row.pk: row.delivery for row in rows if row.kind == Kind.DELIVERED and row.delivery}
    softly = facts.bounced_softly(set(delivered.values()))
    return {event: softly[delivery] for event, delivery in delivered.items() if delivery in softly}


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


def _read(rows: Iterable[Row], attempts: Mapping[UUID | None, Known]) -> _Reading:
    reading = _Reading([], [], [], [], [])
    rows = [row for row in rows if row.details is not None and row.kind not in ONLY_FACTS]
    addressees = suppressing.addressees_of(row.delivery for row in rows if row.delivery)
    for row in rows:
        if _kind(row) == Kind.BOUNCED and (row.attempt is None or row.delivery is None):
            _read_by_address(reading, row)
            continue
        attempt, addressee = attempts.get(row.attempt), addressees.get(row.delivery or 0)
        if attempt and addressee and attempt.went_out and addressee.send == attempt.send:
            reading.reported.append(_reported(row, addressee))
        else:
            _leave_out(reading, row)
    return reading


def _read_by_address(reading: _Reading, row: Row) -> None:
    found = suppressing.find_addressee(email_of(row.details), row.at)
    if found.addressee:
        reported = _reported(row, found.addressee)
        reading.reported.append(reported)
        reading.by_address.append(reported)
    elif found.wait and clock.now() - row.received_at < WAITED_FOR:
        reading.waiting.append(row.pk)
    else:
        _leave_out(reading, row)


def _reported(row: Row, addressee: Addressee) -> Reported:
    events, kind = configured_provider().events, _kind(row)
    means, policy = events.read(kind, row.details or {}) if events else (Meaning.NOTHING, "")
    return Reported(row.pk, means, addressee, row.at, kind == Kind.DROPPED, policy)


def _kind(row: Row) -> str:
    events = configured_provider().events
    return events.kind(row.kind) if events else row.kind


def _leave_out(reading: _Reading, row: Row) -> None:
    reading.nobodys.append(row.pk)
    if email_of(row.details):
        reading.addressed.append(row.pk)


def _finish(reading: _Reading, reconsidered: Iterable[int]) -> None:
    """Mark the last events as applied too. What names only an address is kept no longer than this."""
    with transaction.atomic():
        for one in reading.by_address:
            details = Event.objects.values_list("details", flat=True).get(pk=one.event) or {}
            kept = {name: words for name, words in details.items() if name != "email"}
            Event.objects.filter(pk=one.event).update(delivery=one.addressee.delivery, details=kept)
        if reading.addressed:
            Event.objects.filter(pk__in=reading.addressed).update(details=None)
        facts.mark_applied({*(one.event for one in reading.reported), *reading.nobodys, *reconsidered})


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
        raise  # the database is down; the events are not to blame
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
