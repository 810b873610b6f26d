"""Who is to get a newsletter's welcome: a row for each subscriber who confirmed, written in the confirming transaction.

The row is the queue. Whoever plans the email deletes it in the transaction that writes the delivery, so nobody is
planned twice; whoever confirms while there is no welcome waits a week at most, and then gets none.
"""

import logging
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef

from subscribers import records
from subscribers.models import Consent, Subscriber, Suppression, WelcomeDue

log = logging.getLogger(__name__)

AGAIN_AFTER = timedelta(days=30)  # after leaving; who comes back sooner knows the newsletter
KEPT = timedelta(days=7)  # a later welcome would greet somebody who has long been reading

Step = Consent.Step


def make_due(subscriber: Subscriber, newsletter: str, suppression: Suppression | None, now: datetime) -> None:
    """Make the welcome due for somebody who is just confirming, unless they know the newsletter.

    In the caller's transaction, before it lifts the suppression of their address and records the step.
    """
    if not _knows_it(subscriber, newsletter, suppression, now):
        due = WelcomeDue(subscriber=subscriber, newsletter=newsletter, at=now)
        WelcomeDue.objects.bulk_create(
            [due], update_conflicts=True, unique_fields=["subscriber", "newsletter"], update_fields=["at"]
        )


def _knows_it(subscriber: Subscriber, newsletter: str, suppression: Suppression | None, now: datetime) -> bool:
    """Tell whether they left or were erased less than 30 days ago, or confirm anew after their address bounced.

    A step "imported" says too little: it may also be that of somebody who was only invited.
    """
    steps = subscriber.consents.filter(newsletter=newsletter).exclude(how=records.UNDO)
    last = dict(steps.order_by("at").values_list("step", "at"))
    bounced = suppression is not None and suppression.reason == Suppression.Reason.BOUNCE
    joined = max(filter(None, (last.get(Step.CONFIRMED), last.get(Step.IMPORTED) if bounced else None)), default=None)
    erased_at = suppression.erased_at if suppression else None
    gone = max(filter(None, (last.get(Step.UNSUBSCRIBED), erased_at)), default=None)
    if gone is not None and gone > now - AGAIN_AFTER:
        return True
    return joined is not None and (gone is None or gone < joined)


def rename(old: str, new: str) -> None:
    """Give what is due the newsletter's new label, in the caller's transaction."""
    both = WelcomeDue.objects.filter(newsletter=new).values("subscriber")
    WelcomeDue.objects.filter(newsletter=old, subscriber__in=both).delete()
    WelcomeDue.objects.filter(newsletter=old).update(newsletter=new)


def forget_old(now: datetime) -> None:
    """Delete what was due for more than a week, with subscribers whom an older version erased."""
    late, _ = WelcomeDue.objects.filter(at__lt=now - KEPT).delete()
    # Not NOT IN, which on PostgreSQL reads all subscribers once for each row.
    WelcomeDue.objects.filter(~Exists(Subscriber.objects.filter(pk=OuterRef("subscriber")))).delete()
    if late:
        log.warning("welcomes not sent within a week, dropped", extra={"subscribers": late})
