"""Import subscribers: judge what `staging` read of a file against the database, and only then write.

Addresses that left or must not be emailed stay so, whatever the file says: a file's consent is never newer than a
subscriber's own.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import orjson
from django.db import DatabaseError, IntegrityError, connection, transaction

from subscribers import labels, optin
from subscribers.files import inviting, rejecting, staging, stated_consent
from subscribers.files.archives import FileError
from subscribers.files.inviting import Invitations
from subscribers.files.staging import NO_ANSWERS, ONLY_SUPPRESSED
from subscribers.files.staging import Answers as Answers
from subscribers.files.staging import Stage as Stage
from subscribers.files.staging import Undecided as Undecided
from subscribers.files.staging import read as read
from subscribers.optin import Newcomer, Origin
from subscribers.staged import Case, Part

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
class _Outcome:
    """What is to be done about some people, and how many of them are in each case."""

    new: Counter[tuple[str, str]] = field(default_factory=Counter)  # by state and reason of suppression in the file
    counts: Counter[str] = field(default_factory=Counter)  # by the names of `Report`
    not_new: list[Case] = field(default_factory=list)
    leaving: list[Case] = field(default_factory=list)
    to_suppress: list[Case] = field(default_factory=list)


Watch = Callable[[int], None]


def import_csv(
    path: Path, newsletter: str, default_state: str | None, source: str, answers: Answers = NO_ANSWERS
) -> Report:
    """Import the file's subscribers. Raises FileError for a file that cannot be read as a whole."""
    with read(path, newsletter, default_state, answers) as stage:
        return apply(stage, source)


def plan(stage: Stage, watch: Watch = lambda rows: None) -> Report:
    """Return what `apply` would do now, and write nothing. `watch` is told how many rows were looked at."""

    def outcome(part: Part) -> _Outcome:
        stage.people.look_up(part, stage.newsletter, with_ids=False)
        return _judge(stage.people.cases(part))

    with _in_bulk():
        return _report(stage, map(outcome, _watched(stage, watch)), rejected_file=None)


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
    path = rejected or rejecting.rejected_file_of(stage.path)
    written = rejecting.write(stage.rejected_rows, stage.columns.heading, stage.path, path)
    with _in_bulk():
        origin = Origin(how="import", source=source, basis=basis)
        parts = _giving_way(_watched(stage, watch))
        return _report(stage, (_take_in(stage, part, origin, invitations) for part in parts), rejected_file=written)


