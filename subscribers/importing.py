"""Readers from a file. First read into a stage beside the database, judged against it, and only then written.

Whoever left or may not be mailed stays so, whatever the file says: a file is never consent newer than a reader's own.
"""

import csv
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType

from django.db import IntegrityError, transaction

from subscribers import links, optin
from subscribers.addresses import Address, AddressError, clean_name, is_language_code, parse
from subscribers.csvfiles import BadRecord, FileError, Record, formula_restored, formula_safe, read_records
from subscribers.models import Subscription, Suppression
from subscribers.optin import Newcomer, Origin

CHUNK = 1000  # rows in a transaction: SQLite has one writer, and readers want to leave meanwhile
EXAMPLES = 5
EMAIL_HEADINGS = ("email", "e-mail", "email address", "e-mail address")
STATE_HEADINGS = ("state", "status")

# What the files of other services call it; (state, suppressed because).
STATES = {
    "active": ("active", ""),
    "confirmed": ("active", ""),
    "subscribed": ("active", ""),
    "pending": ("pending", ""),
    "unconfirmed": ("pending", ""),
    "unsubscribed": ("unsubscribed", ""),
    "bounced": ("active", "bounce"),
    "cleaned": ("active", "bounce"),
    "complained": ("unsubscribed", "complaint"),
}
# Where a file names an address twice, what mails least counts: the later in these lists.
STATE_ORDER = ("active", "pending", "unsubscribed")
SUPPRESSED_ORDER = ("", *sorted(optin.STRENGTH, key=lambda reason: optin.STRENGTH[reason]))


@dataclass(frozen=True)
class Rejected:
    line: int
    reason: str


@dataclass(frozen=True)
class Report:
    """What became of the rows of a file, or would become of them."""

    new: int = 0
    unchanged: int = 0  # there already
    stay_unsubscribed: int = 0  # the file would have them back
    left: int = 0  # unsubscribed by the file
    suppressed: int = 0  # nobody may mail them: not taken in
    duplicates: int = 0  # named more than once in the file
    rejected: int = 0
    new_by_state: dict[str, int] = field(default_factory=dict)
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
    suppressed: int = 0


def import_csv(path: Path, newsletter: str, default_state: str | None, source: str) -> Report:
    """The file's readers are taken in. Raises FileError for a file that cannot be read as a whole."""
    with read(path, newsletter, default_state) as stage:
        return apply(stage, source)


class Stage:
    """The rows of a file, each address once, in a temporary SQLite file: a file may be larger than our memory."""

    def __init__(self, path: Path, newsletter: str) -> None:
        self.path, self.newsletter = path, newsletter
        self.good = 0
        self._folder = tempfile.TemporaryDirectory(prefix="mailer-import-")
        # No isolation: nothing but this process reads it, and nothing is lost with it.
        self._rows = sqlite3.connect(Path(self._folder.name) / "stage.sqlite3", isolation_level=None)
        self._rows.executescript(
            """
            PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;
            CREATE TABLE reader (key TEXT PRIMARY KEY, email TEXT, state INTEGER, name TEXT, language TEXT,
                                 suppressed INTEGER);
            CREATE TABLE rejected (line INTEGER, reason TEXT, text TEXT);
            BEGIN;
            """
        )

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._rows.close()
        self._folder.cleanup()

    def add(self, row: Newcomer) -> None:
        self.good += 1
        state, suppressed = STATE_ORDER.index(row.state), SUPPRESSED_ORDER.index(row.suppressed)
        self._rows.execute(
            "INSERT INTO reader VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
            "state = max(state, excluded.state), suppressed = max(suppressed, excluded.suppressed)",
            (row.address.key, row.address.email, state, row.name, row.language, suppressed),
        )

    def reject(self, line: int, reason: str, text: str) -> None:
        self._rows.execute("INSERT INTO rejected VALUES (?, ?, ?)", (line, reason, text))

    def chunks(self) -> Iterator[list[Newcomer]]:
        columns = "key, email, state, name, language, suppressed"
        with closing(self._rows.execute(f"SELECT {columns} FROM reader ORDER BY rowid")) as found:  # noqa: S608
            while rows := found.fetchmany(CHUNK):
                yield [
                    Newcomer(Address(email, key), STATE_ORDER[state], name, language, SUPPRESSED_ORDER[suppressed])
                    for key, email, state, name, language, suppressed in rows
                ]

    @property
    def distinct(self) -> int:
        return int(self._rows.execute("SELECT count(*) FROM reader").fetchone()[0])

    @property
    def rejected(self) -> int:
        return int(self._rows.execute("SELECT count(*) FROM rejected").fetchone()[0])

    def rejected_rows(self) -> Iterator[tuple[int, str, str]]:
        yield from self._rows.execute("SELECT line, reason, text FROM rejected ORDER BY line")


