"""A mail to whoever `notify` names, when a send that nobody watches ends, stops, or stays in doubt."""

import logging
from datetime import timedelta

from django.core.mail import EmailMessage
from django.db.models import QuerySet

from mailer import accounts, clock
from mailer.models import Attempt, Batch, Send
from mailer.reporting import in_words
from mailer.sendgrid.backend import NotSent

log = logging.getLogger(__name__)

IN_DOUBT = timedelta(hours=1)
PAUSED, FINISHED, UNKNOWN = "paused", "finished", "unknown"


def untold() -> list[int]:
    """Ids of the sends of which there is news that was not mailed yet."""
    return [send.pk for send in _unwatched() if _news(send)]


def tell(send_id: int) -> None:
    """What is new of this send was mailed, once. What could not be sent is news still."""
    send = _unwatched().filter(pk=send_id).first()
    news = _news(send) if send else ""
    if send is None or not news:
        return
    before = send.notified
    # Marked first: two workers at once, or a lost answer, must not make two mails.
    if not Send.objects.filter(pk=send_id, notified=before).update(notified=f"{before} {news}".strip()):
        return
    try:
        _mail(send, news).send()
    except NotSent as error:
        log.warning("notice not sent", extra={"send": send_id, "again": error.retry})
        if error.retry:
            Send.objects.filter(pk=send_id).update(notified=before)


def _unwatched() -> QuerySet[Send]:
    told_all = accounts.own_sends().exclude(notify="").exclude(notified__contains=FINISHED)
    return told_all.defer("html", "text", "article")


def _news(send: Send) -> str:
    """The one thing to tell now; empty: nothing, or it was told before."""
    told = send.notified.split()
    if send.state == Send.State.PAUSED and send.reason:
        return PAUSED if PAUSED not in told else ""
    if Batch.objects.filter(send=send, state=Batch.State.UNKNOWN).exists():
        return UNKNOWN if UNKNOWN not in told and _long_in_doubt(send) else ""
    return FINISHED if send.state == Send.State.FINISHED else ""


def _long_in_doubt(send: Send) -> bool:
    doubtful = Attempt.objects.filter(batch__send=send, batch__state=Batch.State.UNKNOWN, state=Attempt.State.UNKNOWN)
    return doubtful.filter(ended_at__lt=clock.now() - IN_DOUBT).exists()


def _mail(send: Send, news: str) -> EmailMessage:
    headline = {
        PAUSED: f"{send.slug} is paused",
        FINISHED: f"{send.slug} is sent",
        UNKNOWN: f"{send.slug}: some requests stay unknown",
    }[news]
    return EmailMessage(
        subject=f"[mailer] {headline}",
        body="\n\n".join(in_words(send)) + "\n",
        from_email=send.from_email,
        to=[send.notify],
        headers={"Auto-Submitted": "auto-generated"},
    )
