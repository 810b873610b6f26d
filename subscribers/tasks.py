"""Tasks for Celery's hints. Losing or duplicating a hint changes nothing: the row is the queue."""

import logging

from celery import shared_task

from subscribers.hints import CONFIRMATION, LETTER
from subscribers.mail import confirmations, link_mails
from subscribers.mail.claiming import MailFailed

log = logging.getLogger(__name__)


@shared_task(name=CONFIRMATION, ignore_result=True)  # type: ignore[untyped-decorator]
def send_confirmation(subscription_id: int) -> None:
    try:
        confirmations.send(subscription_id)
    except MailFailed as failure:
        # Only the kind of error: its message may hold the address.
        kind = type(failure.__cause__).__name__
        about = {"subscription": subscription_id, "error": kind, "again": failure.retry}
        log.warning("confirmation failed", extra=about)


@shared_task(name=LETTER, ignore_result=True)  # type: ignore[untyped-decorator]
def send_letter(letter_id: int) -> None:
    try:
        link_mails.send(letter_id)
    except MailFailed as failure:
        log.warning(
            "address-change email failed", extra={"letter": letter_id, "error": type(failure.__cause__).__name__}
        )