def read(path: Path, newsletter: str, default_state: str | None) -> Stage:
    """The file's rows, good ones and rejected ones; the database has not been asked. Raises FileError."""
    stage = Stage(path, newsletter)
    try:
        _fill(stage, read_records(path), default_state)
    except BaseException:
        stage.__exit__(None, None, None)
        raise
    return stage


def _fill(stage: Stage, records: Iterator[Record | BadRecord], default_state: str | None) -> None:
    columns = _columns(next(records, None), stage.path)
    if "state" not in columns and default_state is None:
        raise FileError(
            f"{stage.path} does not say who confirmed: it has no column named state. If all of its readers gave "
            "their consent, add --state active; if nobody did yet, --state pending."
        )
    for record in records:
        if isinstance(record, BadRecord):
            stage.reject(record.line, record.reason, record.text)
            continue
        if not any(cell.strip() for cell in record.cells):
            continue  # spreadsheets end files in rows of empty cells
        try:
            stage.add(_newcomer(record, columns, default_state, stage.newsletter))
        except (AddressError, _BadRow) as error:
            stage.reject(record.line, str(error), _as_text(record.cells))


class _BadRow(ValueError):
    pass


def _columns(heading: Record | BadRecord | None, path: Path) -> dict[str, int]:
    """The place of each column that we know, and under "" how many there are. Raises FileError."""
    if heading is None:
        raise FileError(f"{path} is empty; its first line must name the columns: email, or email,name,state.")
    if isinstance(heading, BadRecord):
        raise FileError(f"{path}:{heading.line} the line that names the columns is broken: {heading.reason}.")
    names = [cell.strip().lower() for cell in heading.cells]
    known = dict.fromkeys(EMAIL_HEADINGS, "email") | dict.fromkeys(STATE_HEADINGS, "state")
    columns = {known.get(name, name): place for place, name in reversed(list(enumerate(names))) if name}
    if "email" not in columns:
        found = ", ".join(name for name in names if name and "@" not in name)[:200]
        has = f"it names {found}" if found else "it names none"
        raise FileError(f"{path}:1 the first line must name the columns, one of them email; {has}.")
    return columns | {"": len(names)}


def _newcomer(record: Record, columns: dict[str, int], default_state: str | None, newsletter: str) -> Newcomer:
    if any(cell.strip() for cell in record.cells[columns[""] :]):
        raise _BadRow(f"the row has {len(record.cells)} columns, the heading {columns['']}")

    def cell(name: str) -> str:
        place = columns.get(name, len(record.cells))
        return formula_restored(record.cells[place]).strip() if place < len(record.cells) else ""

    other = cell("newsletter")
    if other and other != newsletter:
        raise _BadRow(f"the row is for the newsletter {other[:64]!r}; this import is for {newsletter!r}")
    state, suppressed = _state(cell("state").lower(), default_state)
    suppressed = cell("suppressed").lower() or suppressed
    if suppressed and suppressed not in Suppression.Reason.values:
        raise _BadRow(f"suppressed is {suppressed[:40]!r}; known are {', '.join(Suppression.Reason.values)}")
    language = cell("language")
    if language and not is_language_code(language):
        raise _BadRow(f"language is {language[:40]!r}; write a code such as en or zh-hans, or nothing")
    return Newcomer(parse(cell("email")), state, clean_name(cell("name")), language, suppressed)


def _state(said: str, default_state: str | None) -> tuple[str, str]:
    if not said:
        if default_state is None:
            raise _BadRow("the row does not say the reader's state; add it, or import with --state")
        return default_state, ""
    if said not in STATES:
        raise _BadRow(f"state is {said[:40]!r}; known are {', '.join(STATES)}")
    return STATES[said]


def _as_text(cells: list[str]) -> str:
    return ",".join(cells)[:1000]


def plan(stage: Stage) -> Report:
    """What `apply` would do now. Nothing is written."""
    report = _count(stage, (_judge(stage.newsletter, rows) for rows in stage.chunks()))
    return _with_rejected(stage, report, rejected_file=None)


