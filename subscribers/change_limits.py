"""Limit how much signed links may change of one subscriber in an hour: anybody with a link can script its buttons.

Unsubscribing is never counted and never refused.
"""

from uuid import UUID

from django.db.models import F, Q

from subscribers import clock
from subscribers.limits import HOUR
from subscribers.models import Subscriber

CHANGES_AN_HOUR = 30
COPY = 10  # changes that one copy of everything counts as: it costs as much as the history is long


class ChangedEnough(Exception):
    """This subscriber's links changed enough within the hour. Nothing was changed."""


def spend(public_id: UUID, changes: int = 1) -> None:
    """Spend this many changes of the subscriber's hour. Raises ChangedEnough.

    The hour is fixed: it begins with its first change, and refused changes do not prolong it.
    """
    now = clock.now()
    subscriber = Subscriber.objects.filter(public_id=public_id)
    over = subscriber.filter(Q(changes_since=None) | Q(changes_since__lte=now - HOUR))
    if over.update(changes_since=now, changes=changes):
        return
    if not subscriber.filter(changes__lte=CHANGES_AN_HOUR - changes).update(changes=F("changes") + changes):
        raise ChangedEnough
