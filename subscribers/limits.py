"""How many mails may be asked for: of one mailbox, and from one network. Counted in MailRequest, by its indexes, so
that it holds for all processes and machines together. Nothing here ever limits leaving.

What strangers typed and what a subscriber asked for by a signed link are counted apart: nobody uses up what is theirs.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from django.db import IntegrityError, connection, transaction
from django.dispatch import Signal

from subscribers import links, mailboxes
from subscribers.models import Consent, MailRequest

Budget = MailRequest.Budget

# One mailbox gets at most this many mails with a link, to confirm or from a page, of each budget.
LINKS_A_DAY = 3
CONFIRMATION_PAUSE = timedelta(minutes=10)
# A conference in one room may subscribe; a script may not.
MAILS_A_NETWORK_HOUR = 60
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

limited = Signal()  # with `reason`; whoever keeps statistics listens

NO_MAIL = ", no mail"  # ends `Consent.how` of a request that was not answered by mail


class TooManyRequests(Exception):
    """This network asked for too many mails within the hour. Nothing was changed."""


class TokenSpent(Exception):
    """The form led to a mail to somebody else before. Nothing was changed."""


@dataclass(frozen=True)
class Typed:
    """What came along with a form that anybody can fill in."""

    token: str  # what is spent by one mail


def mailbox(email_key: str) -> str:
    """What is kept of a mailbox to count its mails: a keyed hash."""
    return links.suppression_hash(mailboxes.folded(email_key))


def one_at_a_time(*names: str) -> None:
    """Requests that name one mailbox, or come from one network, are counted one after the other.

    Call it before any row is locked, or two could wait for each other.
    """
    if connection.vendor != "postgresql":  # SQLite has one writer anyway
        return
    with connection.cursor() as cursor:
        for name in filter(None, names):
            number = int.from_bytes(sha256(name.encode()).digest()[:8], "big", signed=True)
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])


def asked(mailbox: str, budget: str, now: datetime) -> list[datetime]:
    """When mails to this mailbox were asked for within a day."""
    found = MailRequest.objects.filter(mailbox=mailbox, budget=budget, at__gt=now - DAY)
    return list(found.values_list("at", flat=True))


def are_few(asked: list[datetime]) -> bool:
    """Whether the day allows one more."""
    return len(asked) < LINKS_A_DAY


def allows_mail(asked: list[datetime], now: datetime) -> bool:
    return are_few(asked) and not any(at > now - CONFIRMATION_PAUSE for at in asked)


def check_network(network: str, now: datetime) -> None:
    """Raise TooManyRequests when this network used up its hour. Says nothing about any address."""
    if network and mails_of_network(network, now) >= MAILS_A_NETWORK_HOUR:
        raise TooManyRequests("network")


def mails_of_network(network: str, now: datetime) -> int:
    return MailRequest.objects.filter(network=network, at__gt=now - HOUR).count()


def was_spent(token: str, mailbox: str) -> bool:
    """Whether this form led to a mail to this mailbox before. Raises TokenSpent where it was another."""
    spent = MailRequest.objects.filter(token=token).values_list("mailbox", flat=True).first()
    if spent not in (None, mailbox):
        raise TokenSpent
    return spent is not None


def note(mailbox: str, budget: str, now: datetime, *, network: str = "", token: str = "") -> MailRequest:
    """The request is counted. Raises TokenSpent when another process was quicker with the same form."""
    try:
        with transaction.atomic():
            return MailRequest.objects.create(mailbox=mailbox, budget=budget, at=now, network=network, token=token)
    except IntegrityError:
        raise TokenSpent from None


def forget_old(now: datetime) -> None:
    MailRequest.objects.filter(at__lt=now - DAY).delete()


def confirmations_asked(subscriber_id: int, now: datetime) -> bool:
    """Whether a confirmation mail to this subscriber was asked for within a day; its tries go on then."""
    asked = Consent.objects.filter(subscriber_id=subscriber_id, step=Consent.Step.REQUESTED, at__gt=now - DAY)
    return asked.exclude(how__endswith=NO_MAIL).exists()
