"""Apply the journal of leavings to the database: everybody in it who left while the database was down is unsubscribed.

BATCH lines share a transaction, because each transaction waits for the disk twice: for the database and for the log of
opt-outs. Applying a line twice changes nothing, so a process may be killed anywhere: a journal that is not renamed yet
is read again.
"""

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.db import DatabaseError, InternalError, OperationalError

from subscribers import clicks, clock, journal
from subscribers.journal import Leaving

log = logging.getLogger(__name__)

BATCH = 200  # lines
KEPT = timedelta(days=30)  # applied journals, kept for a person who asks what happened
DONE = "applied"


@dataclass(frozen=True)
class Applied:
    """What applying a journal did."""

    lines: int = 0
    left: int = 0  # subscriptions that ended
    unreadable: int = 0


def apply(path: Path) -> Applied | None:
    """Unsubscribe everybody in the journal and rename it. Return None if nothing waits.

    Also return None while another process of this home applies it. Raises DatabaseError, InterfaceError: then the
    journal keeps its name, and is applied again the next time.
    """
    if not journal.waits(path):
        return None
    with journal.alone(path) as ours:
        if not ours or not journal.waits(path) or journal.remove_if_empty(path):
            return None
        return _apply(path)


def _apply(path: Path) -> Applied:
    found, end = Applied(), 0
    while True:
        lines, end = journal.read(path, end)
        found = _apply_lines(path, list(filter(bytes.strip, lines)), found)
        if journal.rename_if_read(path, end, _name_when_done(path, clock.now())):
            break
    _forget_old(path)
    log.warning("journaled unsubscribes applied", extra={"lines": found.lines, "left": found.left})
    return found


def _apply_lines(path: Path, lines: list[bytes], before: Applied) -> Applied:
    leavings = [(line, journal.parse(line)) for line in lines]
    left = _leave_all([leaving for _, leaving in leavings if leaving])
    # Before the journal is renamed: a crash may then leave a line twice, but never lose one.
    if bad := [line[: journal.LONGEST_LINE] for line, leaving in leavings if leaving is None]:
        journal.keep_aside(path, bad)
        log.error("journal of unsubscribes has unreadable lines", extra={"lines": len(bad), "kept_in": _aside(path)})
    return Applied(before.lines + len(lines), before.left + left, before.unreadable + len(bad))


def _leave_all(leavings: list[Leaving]) -> int:
    """Unsubscribe these; return how many subscriptions ended. Raises the error of a bad line after all the others."""
    left, failed = 0, list[DatabaseError]()
    for begin in range(0, len(leavings), BATCH):
        batch = leavings[begin : begin + BATCH]
        try:
            left += clicks.leave_all(batch)
        except (OperationalError, InternalError):
            raise  # the database is down
        except DatabaseError:
            ended, errors = _leave_one_by_one(batch)
            left, failed = left + ended, failed + errors
    if failed:
        log.error(
            "unsubscribes not applied, kept in the journal",
            extra={"lines": len(failed), "error": type(failed[0]).__name__},
        )
        raise failed[0]
    return left


def _leave_one_by_one(leavings: list[Leaving]) -> tuple[int, list[DatabaseError]]:
    """Return how many subscriptions ended, and the errors of lines that the database refuses."""
    left, errors = 0, list[DatabaseError]()
    for leaving in leavings:
        try:
            left += clicks.leave_all([leaving])
        except (OperationalError, InternalError):
            raise
        except DatabaseError as error:
            errors.append(error)
    return left, errors


def _name_when_done(path: Path, now: datetime) -> str:
    return f"{path.name}.{DONE}-{now:%Y%m%dT%H%M%S.%fZ}"


def _aside(path: Path) -> str:
    return path.with_suffix(".unreadable").name


def _forget_old(path: Path) -> None:
    oldest = time.time() - KEPT.total_seconds()  # noqa: TID251 — as the files of this machine have it
    for old in path.parent.glob(f"{path.name}.{DONE}-*"):
        if old.stat().st_mtime < oldest:
            old.unlink(missing_ok=True)
