"""Decide unknown batches: by evidence that they never arrived, by a second email, or by the editor's word."""

import logging
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from mailer.models import Batch, Send
from mailer.sending import evidence, hints
from mailer.sending.evidence import SHORT, Doubt, doubt_about
from mailer.sending.outcomes import accept_by, place_of, plan_unknown_again
from mailer.store import accounts

log = logging.getLogger(__name__)


class MayGetItTwice(Exception):
    """This many subscribers may get it twice, which differs from the number that was accepted."""

    def __init__(self, subscribers: int) -> None:
        super().__init__(subscribers)
        self.subscribers = subscribers


@dataclass(frozen=True)
class Unknown:
    """A batch whose outcome is not known, and why silence does not show that it never arrived, if so."""

    send: int
    batch: int
    attempt: UUID
    subscribers: int
    doubt: Doubt | None

    @property
    def may_get_it_twice(self) -> int:
        return self.subscribers if self.doubt else 0


def unknown_of(send: int) -> list[Unknown]:
    """Return what is unknown of a send, judged as for a person who decides."""
    return _judge(Batch.objects.filter(send=send), SHORT)


def doubts_of(send: Send) -> dict[Doubt | None, int]:
    """Return why unknown batches of a send stay so, with their subscribers; None if evidence is complete.

    Judged as its policy does: with `resend` a worker acts alone, and waits for longer than a person has to.
    """
    alone = send.on_unknown == Send.OnUnknown.RESEND
    counts: dict[Doubt | None, int] = {}
    for one in _judge(Batch.objects.filter(send=send.pk), 1 if alone else SHORT):
        counts[one.doubt] = counts.get(one.doubt, 0) + one.subscribers
    return counts


def resend_unknown(send: int, accept_duplicates: int = 0) -> int:
    """Plan every unknown batch once more; return how many.

    `accept_duplicates` is how many subscribers may get it twice, as somebody typed it: a number, not a yes, so that
    nobody accepts more than they saw. Raises MayGetItTwice if it is another. The one way out of `finished`, and of
    `cancelled` for these batches alone.
    """
    unknown = unknown_of(send)
    subscribers = sum(one.may_get_it_twice for one in unknown)
    if subscribers != accept_duplicates:
        raise MayGetItTwice(subscribers)
    return len(_plan_again(unknown, (Send.State.FINISHED, Send.State.CANCELLED)))


def assume_sent(send: int) -> int:
    """Count every unknown batch as accepted, on the editor's word; return how many."""
    attempts = list(_unknown(Batch.objects.filter(send=send)).values_list("current_attempt", flat=True))
    return sum(accept_by(attempt, Batch.SettledBy.EDITOR) for attempt in attempts if attempt)


def resend_what_never_arrived() -> int:
    """Plan unknown batches of sends with the policy `resend` once more if evidence shows that nobody has them.

    Return how many. The sweep asks; a send with the policy `hold` waits for its editor.
    """
    policy = Batch.objects.filter(send__in=accounts.own_sends().filter(on_unknown=Send.OnUnknown.RESEND))
    again = _plan_again(one for one in _judge(policy, 1) if one.doubt is None)
    for batch in again:
        log.warning("batch resent, no event arrived", extra=place_of(batch))
    return len(again)


def _judge(batches: QuerySet[Batch], share: float) -> list[Unknown]:
    wait = evidence.full_wait() * share
    return [
        Unknown(batch.send_id, batch.pk, batch.current_attempt, _subscribers(batch), doubt_about(batch, wait))
        for batch in _unknown(batches).order_by("send", "number")
        if batch.current_attempt
    ]


def _subscribers(batch: Batch) -> int:
    return batch.size - batch.skipped - batch.rejected


def _unknown(batches: QuerySet[Batch]) -> QuerySet[Batch]:
    sends = ("send__html", "send__text", "send__article", "send__headers", "send__placeholders")
    return batches.filter(state=Batch.State.UNKNOWN).select_related("send").defer(*sends)


def _plan_again(unknown: Iterable[Unknown], out_of: Collection[Send.State] = (Send.State.FINISHED,)) -> list[int]:
    """Plan those that are still as they were judged; return the batches, of which a worker was told."""
    again = [one for one in unknown if plan_unknown_again(one.batch, one.attempt, out_of)]
    for send, batches in Counter(one.send for one in again).items():
        hints.enqueue(send, batches)
    return [one.batch for one in again]
