"""The audit log: who looked at subscribers or did something to them, when, from where and why.

It outlives what it tells of, so an address never stands in it: a subscriber is their random public id, and what people
type (reasons, names of files) goes in without the words that hold an address. Its rows are added and never changed;
the database itself refuses that, and lets go of rows of two years ago.

Who does something writes the row in the same transaction, or before it: what cannot be audited is not done. Who only
looks may do so with a database that is full or read-only, and both the log and the terminal tell that it was not kept.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import InterfaceError, InternalError, OperationalError, transaction

from subscribers import clock, signed_links
from subscribers.addresses import Address
from subscribers.models import AuditEntry, FormerId, Subscriber

log = logging.getLogger(__name__)

Action, By = AuditEntry.Action, AuditEntry.By

KEPT = timedelta(days=730)  # as the triggers of migration 0011 have it
SAME_LOOK = timedelta(minutes=10)
LONGEST = 500  # letters
LENGTH_OF_ID = 36  # of a public id; hashes are longer


@dataclass(frozen=True)
class Actor:
    by: str
    who: str
    place: str


@dataclass(frozen=True)
class Act:
    """What was done: to one subscriber, or to how many."""

    action: str
    subject: str = ""
    count: int = 1
    detail: str = ""
    reason: str = ""


def write(actor: Actor, act: Act) -> None:
    """The act is in the audit log, if the caller's transaction is committed. Raises DatabaseError: do not do it."""
    AuditEntry.objects.create(
        at=clock.now(),
        by=actor.by,
        who=_short(actor.who, 150),
        place=_short(actor.place, 255),
        action=act.action,
        subject=act.subject,
        count=act.count,
        detail=_short(without_addresses(act.detail)),
        reason=_short(without_addresses(act.reason)),
    )


def looked(actor: Actor, act: Act) -> bool:
    """As `write`, for who only looks. False: a full or read-only database did not keep it, and looking goes on.

    Looking at one subscriber again within minutes, as by pages of their history, is the same look.
    """
    try:
        with transaction.atomic():
            if not _just_looked(actor, act):
                write(actor, act)
    except (OperationalError, InternalError, InterfaceError) as error:
        log.error("a look is not in the audit log", extra={"action": act.action, "error": type(error).__name__})
        return False
    return True


def _just_looked(actor: Actor, act: Act) -> bool:
    same = AuditEntry.objects.filter(by=actor.by, who=_short(actor.who, 150), action=act.action, detail=act.detail)
    return bool(act.subject) and same.filter(subject=act.subject, at__gt=clock.now() - SAME_LOOK).exists()


def subject_of(address: Address) -> str:
    """What stands in the log for whoever has this address: the public id, or the hash where it is nobody's here."""
    reader = Subscriber.objects.filter(email_key=address.key).values_list("public_id", flat=True).first()
    return str(reader) if reader else signed_links.suppression_hash(address.key)


def subjects_of(address: Address) -> set[str]:
    """All that may stand for this address: its subscriber's ids, and its hash from before they came."""
    former = FormerId.objects.filter(subscriber__email_key=address.key).values_list("public_id", flat=True)
    return {subject_of(address), signed_links.suppression_hash(address.key), *map(str, former)}


def about(entry: AuditEntry) -> str:
    """Whom the entry is about, in words."""
    if len(entry.subject) > LENGTH_OF_ID:
        return f"address {entry.subject[:8]}… of nobody here"
    if entry.subject:
        return f"subscriber {entry.subject}"
    return f"{entry.count} subscriber{'' if entry.count == 1 else 's'}"


def without_addresses(text: str) -> str:
    """The words of a text; each that holds an address is replaced."""
    return " ".join("[address]" if _holds_address(word) else word for word in text.split())


def _holds_address(word: str) -> bool:
    return any(at in word.lower() for at in ("@", "\uff20", "\ufe6b", "%40"))


def _short(text: str, longest: int = LONGEST) -> str:
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return printable if len(printable) <= longest else printable[: longest - 1] + "…"


def forget_old(now: datetime) -> int:
    """Rows of two years ago are gone; how many."""
    # SQLite's trigger knows no fractions of a second, and would refuse a row of this very second.
    return AuditEntry.objects.delete_before(now - KEPT - timedelta(seconds=1))
