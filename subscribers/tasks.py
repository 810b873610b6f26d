"""Tasks for Celery's hints. Losing or duplicating a hint changes nothing: the row is the queue."""

import logging

from celery import shared_task

from subscribers.hints import CONFIRMATION, LETTER
from subscribers.mail import confirmations, link_mails
from subscribers.mail.claiming import MailFailed
from subscribers.mail.failures import NotSent

log = logging.getLogger(__name__)


@shared_task(name=CONFIRMATION, ignore_result=True)  # type: ignore[untyped-decorator]
def send_confirmation(subscription_id: int) -> None:
    try:
        confirmations.send(subscription_id)
    except MailFailed as failure:
        about = {"subscription": subscription_id, **_why(failure), "again": failure.retry}
        log.warning("confirmation failed", extra=about)


@shared_task(name=LETTER, ignore_result=True)  # type: ignore[untyped-decorator]
def send_letter(letter_id: int) -> None:
    try:
        link_mails.send(letter_id)
    except MailFailed as failure:
        log.warning("address-change email failed", extra={"letter": letter_id, **_why(failure)})


def _why(failure: MailFailed) -> dict[str, str]:
    """Return the kind of error, and why in words of ours: the provider's may quote an address."""
    error = failure.__cause__
    why = {"because": error.cause} if isinstance(error, NotSent) and error.cause else {}
    return {"error": type(error).__name__, **why}
