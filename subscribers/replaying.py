"""After an older backup was restored, unsubscribe again everybody who left since."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path

from django.db import transaction

from subscribers import clock, erasing, labels, optin, optouts
from subscribers.models import Consent, Subscriber, Subscription, Suppression
from subscribers.optin import Effect, Origin, Reason, Step, Why
from subscribers.optouts import RENAMED, UNSUBSCRIBED, OptOut

CHUNK = 1000  # lines looked up at once


@dataclass(frozen=True)
class Replayed:
    """What a log of opt-outs held that the database lacked."""

    lines: int = 0
    left: int = 0  # one newsletter
    suppressed: int = 0
    unreadable: int = 0


def replay(path: Path) -> Replayed:
    """Apply every opt-out of the log to the database. Doing it again changes nothing; a missing log counts as empty.

    An opt-out that its subscriber, or an operator, took back later does nothing if the subscriber's history shows it.
    What was lifted before they were erased, or before they ever came, stands again: better mail one too few. The log
    stays as it is, so the next backup that is restored, an older or a newer one, finds in it what subscribers did and
    no more.
    """
    found = Replayed()
    lines = optouts.read(path)
    names = labels.Names(optouts.renames(path))
    while chunk := list(islice(lines, CHUNK)):
        known = [optout for optout in chunk if optout is not None]
        with optouts.replaying():
            left, suppressed = _replay(_as_of_now(known, names))
        found = replace(
            found,
            lines=found.lines + len(chunk),
            left=found.left + left,
            suppressed=found.suppressed + suppressed,
            unreadable=found.unreadable + len(chunk) - len(known),
        )
    return found


def forgotten(path: Path) -> int:
    """Return how many of the newest opt-outs in the log belong to subscribers whom the database would still mail.

    If there are any, a backup was restored. Those who came back after leaving chose to, and do not count.
    """
    if not (lines := optouts.newest(path)):
        return 0
    newest = _as_of_now(lines, _names(path, lines))
    subscribers = Subscription.objects.deliverable().filter(
        subscriber__suppression_hash__in={optout.hash for optout in newest}
    )
    mailed: dict[tuple[str, str], datetime] = {}
    rows = subscribers.values_list("subscriber__suppression_hash", "newsletter", "subscriber__created_at")
    for hash, newsletter, created in rows:
        mailed[hash, newsletter] = mailed[hash, ""] = created
    # The histories of others are not even read: workers ask this every few seconds.
    suspicious = [
        optout
        for optout in newest
        if (came := mailed.get((optout.hash, optout.newsletter))) is not None and came <= optout.at
    ]
    if not suspicious:
        return 0
    known = _Known(suspicious)
    return sum(known.lacks(optout) for optout in suspicious)


def _names(path: Path, lines: list[OptOut]) -> labels.Names:
    """Return what these labels mean. Only for one that the database does not have is the whole log read for renames."""
    names = labels.Names(())
    if all(names.known(optout.newsletter) or not optout.newsletter for optout in lines if optout.reason != RENAMED):
        return names
    return labels.Names(_renames(path, path.stat().st_size))


@lru_cache(maxsize=1)
def _renames(path: Path, size: int) -> list[tuple[str, str]]:
    """Return the renames in a log of this size: workers ask every few seconds, and it may be long."""
    return optouts.renames(path)


def _as_of_now(lines: Iterable[OptOut], names: labels.Names) -> list[OptOut]:
    """Return these opt-outs by the labels that the database has for their newsletters."""
    return [
        replace(optout, newsletter=label)
        for optout in lines
        if optout.reason != RENAMED
        for label in (names.of(optout.newsletter) if optout.newsletter else [""])
    ]


def _replay(chunk: list[OptOut]) -> tuple[int, int]:
    erased = _forget_again(chunk, _Known(chunk))
    known = _Known(chunk)
    lacking = [optout for optout in chunk if known.lacks(optout)]
    leaving = [optout for optout in lacking if optout.reason == UNSUBSCRIBED]
    strongest = _strongest(optout for optout in lacking if optout.reason != UNSUBSCRIBED)
    left = sum(_leave(optout, known.subscribers.get(optout.hash)) for optout in leaving)
    for optout in strongest:
        optin.suppress(optout.hash, optout.reason, _origin(optout))
    return left, len(strongest) + erased


def _forget_again(chunk: list[OptOut], known: "_Known") -> int:
    """Erase subscribers that the backup still holds and who were erased since. Those who came back after that stay."""
    erased = {optout.hash: optout for optout in chunk if optout.reason == Reason.ERASED}
    held = [(known.subscribers[hash], optout) for hash, optout in erased.items() if hash in known.subscribers]
    return sum(
        erasing.forget(subscriber.email_key, _origin(optout))
        for subscriber, optout in held
        if subscriber.created_at <= optout.at and not known.outlived(optout)
    )


class _Known:
    """What the database says of the addresses in a chunk: three queries for a thousand lines."""

    def __init__(self, chunk: list[OptOut]) -> None:
        hashes = {optout.hash for optout in chunk}
        subscribers = Subscriber.objects.filter(suppression_hash__in=hashes)
        self.subscribers = {subscriber.suppression_hash: subscriber for subscriber in subscribers}
        suppressions = Suppression.objects.filter(hash__in=hashes).values_list("hash", "reason", "newsletters_left")
        self.suppressed = {hash: reason for hash, reason, _ in suppressions}
        self.left_unknown = {hash: names for hash, _, names in suppressions if names}
        self.steps: dict[str, list[tuple[str, str, datetime, str | None]]] = {}
        steps = Consent.objects.filter(
            subscriber__suppression_hash__in=hashes, step__in=[Step.CONFIRMED, Step.UNSUBSCRIBED, Step.CHANGED]
        )
        rows = steps.values_list("subscriber__suppression_hash", "newsletter", "step", "at", "effect")
        for hash, newsletter, step, at, effect in rows:
            self.steps.setdefault(hash, []).append((newsletter, step, at, effect))

    def lacks(self, optout: OptOut) -> bool:
        if optout.reason == UNSUBSCRIBED:
            return self._lacks_leaving(optout)
        return optout.reason in optin.STRENGTH and self._lacks_suppression(optout)

    def _lacks_leaving(self, optout: OptOut) -> bool:
        """Tell whether neither this unsubscribe nor anything later of the subscriber's own is there."""
        if optout.hash not in self.subscribers:
            names = self.left_unknown.get(optout.hash, [optout.newsletter])
            return optout.hash not in self.suppressed or optout.newsletter not in names
        return not any(
            newsletter == optout.newsletter and step in (Step.CONFIRMED, Step.UNSUBSCRIBED) and at >= optout.at
            for newsletter, step, at, _ in self.steps.get(optout.hash, ())
        )

    def _lacks_suppression(self, optout: OptOut) -> bool:
        stands = self.suppressed.get(optout.hash)
        if stands is not None:
            return optin.STRENGTH[stands] < optin.STRENGTH[optout.reason]
        return not self.outlived(optout)

    def outlived(self, optout: OptOut) -> bool:
        """Tell whether the subscriber, or an operator, allowed email to the address again after this suppression."""
        return any(
            at >= optout.at and _lifts(step, effect, optout.reason)
            for _, step, at, effect in self.steps.get(optout.hash, ())
        )


