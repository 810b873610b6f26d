"""Turn a rendered issue into a Send with its batches and deliveries, whole or not at all.

On PostgreSQL a send to very many subscribers is only begun here: mailer.sending.ranges plans the rest.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from uuid import uuid4

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Max, QuerySet

from mailer.config.newsletter import Newsletter
from mailer.models import REHEARSAL, Batch, Delivery, Planning, Send
from mailer.providers.current import configured_provider, current_provider, rehearsals
from mailer.providers.headers import issue_headers
from mailer.providers.messages import InvalidMessage, Recipient, Recipients
from mailer.providers.rehearsal import forget
from mailer.sending import hints, lifecycle
from mailer.sending.messages import message_of
from mailer.store import accounts, clock
from mailer.store.media import keep_images
from subscribers.models import Subscriber, Subscription

if TYPE_CHECKING:  # rendering loads parsers that a worker never needs
    from mailer.content.rendering import RenderedIssue

log = logging.getLogger(__name__)

# More subscribers than this are planned in ranges, so that no transaction takes long. SQLite has a single writer, and
# letting others in between two ranges is all that it would gain.
IN_RANGES_ABOVE = {"postgresql": 500_000}

ROUNDS = 5
# SQLSTATEs of PostgreSQL: serialization failure, deadlock.
OVERTAKEN = ("40001", "40P01")
P = ParamSpec("P")
R = TypeVar("R")


class NobodyToSend(Exception):
    """The newsletter has no confirmed subscriber who may be mailed."""


@dataclass(frozen=True)
class Plan:
    """All that a request or the web page needs, before it is written."""

    newsletter: Newsletter
    issue: "RenderedIssue"
    provider: str
    base_url: str
    on_unknown: str = Send.OnUnknown.HOLD
    unwatched: bool = False  # scheduled or detached: somebody is told by email how it goes

    @property
    def headers(self) -> Mapping[str, str]:
        return issue_headers(self.newsletter.label, self.newsletter.name, self.newsletter.list_id, self.base_url)


def audience_size(newsletter: str) -> int:
    return audience(newsletter).count()


def audience(newsletter: str) -> QuerySet[Subscription]:
    return Subscription.objects.deliverable().filter(newsletter=newsletter)


def why_refused(plan: Plan) -> str:
    """Say why the provider would refuse every request of this plan, for the editor; return "" if it would not.

    Asked before anything is written, with a request to an invented subscriber that is checked and never made.
    """
    subscriber = Recipient(0, "reader@example.com", "", f"{plan.base_url}/unsubscribe/a-reader/")
    try:
        request = current_provider().prepare(message_of(frozen(plan)), Recipients.of([subscriber]), uuid4())
    except InvalidMessage as error:
        return str(error)
    return " ".join(current_provider().faults(request))


def plan_send(plan: Plan) -> Send:
    """Commit the send, its batches, deliveries and images, and wake slots for them.

    It starts paused if the newsletter's last send ended in too many bounces or complaints. Raises NobodyToSend, or
    IntegrityError if a send of this newsletter and slug exists: a rehearsal replaces its predecessor, a real send
    replaces only one that was cancelled before any request (see mailer.sending.existing). Raises UnknownKey.
    """
    if not audience(plan.newsletter.label).exists():
        raise NobodyToSend(plan.newsletter.label)
    accounts.require_account()
    _make_room(plan)
    return _plan(plan)


def expected_in_ranges(newsletter: str) -> int:
    """Return about how many subscribers there are if they are to be planned in ranges, else 0.

    Asked before the transaction that plans, because counting ten million takes seconds.
    """
    limit = IN_RANGES_ABOVE.get(connection.vendor)
    if limit is None or not _active(newsletter)[limit : limit + 1].exists():
        return 0
    return _active(newsletter).count()


def _active(newsletter: str) -> QuerySet[Subscription]:
    """Return at least the audience, some of it suppressed: an index alone counts it, in a sixth of the time."""
    return Subscription.objects.filter(newsletter=newsletter, state=Subscription.State.ACTIVE)


def anew_when_overtaken(plan: Callable[P, R]) -> Callable[P, R]:
    """Repeat `plan`, a transaction of its own, if somebody changed what it read.

    On PostgreSQL a subscriber who is erased meanwhile fails its commit. Locking all subscribers first would not help:
    the lock fails in the same way. Nothing of the failed round is left, neither rows nor hints.
    """

    @wraps(plan)
    def planned(*args: P.args, **kwargs: P.kwargs) -> R:
        for _ in range(ROUNDS - 1):
            try:
                return plan(*args, **kwargs)
            except DatabaseError as error:
                if connection.in_atomic_block or getattr(error.__cause__, "sqlstate", None) not in OVERTAKEN:
                    raise
                log.info("subscribers changed during planning, planning again")
        return plan(*args, **kwargs)

    return planned


@anew_when_overtaken
def _plan(plan: Plan) -> Send:
    expected = expected_in_ranges(plan.newsletter.label)
    with same_subscribers_throughout():
        send = frozen(plan)
        send.save()
        choose_audience(send, expected)
        _start_paused_by_notice(send)
    return send


def schedule_send(plan: Plan, due_at: datetime) -> Send:
    """Commit the content as `scheduled`; its audience is chosen when it fires (mailer.sending.scheduling).

    Raises IntegrityError as plan_send does.
    """
    accounts.require_account()
    _make_room(plan)
    with transaction.atomic():
        send = frozen(plan)
        send.state, send.due_at = Send.State.SCHEDULED, due_at
        send.save()
    log.info("send scheduled", extra={"send": send.pk, "issue": send.slug, "due_at": due_at.isoformat()})
    return send


@contextmanager
def same_subscribers_throughout() -> Iterator[None]:
    """Open a transaction in which counting and inserting see the same subscribers.

    Else those who join in between would push others out. On PostgreSQL it fails with an OperationalError if another
    transaction wrote the same rows meanwhile; see anew_when_overtaken.

    SQLite does not check foreign keys meanwhile, which was a third of the INSERT: nobody else writes, and what refers
    to a row is made from that row.
    """
    nested = connection.in_atomic_block
    with connection.constraint_checks_disabled(), transaction.atomic():
        if connection.vendor == "postgresql" and not nested:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


def choose_audience(send: Send, expected: int) -> None:
    """Put everybody who may be mailed now into planned batches of `send`, which had none; wake slots on commit.

    With `expected_in_ranges` only freeze who that is, and make the send `planning`. In the caller's transaction,
    `same_subscribers_throughout`. Raises NobodyToSend.
    """
    if expected:
        _freeze_audience(send, expected)
        return
    at_most = _active(send.newsletter).count()
    make_batches(send, at_most)
    send.planned = make_deliveries(send, audience(send.newsletter))
    if not send.planned:
        raise NobodyToSend(send.newsletter)
    if send.planned < at_most:
        trim_batches(send, 0, send.planned)
    Send.objects.filter(pk=send.pk).update(planned=send.planned)
    release(send)


def release(send: Send) -> None:
    """Say when the batches of a send that is planned are due, and wake slots for them on commit."""
    hints.spread(send)
    due = Batch.objects.filter(send=send, state=Batch.State.PLANNED, not_before__lte=clock.now()).count()
    transaction.on_commit(partial(hints.enqueue, send.pk, due))
    size = {"readers": send.planned, "batches": due}
    log.info("send planned", extra={"send": send.pk, "issue": send.slug, **size})


def _freeze_audience(send: Send, expected: int) -> None:
    until = Subscriber.objects.aggregate(last=Max("pk", default=0))["last"]
    Planning.objects.create(send=send, until=until, frozen_at=clock.now(), expected=expected)
    send.state = Send.State.PLANNING
    send.save(update_fields=["state"])
    transaction.on_commit(partial(hints.enqueue, send.pk))
    log.info("planning begun", extra={"send": send.pk, "issue": send.slug, "expected": expected})


def _make_room(plan: Plan) -> None:
    """Store the images, and delete a former rehearsal.

    Committed before the plan's own transaction: REPEATABLE READ fails on rows that others write at the same time, such
    as a worker on that rehearsal, or twenty editors with the same logo.
    """
    with transaction.atomic():
        keep_images(plan.issue.images)
        if plan.provider == REHEARSAL:
            former = Send.objects.filter(newsletter=plan.newsletter.label, slug=plan.issue.slug, provider=REHEARSAL)
            # Locked first, as a claim does: deleting its batches before would deadlock with a worker on it.
            for send in former.select_for_update().only("pk"):
                transaction.on_commit(partial(forget, rehearsals(), send.pk))
                send.delete()


def frozen(plan: Plan) -> Send:
    """Return the send of a plan, not yet written."""
    issue, newsletter = plan.issue, plan.newsletter
    return Send(
        newsletter=newsletter.label,
        slug=issue.slug,
        provider=plan.provider,
        account=accounts.known_account() if plan.provider == settings.PROVIDER else None,
        list_id=newsletter.list_id,
        subject=issue.subject,
        from_email=newsletter.from_email,
        from_name=newsletter.from_name,
        reply_to=newsletter.reply_to,
        headers=dict(plan.headers),
        base_url=plan.base_url,
        placeholders=dict(issue.placeholders),
        html=issue.html,
        text=issue.text,
        article=issue.article,
        language=issue.language,
        preheader=issue.preheader,
        day=issue.day,
        number=issue.number,
        source_sha256=issue.source_sha256,
        content_sha256=issue.content_sha256,
        on_unknown=plan.on_unknown,
        max_per_hour=newsletter.max_per_hour,
        created_at=clock.now(),
        notify=newsletter.notify if plan.unwatched else "",
    )


def _start_paused_by_notice(send: Send) -> None:
    """Show what this newsletter's last send ended in before the next one starts."""
    if send.is_rehearsal:
        return
    # An older version, at the same database, gives notices to welcomes too.
    sent = Send.objects.issues().filter(newsletter=send.newsletter, account=send.account)
    former = sent.filter(notice_shown=False).exclude(notice="")
    warning = former.select_for_update().order_by("-pk").values_list("notice", flat=True).first()
    if warning:
        former.update(notice_shown=True)
        lifecycle.hold(send.pk, warning)
        send.refresh_from_db(fields=["state", "reason"])


