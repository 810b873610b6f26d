"""Send the email that asks a subscriber to confirm. The row is the queue: what is due stands in `confirmation_due`."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import chain

from django.conf import settings
from django.db.models import F, Max, QuerySet

from subscribers import clock, languages, queue, signed_links
from subscribers.installations import may_mail, newsletters_here
from subscribers.limits import CONFIRMATION_PAUSE
from subscribers.mail import claiming
from subscribers.mail.composing import SubscriberMail, compose
from subscribers.mail.failures import backs_off
from subscribers.models import MailRequest, Subscription, Suppression
from subscribers.optin import may_get_single_mails

NEXT_TRY = (*claiming.NEXT_TRY, timedelta(hours=6))


def due(now: datetime) -> Iterable[int]:
    """Return ids of subscriptions whose confirmation email this process should send by `now`.

    First those in the queue of what was typed into forms, as many as its rate allows; then the others, longest waiting
    first.
    """
    if not may_mail():
        return []
    ours = _awaited_here()
    others = ours.filter(confirmation_due__lte=now).exclude(pk__in=queue.waiting().values("subscription"))
    rest = others.order_by("confirmation_due").values_list("pk", flat=True)
    return chain(queue.due(now, ours), rest.iterator())


def _awaited_here() -> QuerySet[Subscription]:
    """Return the subscriptions of this process's newsletters that wait for a confirmation.

    Only such a one has an email due, as a constraint says. SQLite does not conclude it, and without being told read
    everybody who confirmed, at each sweep: 0.3 s of CPU a second with a million of them.
    """
    return Subscription.objects.filter(newsletters_here(), state=Subscription.State.PENDING)


def bring_forward(now: datetime) -> None:
    """Repair due times that a clock running ahead had put off. See mailer.sending.clocks."""
    Subscription.objects.filter(confirmation_tried_at__gt=now).update(confirmation_tried_at=now)
    queue.bring_forward(now)
    late = Subscription.objects.filter(confirmation_due__gt=now)
    # Not invitations, which are spread over hours: they are due far in the future and were never tried.
    late.filter(confirmation_tries=0, confirmation_due=F("changed_at")).update(confirmation_due=now)
    tried = late.filter(confirmation_tries__gt=0, confirmation_due__gt=now + NEXT_TRY[-1])
    tried.update(confirmation_due=now + CONFIRMATION_PAUSE)


def send(subscription_id: int) -> bool:
    """Send the confirmation email if it is due, as `claiming.send_claimed` says."""
    return claiming.send_claimed(_claimed(subscription_id), _message, _end)


def _end(subscription: Subscription) -> None:
    """Make the email due no longer, unless the subscriber asked again meanwhile."""
    lease = subscription.confirmation_due
    Subscription.objects.filter(pk=subscription.pk, confirmation_due=lease).update(confirmation_due=None)


def _claimed(subscription_id: int) -> Subscription | None:
    """Claim the confirmation and return its subscription. The new due time is when a failed try is repeated."""
    now = clock.now()
    ours = Subscription.objects.filter(newsletters_here(), pk=subscription_id, confirmation_due__lte=now)
    subscription = ours.select_related("subscriber").first()
    if subscription is None or not may_mail() or backs_off():
        return None
    tries, place = subscription.confirmation_tries, queue.place_of(subscription_id)
    over = place is not None and queue.is_over(place, now)
    if over or tries >= len(NEXT_TRY) or not may_get_single_mails(subscription.subscriber.suppression_hash, now):
        ours.filter(confirmation_tries=tries).update(confirmation_due=None)
        return None
    if place and not queue.has_turn(place, now, _awaited_here()):
        return None
    email_key = subscription.subscriber.email_key
    if rests := _rests_until(subscription, place, now) or (place and queue.domain_rests_until(place, email_key, now)):
        ours.filter(confirmation_tries=tries).update(confirmation_due=rests)
        return None
    subscription.confirmation_due = lease = now + NEXT_TRY[tries]
    claimed = ours.filter(confirmation_tries=tries).update(
        confirmation_due=lease, confirmation_tries=F("confirmation_tries") + 1, confirmation_tried_at=now
    )
    if claimed and place:
        MailRequest.objects.filter(pk=place.pk).update(sent_at=now)
    return subscription if claimed else None


def _rests_until(subscription: Subscription, place: MailRequest | None, now: datetime) -> datetime | None:
    """Return until when the mailbox gets no further one: a retry, maybe of another request, may just have gone out."""
    tried = []
    signed = place is not None and place.budget == MailRequest.Budget.SIGNED
    if place:
        mailbox = MailRequest.objects.filter(mailbox=place.mailbox, budget=place.budget)
        others = mailbox if signed else mailbox.exclude(subscription=subscription)
        tried.append(others.aggregate(at=Max("sent_at"))["at"])
    if not signed:  # what strangers typed delays nothing that was asked for by a signed link
        wishes = Subscription.objects.filter(subscriber=subscription.subscriber)
        tried.append(wishes.aggregate(at=Max("confirmation_tried_at"))["at"])
    until = max((at + CONFIRMATION_PAUSE for at in tried if at), default=now)
    return until if until > now else None


def _message(subscription: Subscription) -> SubscriberMail:
    """Compose the email without anything that was typed into the form: it goes to people who may never have asked."""
    newsletter = settings.NEWSLETTERS[subscription.newsletter]
    subscriber = subscription.subscriber
    context = {
        "confirm_url": signed_links.confirm_url(subscriber.public_id, subscription.newsletter),
    }
    language = languages.chosen(subscriber.language, newsletter.language)
    message = compose("confirmation", subscription.newsletter, language, subscriber.email, context)
    # More than 7 days after a bounce, the mailbox may exist again; the provider's own list would drop this email.
    suppressed = Suppression.objects.filter(hash=subscriber.suppression_hash, reason=Suppression.Reason.BOUNCE)
    message.bounced_before = suppressed.exists()
    return message
