"""The queue of confirmation emails that forms cause, which anybody can fill in.

It limits how many go out in ten minutes, how many wait, and for how long (a day): nobody can close the form to others,
nor store up a bomb that goes off late. Solved challenges go before unsolved ones, and quiet networks before loud ones.
When it is full, the last in this order leave; of equals the oldest, so that a flood pushes itself out.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from subscribers import mailboxes
from subscribers.limits import CONFIRMATION_PAUSE, DAY, PERIOD, Budget, is_loud, room
from subscribers.models import Consent, MailRequest, Subscriber, Subscription

LENGTH = 2000
A_DOMAIN = 20  # unconfirmed emails within PERIOD that loud networks cause
AT_ONCE = 50  # this many more wait before they are pushed out together: one transaction, not one per request


def waiting() -> QuerySet[MailRequest]:
    unsent = MailRequest.objects.filter(budget=Budget.TYPED, sent_at=None)
    return unsent.filter(subscription__confirmation_due__isnull=False)


def due(now: datetime, ours: QuerySet[Subscription]) -> list[int]:
    """Return ids of those of our subscriptions whose turn it is, in their order."""
    rows = waiting().filter(at__gt=now - DAY, subscription__in=ours.filter(confirmation_due__lte=now))
    ids = rows.order_by("rank", "at", "pk").values_list("subscription", flat=True)
    return list(dict.fromkeys(ids[: max(0, room(now))]))


def place_of(subscription_id: int) -> MailRequest | None:
    """Return the request that this subscription's email answers; None if no form or link of today asked for it."""
    return MailRequest.objects.filter(subscription=subscription_id).order_by("-at", "-pk").first()


def has_turn(place: MailRequest, now: datetime, ours: QuerySet[Subscription]) -> bool:
    """Tell whether so few are before it that it may go out now."""
    if place.budget != Budget.TYPED or place.sent_at:
        return True
    before = Q(rank__lt=place.rank) | Q(rank=place.rank, at__lt=place.at)
    ahead = waiting().filter(before, at__gt=now - DAY, subscription__in=ours.filter(confirmation_due__lte=now))
    return ahead.count() < room(now)


def domain_rests_until(place: MailRequest, email_key: str, now: datetime) -> datetime | None:
    """Return until when the domain of an address gets no email that a loud network asks for; None if it may go now.

    Whoever owns a domain may read all its addresses, so the limits of a mailbox do not protect them. Only requests of
    loud networks count and wait: nobody can hold up the visitors of quiet ones. Who confirmed is no victim.
    """
    domain = email_key.rpartition("@")[2]
    if place.budget != Budget.TYPED or place.sent_at or not is_loud(place.rank) or mailboxes.is_shared(domain):
        return None
    sent = MailRequest.objects.filter(budget=Budget.TYPED, sent_at__gt=now - PERIOD)
    unconfirmed = sent.filter(
        subscription__state=Subscription.State.PENDING, subscription__subscriber__email_key__endswith=f"@{domain}"
    )
    rows = unconfirmed.order_by("-sent_at").values_list("sent_at", "rank")
    loud = [at for at, rank in rows if at and is_loud(rank)]
    return loud[A_DOMAIN - 1] + PERIOD if len(loud) >= A_DOMAIN else None


def is_over(place: MailRequest, now: datetime) -> bool:
    return place.budget == Budget.TYPED and place.sent_at is None and place.at <= now - DAY


def push_out(now: datetime) -> None:
    """Drop all but LENGTH and a few from the queue. Call it outside of transactions: it locks many people's rows."""
    over = waiting().count() - LENGTH
    if over < AT_ONCE:
        return
    last = waiting().filter(_is_resting(now, "subscription__")).order_by("-rank", "at", "pk")[:over]
    rows = list(last.values_list("pk", "subscription", "subscription__subscriber"))
    with transaction.atomic():
        # A row that another transaction is changing now stays; the next request looks again.
        people = Subscriber.objects.select_for_update(no_key=True, skip_locked=True)
        free = set(people.filter(pk__in=[person for _, _, person in rows]).values_list("pk", flat=True))
        gone = [(row, subscription) for row, subscription, person in rows if person in free]
        MailRequest.objects.filter(pk__in=[row for row, _ in gone]).delete()
        _forget([subscription for _, subscription in gone], free, now)


def _is_resting(now: datetime, path: str = "") -> Q:
    """Match requests of subscriptions whose email is not being sent at this moment."""
    tried_at = f"{path}confirmation_tried_at"
    return Q(**{tried_at: None}) | Q(**{f"{tried_at}__lte": now - CONFIRMATION_PAUSE})


def _forget(subscriptions: list[int], people: set[int], now: datetime) -> None:
    """Delete subscribers of whom nothing else is known, as `purging` does after thirty days."""
    Subscription.objects.filter(_is_resting(now), pk__in=subscriptions).update(confirmation_due=None)
    known = Consent.objects.exclude(step=Consent.Step.REQUESTED)
    here = known.filter(subscriber=OuterRef("subscriber"), newsletter=OuterRef("newsletter"))
    pending = Subscription.objects.filter(pk__in=subscriptions, state=Subscription.State.PENDING)
    # Somebody mailed before holds a link that still confirms.
    pending.filter(~Exists(here), confirmation_due=None, confirmation_tried_at=None).delete()
    anywhere = known.filter(subscriber=OuterRef("pk"))
    Subscriber.objects.filter(~Exists(anywhere), pk__in=people, subscriptions=None).delete()


def forget_old(now: datetime) -> None:
    """Drop what waited for a day, and requests of that age: they no longer count."""
    over = waiting().filter(at__lte=now - DAY).values("subscription")
    Subscription.objects.filter(_is_resting(now), pk__in=over).update(confirmation_due=None)
    MailRequest.objects.filter(at__lte=now - DAY).delete()


def bring_forward(now: datetime) -> None:
    """Repair times that a clock running ahead had written."""
    late = waiting().filter(at__gt=now).values("subscription")
    Subscription.objects.filter(pk__in=late, confirmation_tries=0).update(confirmation_due=now)
    MailRequest.objects.filter(at__gt=now).update(at=now)
    MailRequest.objects.filter(sent_at__gt=now).update(sent_at=now)
