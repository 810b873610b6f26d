"""Import subscribers: judge what `staging` read of a file against the database, and only then write.

Addresses that left or must not be emailed stay so, whatever the file says: a file's consent is never newer than a
subscriber's own.
"""

import csv
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import attrgetter
from pathlib import Path

import orjson
from django.db import IntegrityError, connection, transaction

from subscribers import optin, records
from subscribers.files import inviting, stated_consent
from subscribers.files.columns import REJECTED_BECAUSE, REJECTED_LINE, is_ours
from subscribers.files.csv_records import FileError, formula_restored, formula_safe
from subscribers.files.inviting import Invitations
from subscribers.files.staging import KEPT_OUT, NO_ANSWERS, ONLY_SUPPRESSED
from subscribers.files.staging import Answers as Answers
from subscribers.files.staging import Stage as Stage
from subscribers.files.staging import Undecided as Undecided
from subscribers.files.staging import read as read
from subscribers.files.wholes import whole_file
from subscribers.optin import Newcomer, Origin

EXAMPLES = 5
PAUSE = 0.1  # seconds between two transactions; a waiting SQLite writer looks again at least this often
IN_BULK = {
    "wal_autocheckpoint": 50_000,
    "cache_size": -65_536,  # KiB: most of the index of addresses, which come in no order
    "synchronous": 1,  # NORMAL: a power cut may lose the last rows; the same import again restores them
    "ignore_check_constraints": 1,  # each state and step here is our own constant; checking took a seventh of the time
}


@dataclass(frozen=True)
class Rejected:
    line: int  # the first one
    reason: str
    rows: int = 1


@dataclass(frozen=True)
class Report:
    """What became of the rows of a file, or would become of them."""

    new: int = 0
    unchanged: int = 0  # already subscribed
    stay_unsubscribed: int = 0  # the file says subscribed, they left
    stay_pending: int = 0  # the file says active; they have not confirmed here
    left: int = 0  # unsubscribed by the file
    suppressed: int = 0  # suppressed here: not imported
    newly_suppressed: int = 0  # by the file: bounced, complained
    duplicates: int = 0  # named more than once in the file
    rejected: int = 0
    kept_out: int = 0  # a rejected row names them and cannot be understood: no other row imports them
    first_kept_out: int = 0  # its line
    invited: int = 0
    new_by_state: dict[str, int] = field(default_factory=dict)  # the suppressed ones
    first_rejected: tuple[Rejected, ...] = ()
    rejected_file: Path | None = None


@dataclass
class _Verdict:
    """What is to be done about some rows."""

    new: list[Newcomer] = field(default_factory=list)
    leaving: list[Newcomer] = field(default_factory=list)
    to_suppress: list[Newcomer] = field(default_factory=list)
    unchanged: int = 0
    stay_unsubscribed: int = 0
    stay_pending: int = 0
    suppressed: int = 0
    invited: int = 0


Watch = Callable[[int], None]


def import_csv(
    path: Path, newsletter: str, default_state: str | None, source: str, answers: Answers = NO_ANSWERS
) -> Report:
    """Import the file's subscribers. Raises FileError for a file that cannot be read as a whole."""
    with read(path, newsletter, default_state, answers) as stage:
        return apply(stage, source)


def plan(stage: Stage, watch: Watch = lambda rows: None) -> Report:
    """Return what `apply` would do now, and write nothing. `watch` is told how many rows were looked at."""
    report = _count(stage, (_judge(stage.newsletter, rows) for rows in _watched(stage, watch)))
    return _with_rejected(stage, report, rejected_file=None)


