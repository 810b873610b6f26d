"""Who would get an issue now, compared with the issue that the newsletter's subscribers got last."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, QuerySet

from mailer.models import REHEARSAL, Delivery, Send
from subscribers.models import Subscription, Suppression

WHY_SUPPRESSED = {
    Suppression.Reason.BOUNCE: "bounced",
    Suppression.Reason.COMPLAINT: "complained",
    Suppression.Reason.ERASED: "erased",
    Suppression.Reason.MANUAL: "suppressed by hand",
}


@dataclass(frozen=True)
class Loss:
    """Subscribers who cannot get the next issue, for one reason."""

    why: str  # "unsubscribed": continues a number
    subscribers: int


def sent_before(newsletter: str, slug: str) -> QuerySet[Send]:
    """Return the newsletter's real sends of other issues than `slug` of which a request was made, newest first."""
    sends = Send.objects.issues().filter(newsletter=newsletter, first_request_at__isnull=False)
    return sends.defer("html", "text", "article").exclude(provider=REHEARSAL).exclude(slug=slug).order_by("-created_at")


def losses_since(send: Send) -> list[Loss]:
    """Return who left the newsletter since the send was planned, by reason, most first.

    Counted from the changes, never from the send's deliveries: there may be a million.
    """
    return sorted(_losses(send), key=lambda loss: -loss.subscribers)


def _losses(send: Send) -> Iterator[Loss]:
    of_newsletter = Subscription.objects.filter(newsletter=send.newsletter)
    left = of_newsletter.filter(state=Subscription.State.UNSUBSCRIBED, changed_at__gte=send.created_at)
    if number := left.count():
        yield Loss("unsubscribed", number)
    # An erased subscriber's deliveries stay, without a name.
    if number := Delivery.objects.filter(send=send, subscriber=None).count():
        yield Loss(WHY_SUPPRESSED[Suppression.Reason.ERASED], number)
    theirs = of_newsletter.filter(state=Subscription.State.ACTIVE, subscriber__suppression_hash=OuterRef("hash"))
    suppressed = Suppression.objects.filter(Exists(theirs), at__gte=send.created_at)
    for reason, number in suppressed.values_list("reason").annotate(Count("hash")):
        yield Loss(WHY_SUPPRESSED[Suppression.Reason(reason)], number)


def waiting_to_confirm(newsletter: str) -> int:
    """Return how many subscribers of the newsletter would get its issues if they confirmed."""
    return Subscription.objects.filter(newsletter=newsletter, state=Subscription.State.PENDING).count()
