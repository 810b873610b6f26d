"""Clicks of a while ago: many subscribers leave in one transaction, each at the time of their click.

Locks as `optin` does: subscriptions, in the order of their ids.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db import transaction

from subscribers import clock, optouts, records
from subscribers.journal import ALL, Leaving
from subscribers.models import Consent, Subscription
from subscribers.optouts import UNSUBSCRIBED, OptOut

SOURCE = "journal of leavings"  # as `Consent.source`

Step, State = Consent.Step, Subscription.State
Left = tuple[Subscription, Leaving]


def leave_all(leavings: Collection[Leaving]) -> int:
    """Unsubscribe who clicked, at the time of their first click that counts; return how many subscriptions ended.

    A click that is older than the newest confirmation, or undo, of its subscription is void: its reader came back.
    Who was erased meanwhile needs nothing, and what was applied before changes nothing.
    """
    clicks = _Clicks(leavings, clock.now())
    with transaction.atomic():
        found = [one for one in records.find_all({leaving.public_id for leaving in leavings}) if clicks.of(one)]
        left = _leaving([one for one in found if one.state != State.UNSUBSCRIBED], clicks)
        # A crash after the commit may have kept these from the log of opt-outs.
        again = _opt_outs_of([one for one in found if one.state == State.UNSUBSCRIBED])
        _unsubscribe(left)
        optouts.note([*again, *(_opt_out(one, click.at) for one, click in left)])
    return len(left)


class _Clicks:
    """What was clicked, by subscription."""

    def __init__(self, leavings: Collection[Leaving], now: datetime) -> None:
        self._known: defaultdict[tuple[UUID, str], list[Leaving]] = defaultdict(list)
        for leaving in leavings:
            self._known[leaving.public_id, leaving.newsletter].append(replace(leaving, at=min(leaving.at, now)))

    def of(self, one: Subscription) -> list[Leaving]:
        reader = one.subscriber.public_id
        return self._known.get((reader, one.newsletter), []) + self._known.get((reader, ALL), [])


def _leaving(subscriptions: list[Subscription], clicks: _Clicks) -> list[Left]:
    """Return those that end, each with the click that ended it."""
    confirmed = records.newest(Step.CONFIRMED, subscriptions)
    left = []
    for one in subscriptions:
        since = confirmed.get((one.subscriber_id, one.newsletter))
        if valid := [click for click in clicks.of(one) if since is None or click.at >= since]:
            left.append((one, min(valid, key=lambda click: click.at)))
    return left


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
    ended = records.newest(Step.UNSUBSCRIBED, subscriptions)
    found = [(one, ended.get((one.subscriber_id, one.newsletter))) for one in subscriptions]
    return [_opt_out(one, at) for one, at in found if at]


def _opt_out(one: Subscription, at: datetime) -> OptOut:
    return OptOut(one.subscriber.suppression_hash, one.newsletter, UNSUBSCRIBED, at)
