"""The statements that each request needs: take a batch, look at its subscribers, write its acceptance.

By hand, because the ORM took longer to build them than the database to run them, while all slots share one interpreter:
with it claim and settling cost 1.3 s of CPU for 100,000 subscribers, without it 0.7 s. SQLite and PostgreSQL get the
same text but for locks. When each is run, and why, is said where it is called.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection

from mailer.models import Attempt, Batch, Send
from mailer.sending import send_lock
from mailer.store import accounts, clock

# The time of a send's last request orders the sends that wait, and is shown. Written with each acceptance, all of them
# would queue for the row; it is exact when the send is finished.
NOTED_EVERY = timedelta(seconds=1)

SubscriberRow = tuple[int, str | None, str | None, str, str | None, str | None, str | None]


@dataclass(frozen=True)
class Members:
    """The subscribers of an attempt: the deliveries of its batch without an outcome when it was committed.

    As columns, and nothing is made for each of them: a request has a thousand.
    """

    deliveries: tuple[int, ...] = ()
    public_ids: tuple[str, ...] = ()  # as the database writes them; see as_bytes
    emails: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, rows: Iterable[tuple[Any, ...]]) -> "Members":
        return cls(*zip(*rows, strict=True))

    def __len__(self) -> int:
        return len(self.deliveries)


class RunningSend(NamedTuple):
    """What a claim needs to know of its send."""

    pk: int
    account: int
    newsletter: str
    requested: bool  # the time of its first request needs no writing
    noted_at: datetime | None  # the time of its last request


def share_running_send(send: int) -> RunningSend | None:
    """Share the send and return it if it is `sending` and this process's, as mailer.store.accounts says; else None."""
    send_lock.queue_to_share(send)
    lock = " FOR KEY SHARE" if connection.features.has_select_for_update else ""
    row = _first(_RUNNING_SEND + lock, send, settings.PROVIDER, accounts.fingerprint())
    if row is None or not accounts.has_newsletter(row[2], row[3]):
        return None
    return RunningSend(row[0], row[1], row[2], bool(row[4]), _aware(row[5]))


def share_send(send: int) -> datetime:
    """Share the send, and return the database's time."""
    if connection.vendor != "postgresql":
        return clock.now()
    send_lock.queue_to_share(send)
    row = _first("SELECT clock_timestamp(), (SELECT id FROM mailer_send WHERE id = %s FOR KEY SHARE)", send)
    assert row is not None
    now: datetime = row[0]
    return now


class BreakerNow(NamedTuple):
    """An account's circuit breaker, and the database's time at which it was looked at."""

    now: datetime
    open: bool
    on_trial: bool  # requests failed since the last that was accepted
    wrong_clock: bool  # this machine's is too far off to send


def breaker_of(account: int) -> BreakerNow:
    """Look at the account's circuit breaker and compare the clocks, in one round trip."""
    asked = clock.of_this_machine()
    if connection.vendor == "postgresql":
        row = _first(_BREAKER.format(clock="clock_timestamp()", late="NULL"), account)
        assert row is not None
        off = clock.ahead_by(asked, row[0], clock.of_this_machine())
        return BreakerNow(row[0], bool(row[1]), bool(row[2]), abs(off) > clock.WRONG)
    row = _first(_BREAKER.format(clock="%s", late=_LATE), asked + clock.WRONG, asked, account)
    assert row is not None
    return BreakerNow(asked, bool(row[1]), bool(row[2]), bool(row[3]))


class Taken(NamedTuple):
    """A batch that is `posting` by a claim, and how many of its deliveries have no outcome."""

    batch: int
    open: int


def take_next_batch(send: int, attempt: UUID, now: datetime) -> Taken | None:
    """Make the send's first due batch `posting` by this attempt. Return None if none is due.

    One that another claim is just taking is passed over.
    """
    skip = " FOR UPDATE SKIP LOCKED" if connection.features.has_select_for_update else ""
    row = _first(_TAKE_NEXT.format(skip=skip), attempt, send, now)
    return Taken(*row) if row else None


def mailable_members(batch: int, newsletter: str, now: datetime) -> Members:
    """Return the batch's subscribers without an outcome who may be mailed now, in the order of their deliveries."""
    with connection.cursor() as cursor:
        cursor.execute(_MAILABLE, [batch, newsletter, _stored(now)])
        return Members.of(cursor.fetchall())