def apply(
    stage: Stage,
    source: str,
    *,
    basis: str = "",
    invitations: Invitations | None = None,
    rejected: Path | None = None,
    watch: Watch = lambda rows: None,
) -> Report:
    """Write the stage's subscribers to the database, and its rejected rows to a file beside their source.

    `basis` is how they agreed to get mail; it is kept with each of them. With `invitations`, pending ones are asked to
    confirm, one after the other. A process that dies halfway leaves whole chunks behind; importing the same file again
    does the rest. Raises FileError for a file that it cannot write.
    """
    written = _write_rejected(stage, rejected or rejected_file_of(stage.path))
    with _sqlite_in_bulk():
        chunks = _giving_way(_watched(stage, watch))
        origin = Origin(how="import", source=source, basis=basis)
        verdicts = (_take_in(stage.newsletter, rows, origin, invitations) for rows in chunks)
        report = _count(stage, verdicts)
    return _with_rejected(stage, report, rejected_file=written)


@contextmanager
def _sqlite_in_bulk() -> Iterator[None]:
    """Write to the database's file less often: many rows touch the same pages of an index again and again."""
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        yield
        return
    with connection.cursor() as cursor:
        usual = {name: cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in IN_BULK}
        try:
            for name, value in IN_BULK.items():
                cursor.execute(f"PRAGMA {name}={value}")
            yield
        finally:
            for name, value in usual.items():
                cursor.execute(f"PRAGMA {name}={value}")


def _watched(stage: Stage, watch: Watch) -> Iterator[list[Newcomer]]:
    done = 0
    for rows in stage.chunks():
        yield rows
        done += len(rows)
        watch(done)


def _giving_way(chunks: Iterator[list[Newcomer]]) -> Iterator[list[Newcomer]]:
    """Pause between chunks: on SQLite, waiting writers ask now and then whether the lock is free, and find it so."""
    alone = connection.vendor == "sqlite" and not connection.in_atomic_block
    for number, rows in enumerate(chunks):
        if number and alone:
            time.sleep(PAUSE)
        yield rows


def _take_in(newsletter: str, rows: list[Newcomer], origin: Origin, invitations: Invitations | None) -> _Verdict:
    try:
        return _take_in_once(newsletter, rows, origin, invitations)
    except IntegrityError:
        # One of these signed up between our look and our write; now we see them.
        return _take_in_once(newsletter, rows, origin, invitations)


def _take_in_once(newsletter: str, rows: list[Newcomer], origin: Origin, invitations: Invitations | None) -> _Verdict:
    with transaction.atomic():
        verdict = _judge(newsletter, rows)
        optin.take_in(newsletter, verdict.new, verdict.leaving, origin)
        if verdict.to_suppress:
            _suppress(verdict.to_suppress, origin)
        if invitations:
            pending = [row.address.key for row in rows if row.state == "pending"]
            verdict.invited = inviting.invite(newsletter, pending, invitations)
    return verdict


def _suppress(rows: list[Newcomer], origin: Origin) -> None:
    hashes = records.hashes_of(rows)
    reasons = {hashes[row.address.key]: row.suppressed for row in rows}
    since = {hashes[row.address.key]: at for row in rows if (at := _since(row))}
    optin.suppress_all(reasons, origin, since=since)


def _since(row: Newcomer) -> datetime | None:
    return stated_consent.Dates().past(orjson.loads(row.claimed or "{}").get("suppressed_at", ""))


def _judge(newsletter: str, found: list[Newcomer]) -> _Verdict:
    rows = [row for row in found if row.state != KEPT_OUT]
    hashes = records.hashes_of(rows)
    there = records.wishes(newsletter, list(hashes))
    not_active = [wish.subscriber for wish in there.values() if wish.state != "active"]
    left = optin.those_who_left(newsletter, not_active) if not_active else set()
    suppressed = records.suppressed(list(hashes.values()))
    verdict = _Verdict()
    if not there and not suppressed:
        verdict.new = [row for row in rows if row.state != ONLY_SUPPRESSED]
        verdict.to_suppress = [row for row in rows if row.suppressed]
        return verdict
    for row in rows:
        wish = there.get(row.address.key)
        reason = suppressed.get(hashes[row.address.key])
        _judge_row(row, wish.state if wish else None, bool(wish and wish.pk in left), reason, verdict)
    return verdict