def apply(stage: Stage, source: str) -> Report:
    """The stage's readers are in the database, and its rejected rows in a file beside the one they came from.

    A process that dies halfway leaves whole chunks behind; the same import again does the rest.
    """
    report = _count(stage, (_take_in(stage.newsletter, rows, source) for rows in stage.chunks()))
    return _with_rejected(stage, report, rejected_file=_write_rejected(stage))


def _take_in(newsletter: str, rows: list[Newcomer], source: str) -> _Verdict:
    try:
        return _take_in_once(newsletter, rows, source)
    except IntegrityError:
        # Somebody of these signed up between our look and our write; now we see them.
        return _take_in_once(newsletter, rows, source)


def _take_in_once(newsletter: str, rows: list[Newcomer], source: str) -> _Verdict:
    origin = Origin(how="import", source=source)
    with transaction.atomic():
        verdict = _judge(newsletter, rows)
        optin.take_in(newsletter, verdict.new, verdict.leaving, origin)
        reasons = {links.suppression_hash(row.address.key): row.suppressed for row in verdict.to_suppress}
        optin.suppress_all(reasons, origin)
    return verdict


_JUDGED_BY = ("subscriber__email_key", "state", "pk", "subscriber_id")


def _judge(newsletter: str, rows: list[Newcomer]) -> _Verdict:
    keys = [row.address.key for row in rows]
    found = Subscription.objects.filter(newsletter=newsletter, subscriber__email_key__in=keys)
    there = {key: (state, pk, reader) for key, state, pk, reader in found.values_list(*_JUDGED_BY)}
    not_active = [reader for state, _, reader in there.values() if state != "active"]
    left = optin.those_who_left(newsletter, not_active) if not_active else set()
    hashes = {key: links.suppression_hash(key) for key in keys}
    suppressed = dict(Suppression.objects.filter(hash__in=hashes.values()).values_list("hash", "reason"))
    verdict = _Verdict()
    for row in rows:
        state, pk, _ = there.get(row.address.key, (None, 0, 0))
        _judge_row(row, state, pk in left, suppressed.get(hashes[row.address.key]), verdict)
    return verdict


def _judge_row(row: Newcomer, state: str | None, left: bool, suppressed: str | None, verdict: _Verdict) -> None:
    stronger = optin.STRENGTH.get(row.suppressed, -1) > optin.STRENGTH.get(suppressed or "", -1)
    if stronger:
        verdict.to_suppress.append(row)
    if state is None and suppressed and not row.suppressed:
        verdict.suppressed += 1
    elif state is None:
        verdict.new.append(row)
    elif row.state == "unsubscribed" and state != "unsubscribed":
        verdict.leaving.append(row)
    elif left and row.state != "unsubscribed":
        verdict.stay_unsubscribed += 1
    else:
        verdict.unchanged += 1


def _count(stage: Stage, verdicts: Iterator[_Verdict]) -> Report:
    new: dict[str, int] = {}
    unchanged = stay = left = suppressed = 0
    for verdict in verdicts:
        for row in verdict.new:
            new[row.state] = new.get(row.state, 0) + 1
        unchanged += verdict.unchanged
        stay += verdict.stay_unsubscribed
        left += len(verdict.leaving)
        suppressed += verdict.suppressed
    return Report(
        new=sum(new.values()),
        unchanged=unchanged,
        stay_unsubscribed=stay,
        left=left,
        suppressed=suppressed,
        duplicates=stage.good - stage.distinct,
        new_by_state=new,
    )


def _with_rejected(stage: Stage, report: Report, rejected_file: Path | None) -> Report:
    first = tuple(
        Rejected(line, reason) for (line, reason, _), _ in zip(stage.rejected_rows(), range(EXAMPLES), strict=False)
    )
    return replace(report, rejected=stage.rejected, first_rejected=first, rejected_file=rejected_file)


def rejected_file_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.rejected.csv")


def _write_rejected(stage: Stage) -> Path | None:
    """Where the rejected rows are to be read; None when there are none. Raises FileError."""
    if not stage.rejected:
        return None
    path = rejected_file_of(stage.path)
    try:
        path.touch(mode=0o600)  # it holds addresses
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["line", "reason", "row"])
            writer.writerows(
                (line, reason, formula_safe(text.replace("\0", ""))) for line, reason, text in stage.rejected_rows()
            )
    except OSError as error:
        raise FileError(f"{path} cannot be written ({error.strerror}); the good rows were imported.") from error
    return path
