"""Apply earlier clicks: many subscribers leave in one transaction, each at the time of their click.

Locks as `optin` does: subscriptions, in the order of their ids.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from subscribers import clock, labels, optouts, records, undoing
from subscribers.journal import ALL, Leaving
from subscribers.models import Consent, Subscription
from subscribers.optouts import UNSUBSCRIBED, OptOut

SOURCE = "journal of leavings"  # as `Consent.source`
UNDONE = Q(how=records.UNDO)

Step, State = Consent.Step, Subscription.State
Left = tuple[Subscription, Leaving]


def leave_all(leavings: Collection[Leaving]) -> int:
    """Unsubscribe who clicked, at the time of their first valid click; return how many subscriptions ended.

    A click that is older than the newest confirmation of its subscription is void: its subscriber came back. So is one
    older than the newest leaving on record; an undo of that leaving does not void a later click. A subscriber erased
    meanwhile needs nothing, and a click applied before changes nothing.
    """
    now = clock.now()
    with transaction.atomic():
        behind = records.subscribers_behind({leaving.public_id for leaving in leavings})
        locked = records.find_all({subscriber for subscriber, _ in behind.values()})
        # Labels only now: a newsletter may be renamed while we wait for the locks.
        clicks = _Clicks(leavings, now)
        found = [one for one in locked if clicks.of(one)]
        undoing.end(one for one in found if one.state == State.UNSUBSCRIBED)
        left = _leaving([one for one in found if one.state != State.UNSUBSCRIBED], clicks)
        # A crash after the commit may have kept these from the log of opt-outs.
        again = _opt_outs_of([one for one in found if one.state == State.UNSUBSCRIBED])
        _unsubscribe(left)
        optouts.note([*again, *(_opt_out(one, click.at) for one, click in left)])
    return len(left)


class _Clicks:
    """What was clicked, by subscription."""

    def __init__(self, leavings: Collection[Leaving], now: datetime) -> None:
        self.now = now
        self._known: defaultdict[tuple[int, str], list[Leaving]] = defaultdict(list)
        behind = records.subscribers_behind({leaving.public_id for leaving in leavings})
        renamed = labels.renamed()
        for leaving in leavings:
            if leaving.public_id in behind:
                subscriber, held = behind[leaving.public_id]
                both = {leaving.newsletter, labels.as_of_now(leaving.newsletter, renamed)}
                for newsletter in {ended for label in both for ended in _ended(label, held)}:
                    self._known[subscriber, newsletter].append(replace(leaving, at=min(leaving.at, now)))

    def of(self, one: Subscription) -> list[Leaving]:
        subscriber = one.subscriber_id
        return self._known.get((subscriber, one.newsletter), []) + self._known.get((subscriber, ALL), [])


def _ended(newsletter: str, held: set[str] | None) -> Iterable[str]:
    """Return the newsletters that a click ends by the id in its link.

    `held`: what a former id may still unsubscribe from; None for a current id.
    """
    if held is None:
        return [newsletter]
    return held if newsletter == ALL else held & {newsletter}


def _leaving(subscriptions: list[Subscription], clicks: _Clicks) -> list[Left]:
    """Return the subscriptions that end, each with the click that ended it."""
    histories = _Histories(subscriptions)
    valid = [(one, [click for click in clicks.of(one) if histories.allow(one, click)]) for one in subscriptions]
    earliest = [(one, min(found, key=lambda click: click.at)) for one, found in valid if found]
    return [(one, histories.dated(one, click, clicks.now)) for one, click in earliest]


class _Histories:
    """When each subscription was last confirmed, ended and undone."""

    def __init__(self, subscriptions: list[Subscription]) -> None:
        self._confirmed = records.newest(subscriptions, ~UNDONE, step=Step.CONFIRMED)
        self._ended = records.newest(subscriptions, step=Step.UNSUBSCRIBED)
        self._undone = records.newest(subscriptions, UNDONE, step=Step.CONFIRMED)

    def allow(self, one: Subscription, click: Leaving) -> bool:
        confirmed, ended = self._confirmed.get(_key(one)), self._ended.get(_key(one))
        return (confirmed is None or click.at >= confirmed) and (ended is None or click.at > ended)

    def dated(self, one: Subscription, click: Leaving, now: datetime) -> Leaving:
        """Return the click as it is recorded.

        It is dated after an undo that it overrules, or the history would read as undone.
        """
        undone = self._undone.get(_key(one))
        return replace(click, at=now) if undone is not None and click.at <= undone else click


def _key(one: Subscription) -> tuple[int, str]:
    return one.subscriber_id, one.newsletter


def _unsubscribe(left: list[Left]) -> None:
    records.end_all((one.pk, click.at) for one, click in left)
    Consent.objects.bulk_create(
        Consent(
            subscriber_id=one.subscriber_id,
            newsletter=one.newsletter,
            step=Step.UNSUBSCRIBED,
            at=click.at,
            how=click.how,
            source=SOURCE,
        )
        for one, click in left
    )


def _opt_outs_of(subscriptions: list[Subscription]) -> list[OptOut]:
    ended = records.newest(subscriptions, step=Step.UNSUBSCRIBED)
    found = [(one, ended.get(_key(one))) for one in subscriptions]
    return [_opt_out(one, at) for one, at in found if at]


def _opt_out(one: Subscription, at: datetime) -> OptOut:
    return OptOut(one.subscriber.suppression_hash, one.newsletter, UNSUBSCRIBED, at)
