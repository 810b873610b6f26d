"""What a subscriber's mailbox holds, and what pressing its links posts."""

from django.core import mail

from subscribers.mail import link_mails, notice_mails
from subscribers.models import Letter, Notice, Subscriber
from tests import readers

NEW = "ada@new.example"
BUTTON = {"from": "page"}
ONE_CLICK = ("List-Unsubscribe=One-Click", "text/plain")


def two_newsletters() -> Subscriber:
    """Create Ada, who gets two newsletters."""
    readers.confirmed("jianbao", readers.ADA)
    return readers.confirmed()


def mailed(purpose: str) -> list[mail.EmailMessage]:
    """Send what is waiting for this purpose or of this kind; return the emails that went out."""
    before = len(mail.outbox)
    for letter in Letter.objects.filter(purpose=purpose).exclude(due=None):
        link_mails.send(letter.pk)
    for notice in Notice.objects.filter(kind=purpose).exclude(due=None):
        notice_mails.send(notice.pk)
    return mail.outbox[before:]
