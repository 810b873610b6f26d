"""Undo an unsubscribe: the subscriber takes it back in the response to the very click that unsubscribed.

An undo link names the one leaving that it undoes. `Subscription.undoable` holds that leaving as long as nothing else
happened, so the link works once and ends with any later step. Locks as `optin` does.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from subscribers import clock, notices, records
from subscribers.models import Consent, Subscriber, Subscription, Suppression
from subscribers.records import Origin

PAGE, PREFERENCES = "page", "preferences"
BY_A_PAGE = (PAGE, PREFERENCES)  # `Consent.how` of a leaving that can be undone
MOST, WITHIN = 2, timedelta(days=30)  # undos of one subscription: more would be two people fighting over one link

State = Subscription.State


@dataclass(frozen=True)
class Left:
    """A subscription that ended."""

    was: str  # its state before
    leaving: int | None = None  # what a link in this very answer may undo: the id of the Consent; None: nothing
    undone_often: bool = False  # that is why


def offered(subscription: Subscription, public_id: UUID, origin: Origin, leaving: int, now: datetime) -> Left:
    """Return what the answer to this leaving says; if it may offer an undo, make the subscription expect that.

    An id from before a move may only leave. In the transaction of the leaving.
    """
    was = str(subscription.state)
    own = subscription.subscriber.public_id == public_id
    if was != State.ACTIVE or origin.how not in BY_A_PAGE or not own:
        return Left(was)
    if done_often(subscription, now):
        return Left(was, undone_often=True)
    Subscription.objects.filter(pk=subscription.pk).update(undoable=leaving)
    return Left(was, leaving)


def undo(public_id: UUID, newsletter: str, leaving: str, origin: Origin) -> bool:
    """Reactivate the subscription. Return False if this leaving cannot, or can no longer, be undone.

    The caller has the link in the very answer that said they left; everybody else needs a fresh double opt-in. The
    subscriber is told by email: it may have been somebody with a forwarded email.
    """
    now = clock.now()
    with transaction.atomic():
        subscriber = Subscriber.objects.select_for_update(no_key=True).filter(public_id=public_id).first()
        subscription = records.find(public_id, newsletter)
        if subscriber is None or subscription is None or subscription.state == State.PENDING:
            return False
        if subscription.state == State.ACTIVE:
            return True
        nobody_may_mail = Suppression.objects.filter(hash=subscriber.suppression_hash).exists()
        if str(subscription.undoable) != leaving or nobody_may_mail or done_often(subscription, now):
            return False
        newsletter = subscription.newsletter
        # As if they had never left: what is being sent to those who subscribed before it also goes to them.
        since = records.subscribed_since(subscriber, newsletter) or now
        Subscription.objects.filter(pk=subscription.pk).update(state=State.ACTIVE, undoable=None, changed_at=since)
        records.record(subscriber, newsletter, Consent.Step.CONFIRMED, replace(origin, how=records.UNDO), now)
        notices.undone(subscriber, newsletter, now)
    return True


def done_often(subscription: Subscription, now: datetime) -> bool:
    """Tell whether this subscription used up its undos of late."""
    return records.undos(subscription.subscriber, subscription.newsletter, now - WITHIN) >= MOST


def end(subscriptions: Iterable[Subscription]) -> None:
    """Let no link undo how these locked subscriptions ended."""
    if undoable := [one.pk for one in subscriptions if one.undoable is not None]:
        Subscription.objects.filter(pk__in=undoable).update(undoable=None)
