"""The journal of leavings is applied to the database: whoever left while it was away has left.

Each line is a transaction, and a line that was applied changes nothing the second time, so a process may be killed
anywhere: what is not renamed yet is read again.
"""

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings

from subscribers import clock, journal, optin
from subscribers.journal import ALL, Leaving
from subscribers.models import Subscription
from subscribers.optin import Origin, State

log = logging.getLogger(__name__)

KEPT = timedelta(days=30)  # journals that were applied, for a person who asks what happened
DONE = "applied"


@dataclass(frozen=True)
class Applied:
    """What a journal held."""

    lines: int = 0
    left: int = 0  # subscriptions that ended
    unreadable: int = 0


def apply(path: Path) -> Applied | None:
    """Everybody in the journal has left, and the journal has another name. Return None where nothing waits.

    Also where another process of this home is at it. Raises DatabaseError; the rest is then applied the next time.
    """
    if not journal.waits(path):
        return None
    with journal.alone(path) as ours:
        return _apply(path) if ours and journal.waits(path) else None


def _apply(path: Path) -> Applied:
    found, end = Applied(), 0
    while True:
        lines, end = journal.read(path, end)
        found = _apply_lines(path, list(filter(bytes.strip, lines)), found)
        if journal.rename_if_read(path, end, _name_when_done(path, clock.now())):
            break
    _forget_old(path)
    log.warning("leavings applied that waited for the database", extra={"lines": found.lines, "left": found.left})
    return found


def _apply_lines(path: Path, lines: list[bytes], before: Applied) -> Applied:
    leavings = [(line, journal.parse(line)) for line in lines]
    left = sum(_leave(leaving) for _, leaving in leavings if leaving)
    # Before the journal is renamed: after a crash a line may stand there twice, and none is overlooked.
    if bad := [line[: journal.LONGEST_LINE] for line, leaving in leavings if leaving is None]:
        journal.keep_aside(path, bad)
        log.error("lines of the journal of leavings cannot be read", extra={"lines": len(bad), "kept_in": _aside(path)})
    return Applied(before.lines + len(lines), before.left + left, before.unreadable + len(bad))


def _leave(leaving: Leaving) -> int:
    """Return how many subscriptions ended. Who is not known any more was erased, and needs nothing."""
    origin = Origin(how=leaving.how, source="journal of leavings")
    labels = [leaving.newsletter]
    if leaving.newsletter == ALL:
        theirs = Subscription.objects.filter(subscriber__public_id=leaving.public_id)
        labels = list(
            theirs.exclude(state=State.UNSUBSCRIBED).order_by("newsletter").values_list("newsletter", flat=True)
        )
    return sum(optin.leave_at(leaving.at, leaving.public_id, label, origin) for label in labels)


def _name_when_done(path: Path, now: datetime) -> str:
    return f"{path.name}.{DONE}-{now:%Y%m%dT%H%M%S.%fZ}"


def _aside(path: Path) -> str:
    return path.with_suffix(".unreadable").name


def _forget_old(path: Path) -> None:
    oldest = time.time() - KEPT.total_seconds()  # noqa: TID251 — as the files of this machine have it
    for old in path.parent.glob(f"{path.name}.{DONE}-*"):
        if old.stat().st_mtime < oldest:
            old.unlink(missing_ok=True)


def journal_of_this_home() -> Path | None:
    """Return the journal's path; None where MAILER_HOME is declared to be empty at each start."""
    path: Path | None = settings.LEAVING_JOURNAL
    return path