def open_subscribers(batch: int, newsletter: str, now: datetime) -> list[SubscriberRow]:
    """Return all subscribers of the batch without an outcome, with what decides whether each may be mailed.

    Delivery, id, address, name, state of the subscription, why suppressed, and the domain in whose suspected outage
    their last email bounced. An erased subscriber has neither id nor address.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SUBSCRIBERS, [newsletter, _stored(now), batch])
        rows: list[SubscriberRow] = cursor.fetchall()
    return rows


def open_attempt(attempt: UUID, batch: int, worker: UUID, members: int, now: datetime, lease_until: datetime) -> None:
    """Write the attempt; everything that cannot be taken back comes after it."""
    _change(_OPEN, attempt, batch, worker, members, now, lease_until)


def end_attempt(attempt: UUID, state: str, detail: str, status: int | None, message_id: str, now: datetime) -> bool:
    """End the attempt in this state. Return False if it had ended before."""
    return _change(_END, state, detail[:500], status, message_id, now, attempt)


def accept_batch(batch: int, attempt: UUID, settled_by: Batch.SettledBy) -> bool:
    """Accept the batch by this attempt. Return False if it is settled otherwise, or another attempt has it."""
    return _change(_ACCEPT, settled_by, attempt, batch, attempt)


def write_first_request(send: int, now: datetime) -> None:
    _change("UPDATE mailer_send SET first_request_at = %s WHERE id = %s AND first_request_at IS NULL", now, send)


def must_note(send: RunningSend, now: datetime) -> bool:
    """Tell whether the time of the send's last request was noted long enough ago."""
    return send.noted_at is None or send.noted_at <= now - NOTED_EVERY


def note_last_request(send: int, now: datetime) -> None:
    """Write the time of a request, unless one was noted within NOTED_EVERY, or another is being written."""
    skip = " FOR NO KEY UPDATE SKIP LOCKED" if connection.features.has_select_for_update else ""
    _change(_NOTE_LAST_REQUEST.format(skip=skip), now, send, now - NOTED_EVERY)


def forget_failures(account: int) -> None:
    _change(_FORGET_FAILURES, account)


def has_open_batch(send: int) -> bool:
    """Tell whether a batch of the send is planned or posting."""
    return _first(_OPEN_BATCH, send, send) is not None


def as_bytes(public_ids: Sequence[str]) -> list[bytes]:
    """Return the 16 bytes of each id: 32 hex digits on SQLite, and hyphens between them on PostgreSQL.

    Raises ValueError if one is shorter or longer, which would give all that follow another subscriber's link.
    """
    together = bytes.fromhex("".join(public_ids).replace("-", ""))
    if len(set(map(len, public_ids))) > 1 or len(together) != 16 * len(public_ids):
        raise ValueError("an id of a subscriber has another length than 16 bytes")
    return [together[start : start + 16] for start in range(0, len(together), 16)]


# No time is written into versions of a welcome: by it older versions, and rules about issues, find what was mailed.
_RUNNING_SEND = f"""
    SELECT id, account_id, newsletter, list_id, first_request_at IS NOT NULL OR kind = '{Send.Kind.WELCOME.value}',
        last_request_at FROM mailer_send
    WHERE id = %s AND state = '{Send.State.SENDING.value}' AND account_id =
        (SELECT account_id FROM mailer_accountkey WHERE host = %s AND fingerprint = %s)"""  # noqa: S608

# A subquery, so that PostgreSQL reads its clock once; joined from the left, so that there is a row without a breaker.
_BREAKER = """
    SELECT clock.now, closed_until > clock.now OR (streak > 0 AND trial_until > clock.now), streak > 0, {late}
    FROM (SELECT {clock} AS now) AS clock LEFT JOIN mailer_circuit_breaker ON account_id = %s"""

_FORGET_FAILURES = """
    UPDATE mailer_circuit_breaker SET streak = 0, trial_until = NULL WHERE account_id = %s AND streak > 0"""

# SQLite has no clock of its own: what another worker wrote there must stand for it.
_LATE = "(SELECT swept_at FROM mailer_installation WHERE id = 1) > %s"

_NOTE_LAST_REQUEST = """
    UPDATE mailer_send SET last_request_at = %s WHERE id = (
        SELECT id FROM mailer_send WHERE id = %s AND (last_request_at IS NULL OR last_request_at <= %s){skip})"""