@contextmanager
def _in_bulk() -> Iterator[None]:
    """Write to SQLite's file less often: many rows touch the same pages of an index again and again.

    And let PostgreSQL, which knows nothing of temporary tables, look people up by indexes, thousands among millions.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET enable_hashjoin = off; SET enable_mergejoin = off")
            try:
                yield
            finally:
                with suppress(DatabaseError):  # of a connection that is lost
                    cursor.execute("RESET enable_hashjoin; RESET enable_mergejoin")
        return
    if connection.in_atomic_block:
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


def _watched(stage: Stage, watch: Watch) -> Iterator[Part]:
    stage.people.begin()
    for part in stage.people.parts(staging.CHUNK):
        yield part
        watch(part.last)


def _giving_way(parts: Iterator[Part]) -> Iterator[Part]:
    """Pause between chunks: on SQLite, waiting writers ask now and then whether the lock is free, and find it so."""
    alone = connection.vendor == "sqlite" and not connection.in_atomic_block
    for number, part in enumerate(parts):
        if number and alone:
            time.sleep(PAUSE)
        yield part


def _take_in(stage: Stage, part: Part, origin: Origin, invitations: Invitations | None) -> _Outcome:
    try:
        return _take_in_once(stage, part, origin, invitations)
    except IntegrityError:
        # One of these signed up between our look and our write; now we see them.
        return _take_in_once(stage, part, origin, invitations)


def _take_in_once(stage: Stage, part: Part, origin: Origin, invitations: Invitations | None) -> _Outcome:
    people, newsletter = stage.people, stage.newsletter
    with transaction.atomic():
        people.look_up(part, newsletter, with_ids=True)
        outcome = _judge(people.cases(part))
        leaving = [one for case in outcome.leaving for one in people.those(part, case)]
        to_suppress = [row for case in outcome.to_suppress for _, row in people.those(part, case)]
        for case in outcome.not_new:
            people.leave_out(part, case)
        optin.add_staged(people, part, newsletter, origin)
        optin.leave_all([(subscriber, row) for subscriber, row in leaving if subscriber], newsletter, origin)
        _suppress(to_suppress, origin)
        if invitations:
            pending = [row.address.key for row in people.newcomers(part) if row.state == "pending"]
            outcome.counts["invited"] = inviting.invite(newsletter, pending, invitations)
        _require_not_renamed(newsletter)
    return outcome


def _require_not_renamed(newsletter: str) -> None:
    """Raise FileError, last in the transaction of a chunk: after waiting for a rename, who leaves is not found."""
    if (now := labels.today(newsletter)) != newsletter:
        raise FileError(
            f"{newsletter} was renamed to {now}; what the file still has was not imported. Rename its table in "
            f"newsletter.toml, then import the file again into {now}."
        )


def _suppress(rows: list[Newcomer], origin: Origin) -> None:
    if rows:
        since = {row.hash: at for row in rows if (at := _since(row))}
        optin.suppress_all({row.hash: row.suppressed for row in rows}, origin, since=since)


def _since(row: Newcomer) -> datetime | None:
    return stated_consent.Dates().past(orjson.loads(row.claimed or "{}").get("suppressed_at", ""))


def _judge(cases: Mapping[Case, int]) -> _Outcome:
    outcome = _Outcome()
    for case, people in cases.items():
        if optin.STRENGTH.get(case.suppressed, -1) > optin.STRENGTH.get(case.reason, -1):
            outcome.to_suppress.append(case)
            outcome.counts["newly_suppressed"] += people
        what = _what_becomes_of(case)
        if what == "new":
            outcome.new[case.state, case.suppressed] += people
            continue
        outcome.not_new.append(case)
        outcome.counts[what] += people
        if what == "left":
            outcome.leaving.append(case)
    return outcome


def _what_becomes_of(case: Case) -> str:
    """Return the name of the count in `Report`; nothing is said of those who are only suppressed."""
    if case.state == ONLY_SUPPRESSED:
        return ONLY_SUPPRESSED
    if not case.here:
        return "suppressed" if case.reason and (case.reason == "erased" or not case.suppressed) else "new"
    if case.state == "unsubscribed":
        return "unchanged" if case.here == "unsubscribed" else "left"
    if optin.has_left(case.here, case.last_step):
        return "stay_unsubscribed"
    if case.here == "pending" and case.state == "active" and not case.suppressed:
        return "stay_pending"
    return "unchanged"


def _report(stage: Stage, outcomes: Iterable[_Outcome], rejected_file: Path | None) -> Report:
    new, counts = Counter[tuple[str, str]](), Counter[str]()
    for outcome in outcomes:
        new.update(outcome.new)
        counts.update(outcome.counts)
    del counts[ONLY_SUPPRESSED]
    by_state = Counter[str]()
    for (state, suppressed), people in new.items():
        by_state["suppressed" if suppressed else state] += people
    return Report(
        **counts,
        new=new.total(),
        new_by_state=dict(sorted(by_state.items())),
        duplicates=stage.good - stage.distinct,
        rejected=len(stage.rejected_rows),
        kept_out=stage.kept_out,
        first_kept_out=stage.first_kept_out,
        first_rejected=tuple(Rejected(*found) for found in stage.rejected_rows.reasons(EXAMPLES)),
        rejected_file=rejected_file,
    )
