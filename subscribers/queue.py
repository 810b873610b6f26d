"""The queue of confirmation mails that forms cause, which anybody can fill in: so many go out in ten minutes, so many
wait, and each for a day at most. So nobody shuts the form for others, nor makes a bomb of it that goes off late.

Who solved a challenge goes before who did not, and quiet networks go before loud ones. When it is full, the last in
this order leave; of several alike the oldest, so that a flood pushes itself out.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from subscribers.limits import CONFIRMATION_PAUSE, DAY, Budget, room
from subscribers.models import Consent, MailRequest, Subscriber, Subscription

LENGTH = 2000
AT_ONCE = 50  # so many more wait before they are pushed out together: one transaction, not one a request


def waiting() -> QuerySet[MailRequest]:
    unsent = MailRequest.objects.filter(budget=Budget.TYPED, sent_at=None)
    return unsent.filter(subscription__confirmation_due__isnull=False)


def due(now: datetime, ours: QuerySet[Subscription]) -> list[int]:
    """Ids of those of our subscriptions whose turn it is, in their order."""
    rows = waiting().filter(at__gt=now - DAY, subscription__in=ours.filter(confirmation_due__lte=now))
    ids = rows.order_by("rank", "at", "pk").values_list("subscription", flat=True)
    return list(dict.fromkeys(ids[: max(0, room(now))]))


def place_of(subscription_id: int) -> MailRequest | None:
    """The request that this subscription's mail answers; None for one that no form or link of today asked for."""
    return MailRequest.objects.filter(subscription=subscription_id).order_by("-at", "-pk").first()


def has_turn(place: MailRequest, now: datetime, ours: QuerySet[Subscription]) -> bool:
    """Whether so few are before it that it may go out now."""
    if place.budget != Budget.TYPED or place.sent_at:
        return True
    before = Q(rank__lt=place.rank) | Q(rank=place.rank, at__lt=place.at)
    ahead = waiting().filter(before, at__gt=now - DAY, subscription__in=ours.filter(confirmation_due__lte=now))
    return ahead.count() < room(now)


def is_over(place: MailRequest, now: datetime) -> bool:
    return place.budget == Budget.TYPED and place.sent_at is None and place.at <= now - DAY


def push_out(now: datetime) -> None:
    """No more than LENGTH and a few wait. Call it outside of transactions: it locks rows of many people."""
    over = waiting().count() - LENGTH
    if over < AT_ONCE:
        return
    last = waiting().filter(_is_resting(now, "subscription__")).order_by("-rank", "at", "pk")[:over]
    rows = list(last.values_list("pk", "subscription", "subscription__subscriber"))
    with transaction.atomic():
        # Who is being changed by somebody else at this moment stays; the next request looks again.
        people = Subscriber.objects.select_for_update(no_key=True, skip_locked=True)
        free = set(people.filter(pk__in=[person for _, _, person in rows]).values_list("pk", flat=True))
        gone = [(row, subscription) for row, subscription, person in rows if person in free]
        MailRequest.objects.filter(pk__in=[row for row, _ in gone]).delete()
        _forget([subscription for _, subscription in gone], free, now)


def _is_resting(now: datetime, path: str = "") -> Q:
    """Of a subscription no mail is leaving at this moment."""
    tried_at = f"{path}confirmation_tried_at"
    return Q(**{tried_at: None}) | Q(**{f"{tried_at}__lte": now - CONFIRMATION_PAUSE})


def _forget(subscriptions: list[int], people: set[int], now: datetime) -> None:
    """Nothing is left of those that nothing else is known of, as after the thirty days of `purging`."""
    Subscription.objects.filter(_is_resting(now), pk__in=subscriptions).update(confirmation_due=None)
    known = Consent.objects.exclude(step=Consent.Step.REQUESTED)
    here = known.filter(subscriber=OuterRef("subscriber"), newsletter=OuterRef("newsletter"))
    pending = Subscription.objects.filter(pk__in=subscriptions, state=Subscription.State.PENDING)
    # Who was mailed before holds a link that still confirms.
    pending.filter(~Exists(here), confirmation_due=None, confirmation_tried_at=None).delete()
    anywhere = known.filter(subscriber=OuterRef("pk"))
    Subscriber.objects.filter(~Exists(anywhere), pk__in=people, subscriptions=None).delete()


def forget_old(now: datetime) -> None:
    """What waited for a day is not sent any more, and requests of that age count no more."""
    over = waiting().filter(at__lte=now - DAY).values("subscription")
    Subscription.objects.filter(_is_resting(now), pk__in=over).update(confirmation_due=None)
    MailRequest.objects.filter(at__lte=now - DAY).delete()


def bring_forward(now: datetime) -> None:
    """As if a clock that was ahead had been right."""
    late = waiting().filter(at__gt=now).values("subscription")
    Subscription.objects.filter(pk__in=late, confirmation_tries=0).update(confirmation_due=now)
    MailRequest.objects.filter(at__gt=now).update(at=now)
    MailRequest.objects.filter(sent_at__gt=now).update(sent_at=now)
