"""Email the address in `notify` when a send that nobody watches ends, stops, or has unknown requests left."""

import logging
from datetime import timedelta

from django.core.mail import EmailMessage
from django.db.models import Q, QuerySet

from mailer.models import Attempt, Batch, Send
from mailer.publishing.reporting import in_words
from mailer.sending.domains import refusals_of
from mailer.store import accounts, clock
from subscribers.mail.failures import NotSent

log = logging.getLogger(__name__)

IN_DOUBT = timedelta(hours=1)
PAUSED, FINISHED, UNKNOWN, REFUSED = "paused", "finished", "unknown", "refused"
# Receivers refuse the sender or the content. A few do in nearly every send; this many are news.
REFUSALS, REFUSED_SHARE = 5, 0.01
LATE = timedelta(days=3)  # after its end; a provider tries for as long, and what comes then is news too


def unnotified() -> list[int]:
    """Return the ids of sends with news that was not mailed yet."""
    return [send.pk for send in _unwatched() if _news(send)]


def notify_editor(send_id: int) -> None:
    """Email what is new about this send, once. What could not be emailed stays news."""
    send = _unwatched().filter(pk=send_id).first()
    news = _news(send) if send else ""
    if send is None or not news:
        return
    before, refused = send.notified, _is_refused(send)
    # Marked first: two workers at once, or a lost answer, must not cause two emails.
    told = dict.fromkeys([*before.split(), news, *([REFUSED] if refused else [])])  # each email says that too
    if not Send.objects.filter(pk=send_id, notified=before).update(notified=" ".join(told)):
        return
    try:
        _mail(send, news).send()
    except NotSent as error:
        log.warning("notice not sent", extra={"send": send_id, "again": error.retry})
        if error.retry:
            Send.objects.filter(pk=send_id).update(notified=before)


def _unwatched() -> QuerySet[Send]:
    late = Q(finished_at__gt=clock.now() - LATE) & ~Q(notified__contains=REFUSED)
    news_may_come = accounts.own_sends().exclude(notify="").filter(~Q(notified__contains=FINISHED) | late)
    return news_may_come.defer("html", "text", "article")


def _news(send: Send) -> str:
    """Return the one thing to report now; empty if there is none, or it was reported before."""
    told = send.notified.split()
    if send.is_held:
        return PAUSED if PAUSED not in told else ""
    if Batch.objects.filter(send=send, state=Batch.State.UNKNOWN).exists():
        if UNKNOWN not in told and _long_in_doubt(send):
            return UNKNOWN
    elif send.state == Send.State.FINISHED and FINISHED not in told:
        return FINISHED
    return REFUSED if REFUSED not in told and _is_refused(send) else ""


def _is_refused(send: Send) -> bool:
    subscribers = sum(one.subscribers for one in refusals_of(send.pk))
    return subscribers >= REFUSALS or subscribers > send.planned * REFUSED_SHARE


def _long_in_doubt(send: Send) -> bool:
    doubtful = Attempt.objects.filter(batch__send=send, batch__state=Batch.State.UNKNOWN, state=Attempt.State.UNKNOWN)
    return doubtful.filter(ended_at__lt=clock.now() - IN_DOUBT).exists()


def _mail(send: Send, news: str) -> EmailMessage:
    headline = {
        PAUSED: f"{send.slug} is paused",
        FINISHED: f"{send.slug} is sent",
        UNKNOWN: f"{send.slug}: the outcome of some requests is unknown",
        REFUSED: f"{send.slug}: receivers are rejecting your emails",
    }[news]
    return EmailMessage(
        subject=f"[mailer] {headline}",
        body="\n\n".join(in_words(send)) + "\n",
        from_email=send.from_email,
        to=[send.notify],
        headers={"Auto-Submitted": "auto-generated"},
    )
