"""The audit log: who viewed subscribers or changed them, when, from where and why.

It outlives the subscribers it tells of, so it never holds an address: a subscriber is their random public id, and typed
texts (reasons, file names) lose every word that holds an address. Rows are added and never changed; the database itself
refuses changes, and allows rows to be deleted only after two years.

Code that changes something writes the row in the same transaction, or before it: what cannot be audited is not done.
Code that only looks may go on with a database that is full or read-only; the log and the terminal then say that the row
was not kept.
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
    """Add the act to the audit log, in the caller's transaction. Raises DatabaseError: then do not do it."""
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
    """Record a look. Return False if a full or read-only database did not store it; the look may go on.

    Looking at the same subscriber again within minutes, as when paging through their history, counts as one look.
    """
    try:
        with transaction.atomic():
            if not _just_looked(actor, act):
                write(actor, act)
    except (OperationalError, InternalError, InterfaceError) as error:
        log.error("audit entry not stored", extra={"action": act.action, "error": type(error).__name__})
        return False
    return True


def _just_looked(actor: Actor, act: Act) -> bool:
    same = AuditEntry.objects.filter(by=actor.by, who=_short(actor.who, 150), action=act.action, detail=act.detail)
    return bool(act.subject) and same.filter(subject=act.subject, at__gt=clock.now() - SAME_LOOK).exists()


def subject_of(address: Address) -> str:
    """Return what the log calls this address: its subscriber's public id, or its hash if no subscriber has it."""
    subscriber = Subscriber.objects.filter(email_key=address.key).values_list("public_id", flat=True).first()
    return str(subscriber) if subscriber else signed_links.suppression_hash(address.key)


def subjects_of(address: Address) -> set[str]:
    """Return all that may stand for this address: its subscriber's ids, and its hash from before they came."""
    former = FormerId.objects.filter(subscriber__email_key=address.key).values_list("public_id", flat=True)
    return {subject_of(address), signed_links.suppression_hash(address.key), *map(str, former)}


def about(entry: AuditEntry) -> str:
    """Name the subscriber that the entry is about, or how many."""
    if len(entry.subject) > LENGTH_OF_ID:
        return f"address {entry.subject[:8]}… of an unknown subscriber"
    if entry.subject:
        return f"subscriber {entry.subject}"
    return f"{entry.count} subscriber{'' if entry.count == 1 else 's'}"


def without_addresses(text: str) -> str:
    """Replace each word of the text that holds an address."""
    return " ".join("[address]" if _holds_address(word) else word for word in text.split())


def _holds_address(word: str) -> bool:
    return any(at in word.lower() for at in ("@", "\uff20", "\ufe6b", "%40"))


def _short(text: str, longest: int = LONGEST) -> str:
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return printable if len(printable) <= longest else printable[: longest - 1] + "…"


def forget_old(now: datetime) -> int:
    """Delete rows older than two years; return how many."""
    # SQLite's trigger ignores fractions of a second, and would refuse a row of this very second.
    return AuditEntry.objects.delete_before(now - KEPT - timedelta(seconds=1))