def make_batches(send: Send, members: int, first: int = 0) -> None:
    """Create batches for so many subscribers, numbered from `first`."""
    size, now = batch_size(send), clock.now()
    sizes = (min(size, members - start) for start in range(0, members, size))
    Batch.objects.bulk_create(
        Batch(send=send, number=number, size=filled, not_before=now) for number, filled in enumerate(sizes, first)
    )


def trim_batches(send: Send, first: int, members: int) -> None:
    """Let the batches from `first` on have as many members as were inserted."""
    full, rest = divmod(members, batch_size(send))
    made = Batch.objects.filter(send=send)
    if rest:
        made.filter(number=first + full).update(size=rest)
    made.filter(number__gte=first + full + bool(rest)).delete()


def batch_size(send: Send) -> int:
    """Return the subscribers per request of this send: with `max_per_hour`, few enough for six requests an hour."""
    most = largest_batch()
    if not send.max_per_hour:
        return most
    return max(1, min(most, send.max_per_hour // 6))


def largest_batch() -> int:
    """Return the most subscribers that a request may have."""
    return min(settings.MAILER_BATCH_SIZE, configured_provider().most_recipients)


def make_deliveries(send: Send, chosen: QuerySet[Subscription], first: int = 0, lock: str = "") -> int:
    """Insert each chosen subscriber into one of the batches from `first` on. Return how many they are.

    By one statement: 40 × faster than bulk_create. `lock` is a clause for choosing them. An outer join, so that it
    fails if there are more than the batches hold, and leaves nobody out.
    """
    sql, parameters = chosen.values("subscriber_id").query.sql_with_params()
    delivery, batch = Delivery._meta.db_table, Batch._meta.db_table
    with connection.cursor() as cursor, _numbered(cursor, f"{sql} {lock}", parameters) as (numbered, given):
        cursor.execute(
            f"INSERT INTO {delivery} (send_id, batch_id, subscriber_id) "  # noqa: S608 — table names are ours
            f"SELECT %s, batch.id, numbered.subscriber_id FROM ({numbered}) AS numbered "
            f"LEFT JOIN {batch} AS batch ON batch.send_id = %s AND batch.number = numbered.place / %s + %s",
            [send.pk, *given, send.pk, batch_size(send), first],
        )
        return int(cursor.rowcount)


@contextmanager
def _numbered(cursor: CursorWrapper, audience: str, parameters: Sequence[Any]) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield a query for the subscribers of `audience` in order, each with its `place` from 0 on.

    On SQLite they are written apart first, and the rows of a table made so have the numbers from 1 on (says its
    documentation of CREATE TABLE … AS): a window took a third of the time of planning.
    """
    if connection.vendor != "sqlite":
        place = "ROW_NUMBER() OVER (ORDER BY subscriber_id) - 1 AS place"
        yield f"SELECT subscriber_id, {place} FROM ({audience}) AS audience", parameters  # noqa: S608
        return
    ordered = f"SELECT subscriber_id FROM ({audience}) AS audience ORDER BY subscriber_id"  # noqa: S608
    cursor.execute(f"CREATE TEMPORARY TABLE mailer_audience AS {ordered}", parameters)
    yield "SELECT subscriber_id, rowid - 1 AS place FROM mailer_audience", ()
    cursor.execute("DROP TABLE mailer_audience")