def _judge_row(row: Newcomer, state: str | None, left: bool, suppressed: str | None, verdict: _Verdict) -> None:
    stronger = optin.STRENGTH.get(row.suppressed, -1) > optin.STRENGTH.get(suppressed or "", -1)
    if stronger:
        verdict.to_suppress.append(row)
    if row.state == ONLY_SUPPRESSED:
        return
    if state is None and suppressed and (suppressed == "erased" or not row.suppressed):
        verdict.suppressed += 1
    elif state is None:
        verdict.new.append(row)
    elif row.state == "unsubscribed" and state != "unsubscribed":
        verdict.leaving.append(row)
    elif left and row.state != "unsubscribed":
        verdict.stay_unsubscribed += 1
    elif state == "pending" and row.state == "active" and not row.suppressed:
        verdict.stay_pending += 1
    else:
        verdict.unchanged += 1


def _count(stage: Stage, verdicts: Iterator[_Verdict]) -> Report:
    report, new = Report(), Counter[tuple[str, str]]()
    for verdict in verdicts:
        new.update(map(attrgetter("state", "suppressed"), verdict.new))
        report = replace(
            report,
            unchanged=report.unchanged + verdict.unchanged,
            stay_unsubscribed=report.stay_unsubscribed + verdict.stay_unsubscribed,
            stay_pending=report.stay_pending + verdict.stay_pending,
            left=report.left + len(verdict.leaving),
            suppressed=report.suppressed + verdict.suppressed,
            newly_suppressed=report.newly_suppressed + len(verdict.to_suppress),
            invited=report.invited + verdict.invited,
        )
    by_state = Counter[str]()
    for (state, suppressed), count in new.items():
        by_state["suppressed" if suppressed else state] += count
    return replace(
        report,
        new=new.total(),
        new_by_state=dict(by_state),
        duplicates=stage.good - stage.distinct,
        kept_out=stage.kept_out,
        first_kept_out=stage.first_kept_out,
    )


def _with_rejected(stage: Stage, report: Report, rejected_file: Path | None) -> Report:
    first = tuple(Rejected(line, reason, rows) for line, reason, rows in stage.reasons(EXAMPLES))
    return replace(report, rejected=stage.rejected, first_rejected=first, rejected_file=rejected_file)


def rejected_file_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.rejected.csv")


def _write_rejected(stage: Stage, path: Path) -> Path | None:
    """Write the rejected rows to a file that can be fixed and imported; return its path, or None. Raises FileError."""
    if not stage.rejected:
        return None
    try:
        if path.exists() and path.samefile(stage.path):
            raise FileError(
                f"{path} is the file being imported, so nothing was imported; --rejected must name another file."
            )
        with whole_file(path, "utf-8-sig") as file:
            writer = csv.writer(file)
            heading = stage.columns.heading
            kept = [place for place, name in enumerate(heading) if not is_ours(name)]
            writer.writerow([REJECTED_LINE, REJECTED_BECAUSE, *(formula_safe(heading[place]) for place in kept)])
            for line, reason, cells in stage.rejected_rows():
                writer.writerow([line, formula_safe(reason), *_mendable(cells, kept, len(heading))])
    except OSError as error:
        raise FileError(
            f"{path} cannot be written ({error.strerror}), so nothing was imported; choose another file with "
            "--rejected."
        ) from error
    return path


def _mendable(cells: list[str], kept: list[int], count: int) -> Iterator[str]:
    """Return the cells under the heading's, then surplus ones: importing them reads what was read before."""
    if len(cells) > 1:
        cells = [cells[place] for place in kept if place < len(cells)] + cells[count:]
    # What was escaped already is not escaped twice.
    return (formula_safe(formula_restored(cell)) for cell in cells)