def _lifts(step: str, effect: str | None, reason: str) -> bool:
    if step == Step.CHANGED:
        return effect == Effect.LIFTED or (reason == Reason.ERASED and effect == Effect.MOVED)
    return step == Step.CONFIRMED and reason in (Reason.BOUNCE, Reason.ERASED)


def _strongest(optouts: Iterable[OptOut]) -> list[OptOut]:
    """Return one opt-out for each address."""
    chosen: dict[str, OptOut] = {}
    for optout in optouts:
        there = chosen.get(optout.hash)
        if there is None or optin.STRENGTH[there.reason] < optin.STRENGTH[optout.reason]:
            chosen[optout.hash] = optout
    return list(chosen.values())


def _leave(optout: OptOut, subscriber: Subscriber | None) -> bool:
    """Unsubscribe the subscriber. Return False if nothing had to be done."""
    origin = _origin(optout)
    if subscriber is None:
        # They came and left after the backup. The file that brought them may be imported again, and must not bring
        # them back; this reason is the one that a confirmation of their own lifts.
        return optin.suppress(optout.hash, Reason.ERASED, origin, _left_unknown(optout))
    if subscriber.subscriptions.filter(newsletter=optout.newsletter).exists():
        return optin.unsubscribe(subscriber.public_id, optout.newsletter, origin)
    with transaction.atomic():
        optin.stay_out(subscriber, optout.newsletter, origin, clock.now())
    return True


def _left_unknown(optout: OptOut) -> Why:
    """Return the newsletters they left, which keeps them out of these when they join another."""
    before = Suppression.objects.filter(hash=optout.hash).values_list("newsletters_left", flat=True).first()
    names = list(dict.fromkeys([*(before or []), optout.newsletter]))
    return Why(note=f"left: {', '.join(names)}", newsletters_left=names)


def _origin(optout: OptOut) -> Origin:
    return Origin(how=optin.RESTORE, source=f"log of opt-outs, {clock.in_utc(optout.at)}")