_TAKE_NEXT = f"""
    UPDATE mailer_batch SET state = '{Batch.State.POSTING.value}', current_attempt = %s
    WHERE id = (
        SELECT id FROM mailer_batch
        WHERE send_id = %s AND state = '{Batch.State.PLANNED.value}' AND not_before <= %s
        ORDER BY number LIMIT 1{{skip}}
    ) RETURNING id, size - skipped - rejected"""  # noqa: S608

# All about a subscriber is looked up one by one, and the join is an outer one: without statistics PostgreSQL
# would read the whole other table for each batch. So it asks for the id, not for the address, to leave out the erased.
_MAILABLE = """
    SELECT delivery.id, CAST(reader.public_id AS text), reader.email, reader.name
    FROM mailer_delivery AS delivery LEFT JOIN subscribers_subscriber AS reader ON reader.id = delivery.subscriber_id
    WHERE delivery.batch_id = %s AND delivery.outcome IS NULL AND delivery.subscriber_id IS NOT NULL
    AND (SELECT state FROM subscribers_subscription
        WHERE subscriber_id = delivery.subscriber_id AND newsletter = %s) = 'active'
    AND (SELECT reason FROM subscribers_suppression WHERE hash = reader.suppression_hash) IS NULL
    AND (SELECT domain FROM mailer_hardbounce WHERE hash = reader.suppression_hash AND held_until > %s
        AND NOT forgiven LIMIT 1) IS NULL
    ORDER BY delivery.id"""

_SUBSCRIBERS = """
    SELECT delivery.id, CAST(reader.public_id AS text), reader.email, reader.name,
        (SELECT state FROM subscribers_subscription WHERE subscriber_id = delivery.subscriber_id AND newsletter = %s),
        (SELECT reason FROM subscribers_suppression WHERE hash = reader.suppression_hash),
        (SELECT domain FROM mailer_hardbounce WHERE hash = reader.suppression_hash AND held_until > %s
            AND NOT forgiven LIMIT 1)
    FROM mailer_delivery AS delivery LEFT JOIN subscribers_subscriber AS reader ON reader.id = delivery.subscriber_id
    WHERE delivery.batch_id = %s AND delivery.outcome IS NULL ORDER BY delivery.id"""

_OPEN = f"""
    INSERT INTO mailer_attempt (id, batch_id, owner, members, started_at, lease_until, state, message_id, words)
    VALUES (%s, %s, %s, %s, %s, %s, '{Attempt.State.OPEN.value}', '', '')"""  # noqa: S608

_END = f"""
    UPDATE mailer_attempt SET state = %s, words = %s, status = %s, message_id = %s, ended_at = %s
    WHERE id = %s AND state IN ('{Attempt.State.OPEN.value}', '{Attempt.State.UNKNOWN.value}')"""  # noqa: S608

_ACCEPT = f"""
    UPDATE mailer_batch SET state = '{Batch.State.ACCEPTED.value}', settled_by = %s, current_attempt = %s
    WHERE id = %s AND (
        state IN ('{Batch.State.UNKNOWN.value}', '{Batch.State.PLANNED.value}')
        OR (state = '{Batch.State.POSTING.value}' AND current_attempt = %s)
        OR (state = '{Batch.State.ACCEPTED.value}' AND settled_by = '{Batch.SettledBy.EDITOR.value}'))"""  # noqa: S608

# By two small indexes: a send has many batches, a welcome that is emailed for years above all. To use the second one
# SQLite must read its condition word for word, and the plus keeps it from using another.
_OPEN_BATCH = f"""
    SELECT 1 WHERE EXISTS (
        SELECT 1 FROM mailer_batch WHERE send_id = %s AND state = '{Batch.State.PLANNED.value}'
    ) OR EXISTS (
        SELECT 1 FROM mailer_batch WHERE state IN ('planned', 'posting', 'unknown')
        AND state = '{Batch.State.POSTING.value}' AND +send_id = %s
    )"""  # noqa: S608


def _first(sql: str, *values: Any) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(sql, [_stored(value) for value in values])
        row: tuple[Any, ...] | None = cursor.fetchone()
    return row


def _change(sql: str, *values: Any) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(sql, [_stored(value) for value in values])
        return bool(cursor.rowcount)


def _aware(at: datetime | None) -> datetime | None:
    """Return the time with its zone, which SQLite leaves out."""
    return at if at is None or at.tzinfo else at.replace(tzinfo=UTC)


def _stored(value: Any) -> Any:
    """Return the value as this database's columns hold it."""
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    if isinstance(value, UUID) and not connection.features.has_native_uuid_field:
        return value.hex
    return value
