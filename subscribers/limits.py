"""Limit how many emails can be requested: for one mailbox, and from one network.

Counted in MailRequest, by its indexes, so that limits hold for all processes and machines together. Nothing here ever
limits leaving. What strangers typed and what a subscriber asked for by a signed link are counted apart: nobody uses up
another's share.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from hashlib import sha256

from django.db import IntegrityError, connection, transaction
from django.dispatch import Signal

from subscribers import mailboxes, signed_links
from subscribers.models import Consent, MailRequest, Subscription

Budget = MailRequest.Budget

# One mailbox gets at most this many mails with a link, to confirm or from a page, of each budget.
LINKS_A_DAY = 3
CONFIRMATION_PAUSE = timedelta(minutes=10)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# A network that causes more emails in an hour is asked for effort for each further one: a conference in one room
# may subscribe, a script should find it expensive. So is everybody while the queue's rate is used up.
FREE_A_NETWORK_HOUR = 10
MOST_COUNTED = 60  # above this a network counts as no louder: of a flood the oldest is pushed out, not the newest
# For those who waited instead of solving: each further email of the network goes out this much later.
SPACING, LONGEST_DELAY = timedelta(minutes=1), timedelta(hours=12)
UNSOLVED = 100  # added to the rank: solved ones go first
# Confirmations that forms cause: this many in ten minutes are not a weapon, and few newsletters ever have more.
RATE, PERIOD = 200, timedelta(minutes=10)

limited = Signal()  # with `reason`; for code that keeps statistics


class EffortNeeded(Exception):
    """The form needs some effort, for the reason "network" or "everybody". Nothing was changed."""


class TokenSpent(Exception):
    """The form already led to an email to somebody else. Nothing was changed."""


class Effort(Enum):
    """What a form includes if its network caused many emails."""

    NONE = "none"
    WAITED = "waited"
    SOLVED = "solved"


@dataclass(frozen=True)
class Typed:
    """What came with a form that anybody can fill in."""

    token: str  # what is spent by one mail
    effort: Effort = Effort.NONE


@dataclass(frozen=True)
class Counted:
    """An email that the limits allow."""

    request: MailRequest
    due: datetime
    queued: bool  # it may take a while


def mailbox(email_key: str) -> str:
    """Return what is kept of a mailbox to count its emails: a keyed hash."""
    return signed_links.suppression_hash(mailboxes.folded(email_key))


def one_at_a_time(*names: str) -> None:
    """Serialize requests that name one mailbox or come from one network, so that they are counted one after the other.

    Call it before any row is locked, or two could wait for each other.
    """
    if connection.vendor != "postgresql":  # SQLite has one writer anyway
        return
    with connection.cursor() as cursor:
        for name in filter(None, names):
            number = int.from_bytes(sha256(name.encode()).digest()[:8], "big", signed=True)
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])


def asked(mailbox: str, budget: str, now: datetime) -> list[datetime]:
    """Return when emails to this mailbox were asked for within a day."""
    found = MailRequest.objects.filter(mailbox=mailbox, budget=budget, at__gt=now - DAY)
    return list(found.values_list("at", flat=True))


def are_few(asked: list[datetime]) -> bool:
    """Tell whether the limit of a day allows one more."""
    return len(asked) < LINKS_A_DAY


def allows_mail(asked: list[datetime], now: datetime) -> bool:
    return are_few(asked) and not any(at > now - CONFIRMATION_PAUSE for at in asked)


def mails_of_network(network: str, now: datetime) -> int:
    return MailRequest.objects.filter(network=network, at__gt=now - HOUR).count()


def is_loud(rank: int) -> bool:
    """Tell whether a request's network had caused many emails when it was made."""
    return rank % UNSOLVED >= FREE_A_NETWORK_HOUR


def room(now: datetime) -> int:
    """Return how many more confirmations caused by forms may go out now."""
    return RATE - MailRequest.objects.filter(budget=Budget.TYPED, sent_at__gt=now - PERIOD).count()


def was_spent(token: str, mailbox: str) -> bool:
    """Tell whether this form already led to an email to this mailbox. Raises TokenSpent if it was another mailbox."""
    spent = MailRequest.objects.filter(token=token).values_list("mailbox", flat=True).first()
    if spent not in (None, mailbox):
        raise TokenSpent
    return spent is not None


def count_typed(mailbox: str, network: str, typed: Typed, now: datetime) -> Counted | None:
    """Count an email that a form asks for. Return None if the mailbox had enough, or the form was submitted twice.

    Raises EffortNeeded, TokenSpent. All of it looks only at mailbox and network, never at who subscribes.
    """
    if was_spent(typed.token, mailbox):
        return None
    mails, is_busy = mails_of_network(network, now), room(now) <= 0
    if typed.effort is Effort.NONE and (is_busy or mails >= FREE_A_NETWORK_HOUR):
        raise EffortNeeded("everybody" if is_busy else "network")
    rank = min(mails, MOST_COUNTED) + (0 if typed.effort is Effort.SOLVED else UNSOLVED)
    if not allows_mail(asked(mailbox, Budget.TYPED, now), now):
        if _bring_forward(mailbox, rank, typed.effort, now):
            note("", Budget.TYPED, now, network=network)  # or a quiet network would bring forward what a loud one asked
        return None
    request = note(mailbox, Budget.TYPED, now, network=network, token=typed.token, rank=rank)
    late = mails - FREE_A_NETWORK_HOUR + 1 if typed.effort is Effort.WAITED else 0
    delay = min(max(0, late) * SPACING, LONGEST_DELAY)
    return Counted(request, now + delay, is_busy or bool(delay))


def _bring_forward(mailbox: str, rank: int, effort: Effort, now: datetime) -> bool:
    """Bring forward a stranger's earlier request that waits far behind, now that more effort was made; tell if one did.

    Locks requests before subscriptions, as `queue.push_out` does.
    """
    waiting = MailRequest.objects.filter(mailbox=mailbox, budget=Budget.TYPED, sent_at=None)
    moved = waiting.filter(rank__gt=rank).update(rank=rank)
    if effort is not Effort.WAITED:
        late = Subscription.objects.filter(pk__in=waiting.values("subscription"), confirmation_tries=0)
        late.filter(confirmation_due__gt=now).update(confirmation_due=now)
    return bool(moved)


def count_signed(mailbox: str, now: datetime) -> Counted | None:
    """Count an email asked for by signed link, or by the operator. Return None if the mailbox had enough."""
    if not allows_mail(asked(mailbox, Budget.SIGNED, now), now):
        return None
    return Counted(note(mailbox, Budget.SIGNED, now), now, queued=False)


def note(mailbox: str, budget: str, now: datetime, *, network: str = "", token: str = "", rank: int = 0) -> MailRequest:
    """Record the request, so that it counts. Raises TokenSpent if another process used the same form first."""
    try:
        with transaction.atomic():
            return MailRequest.objects.create(
                mailbox=mailbox, budget=budget, at=now, network=network, token=token, rank=rank
            )
    except IntegrityError:
        raise TokenSpent from None


def confirmations_asked(subscriber_id: int, now: datetime) -> bool:
    """Tell whether a confirmation email to this subscriber was asked for within a day; its retries go on then."""
    asked = Consent.objects.filter(subscriber_id=subscriber_id, step=Consent.Step.REQUESTED, at__gt=now - DAY)
    return asked.exclude(effect=Consent.Effect.NO_MAIL).exists()
