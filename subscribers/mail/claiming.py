"""How a single email goes out. Its row is the queue: a worker claims it, hands the email over, and ends the row.

A claim moves the due time to that of the next try, so a worker that dies in between delays the email and loses nothing.
One that is killed after the provider took the email, and before that was recorded, sends it again ten minutes later:
these are emails that a subscriber asked for or is told something by, and a second one is better than none.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TypeVar

from django.core.mail import EmailMessage
from django.db.models import F

from subscribers import clock, signed_links
from subscribers.installations import may_mail, newsletters_here
from subscribers.mail.failures import backs_off, hand_over, may_be_retried
from subscribers.models import Letter, Notice, Subscription
from subscribers.optin import may_get_single_mails

# By the number of tries before. Never under 10 minutes: a try that failed for us may still have arrived.
NEXT_TRY = (timedelta(minutes=10), timedelta(hours=1))
KEPT = timedelta(days=2)  # limits look one day back, and a link to confirm an address is good for one

Row = TypeVar("Row", Subscription, Letter, Notice)
Mail = TypeVar("Mail", Letter, Notice)


class MailFailed(Exception):
    """The email could not be handed over; the cause says why. With `retry` it stays due and is tried again later."""

    def __init__(self, message: str, *, retry: bool) -> None:
        super().__init__(message)
        self.retry = retry


def send_claimed(row: Row | None, message: Callable[[Row], EmailMessage], end: Callable[[Row], None]) -> bool:
    """Hand the email of a claimed row to the provider, and end the row unless it may be retried.

    Return False if nothing was claimed. Call outside of transactions: the claim must be committed before the email
    leaves. Raises MailFailed.
    """
    if row is None:
        return False
    try:
        hand_over(message(row))
    except Exception as error:
        retry = may_be_retried(error)
        if not retry:
            end(row)
        raise MailFailed(f"{row._meta.model_name} {row.pk}: {type(error).__name__}", retry=retry) from error
    end(row)
    return True


def due(kind: type[Mail], now: datetime) -> Iterable[int]:
    """Return ids of the rows whose email this process should send by `now`, longest waiting first."""
    if not may_mail():
        return []
    waiting = kind.objects.filter(newsletters_here(), due__lte=now).order_by("due")
    return waiting.values_list("pk", flat=True).iterator()


def bring_forward(kind: type[Mail], now: datetime) -> None:
    """Repair due times that a clock running ahead had put off. See mailer.sending.clocks."""
    kind.objects.filter(due__gt=now + NEXT_TRY[-1]).update(due=now + NEXT_TRY[0])


def claimed(kind: type[Mail], pk: int, may_go: Callable[[Mail, datetime], bool]) -> Mail | None:
    """Claim the row and return it, or None if it is not due, another worker holds it or it may not go."""
    now = clock.now()
    ours = kind.objects.filter(newsletters_here(), pk=pk, due__lte=now)
    row = ours.select_related("subscriber").first()
    if row is None or not may_mail() or backs_off() or not may_go(row, now):
        return None
    lease = now + NEXT_TRY[row.tries]
    return row if ours.filter(tries=row.tries).update(due=lease, tries=F("tries") + 1) else None


def may_be_tried(row: Letter | Notice, now: datetime) -> bool:
    """Tell whether the email has a try left and its address gets single emails."""
    return row.tries < len(NEXT_TRY) and may_get_single_mails(signed_links.suppression_hash(row.email_key), now)
