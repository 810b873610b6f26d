"""Hold what a file says in tables of the database's connection, each address once: it may be larger than memory."""

import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from types import TracebackType

from django.db import DatabaseError

from subscribers import signed_links
from subscribers.addresses import AddressError
from subscribers.files import csv_records, json_lines, plain_lists
from subscribers.files.archives import Source, unpacked
from subscribers.files.columns import Columns, HeadingError, names_addresses, printable, recognise
from subscribers.files.csv_records import BadRecord, FileError, Record, Watch, formula_restored, nobody
from subscribers.files.rejecting import RejectedRows
from subscribers.files.restricting import Kind, Restriction, restrictions
from subscribers.files.rows import Reading, newcomer
from subscribers.files.stated_consent import Dates
from subscribers.files.unread_columns import Unread
from subscribers.files.voices import BadRow
from subscribers.files.words import OUR_STATES, STATE_ORDER, SUPPRESSED_ORDER
from subscribers.records import Newcomer
from subscribers.staged import Row, Staged

MOST_TITLES = 5  # lines above the heading
EXAMPLES = 1000  # rows that are looked at before the columns are named
MOST_SHOWN = 20  # words in a message
CHUNK = 10_000  # rows in a transaction: a sixth of a second, in which on SQLite nobody else can write

STATES = {state: number for number, state in enumerate(STATE_ORDER)}
KEPT_OUT = "kept out"
ONLY_SUPPRESSED = ""  # the state of an address that a row for another newsletter names as suppressed
REASONS = {reason: number for number, reason in enumerate(SUPPRESSED_ORDER)}


class Stage:
    """What a file says: its people, each once, in temporary tables of the database's connection."""

    def __init__(self, path: Path, newsletter: str) -> None:
        self.path, self.newsletter = path, newsletter
        self.name = path.name  # of the list, which may be inside an archive
        self.good = 0  # rows
        self.duplicates = 0  # good rows of somebody whom another one names
        self.kept_out = 0  # addresses in rows that cannot be understood
        self.first_kept_out = 0  # its line
        self.columns = Columns((), (), ())
        self.guesses: list[str] = []  # what the file did not say, and what was assumed
        self.dates = Dates()
        self.reading = Reading(self.columns, newsletter, None, self.dates)
        self.leaving = 0  # rejected rows that still say that somebody left or is suppressed
        self.people = Staged()
        self.rejected_rows = RejectedRows()
        self._waiting: list[tuple[Newcomer, int]] = []
        self._restricting: list[tuple[int, Restriction]] = []

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.rejected_rows.close()
        with suppress(DatabaseError):  # with the connection they went, too
            self.people.close()

    @property
    def distinct(self) -> int:
        """Return how many people the good rows name."""
        return self.good - self.duplicates

    @property
    def rejected(self) -> int:
        return len(self.rejected_rows)

    def add(self, row: Newcomer) -> None:
        self.good += 1
        self._waiting.append((row, self.dates.line))
        if len(self._waiting) >= CHUNK:
            self.flush()

    def flush(self) -> None:
        """Write all rows added so far to the database's tables."""
        hashes = signed_links.suppression_hashes([row.address.key for row, _ in self._waiting])
        self.people.put(
            [
                (hashes[to.key], to.key, to.email, state, name, language, reason, claim, 0, line)
                for (to, state, name, language, reason, claim, _), line in self._waiting
            ]
        )
        self._waiting.clear()
        hashes = signed_links.suppression_hashes([row.address.key for _, row in self._restricting])
        self.people.put(
            [
                (hashes[to.key], to.key, to.email, state, "", "", reason, claim, int(kind), line)
                for line, (to, kind, state, reason, claim) in self._restricting
            ]
        )
        self._restricting.clear()

    def reject(self, record: Record | BadRecord, reason: str) -> None:
        """Keep a row that cannot be imported; it may still say that some of its people left."""
        self.rejected_rows.add(record, reason)
        found = [(record.line, restriction) for restriction in restrictions(record, self.reading)]
        self.leaving += any(restriction.kind == Kind.RESTRICTS for _, restriction in found)
        self._restricting += found
        if len(self._restricting) >= CHUNK:
            self.flush()

    def sort(self) -> None:
        """Make one row of all that name the same address. What mails least counts."""
        self.flush()
        self.people.sort()
        self.people.merge(self._merged)

    def _merged(self, rows: list[Row]) -> Row | None:
        """Return what becomes of an address, from the rows that name it."""
        self.duplicates += max(0, sum(row.kind == Kind.GOOD for row in rows) - 1)
        one, *others = rows
        found = one if one.kind == Kind.GOOD else self._alone(one)
        for row in others:
            found = self._with(found, row) if found else self._alone(row)
        return None if found and found.state == KEPT_OUT else found

    def _alone(self, row: Row) -> Row | None:
        """Return what becomes of an address that no good row names."""
        if row.kind == Kind.BARS:
            return self._keep_out(row)
        if row.kind == Kind.CAPS:
            return row._replace(state=ONLY_SUPPRESSED) if row.suppressed else None
        return row

    def _with(self, one: Row, row: Row) -> Row:
        if row.kind == Kind.BARS:
            if one.state in (KEPT_OUT, ONLY_SUPPRESSED, "unsubscribed"):
                return one
            return one._replace(state="unsubscribed") if one.suppressed else self._keep_out(row)
        if REASONS[row.suppressed] > REASONS[one.suppressed]:
            one = one._replace(suppressed=row.suppressed)
        if one.state != ONLY_SUPPRESSED and STATES[row.state] > STATES[one.state]:
            one = one._replace(state=row.state, claimed=row.claimed)
        return one

    def _keep_out(self, row: Row) -> Row:
        self.kept_out += 1
        self.first_kept_out = min(self.first_kept_out or row.line, row.line)
        return row._replace(state=KEPT_OUT)


@dataclass(frozen=True)
class Answers:
    """What an operator said of a file that does not tell by itself."""

    columns: Mapping[str, str] = field(default_factory=dict)  # field → heading
    states: Mapping[str, str] = field(default_factory=dict)  # word → one of OUR_STATES
    reject_unknown: bool = False  # rows with an unknown word for their state
    ignored: Sequence[str] = ()  # headings of columns that say nothing about who gets mail


NO_ANSWERS = Answers()


class Undecided(FileError):
    """An operator must first say what the file means; the message asks."""

    def __init__(
        self, message: str, unknown_states: Mapping[str, int], columns: Mapping[str, Mapping[str, int]]
    ) -> None:
        super().__init__(message)
        self.unknown_states, self.columns = unknown_states, columns


def read(
    path: Path,
    newsletter: str,
    default_state: str | None,
    answers: Answers = NO_ANSWERS,
    watch: Watch = nobody,
) -> Stage:
    """Stage the file's rows, good and rejected ones, and judge nobody yet. Raises FileError.

    `default_state` applies to rows that name none; `watch` is told how many bytes were read.
    """
    with _what_it_needs_said(path), ExitStack() as undo:
        stage = undo.enter_context(Stage(path, newsletter))
        with unpacked(path) as source:
            stage.name = source.name
            _fill(stage, _records(stage, source, watch), default_state, answers)
        undo.pop_all()
    return stage


@contextmanager
def _what_it_needs_said(path: Path) -> Iterator[None]:
    try:
        yield
    except (DatabaseError, sqlite3.Error) as error:
        if needs := _what_it_needs(error):
            raise FileError(f"{path} could not be sorted ({error}), so nothing was imported; {needs}.") from error
        raise


def _what_it_needs(error: Exception) -> str:
    """Say what sorting a file lacks; nothing if it was another error."""
    state = getattr(error.__cause__, "sqlstate", None)
    if state == "42501":  # insufficient privilege
        return "it is sorted in temporary tables: GRANT TEMPORARY ON DATABASE … TO the user of DATABASE_URL"
    if state in ("53100", "53400"):  # disk full; more than temp_file_limit
        return "this needs as much space as the file on the server of the database, and a temp_file_limit above that"
    if isinstance(error, sqlite3.Error) or isinstance(error.__cause__, sqlite3.OperationalError):
        return f"this needs as much space as the file in {tempfile.gettempdir()}; TMPDIR sets another folder"
    return ""


def _records(stage: Stage, source: Source, watch: Watch) -> Iterator[Record | BadRecord]:
    if json_lines.is_json(source):
        return json_lines.read_records(source, watch)
    encoding = csv_records.find_encoding(source)
    if encoding.guess:
        stage.guesses.append(f"Read as {encoding.name}: {encoding.guess}. Names may be wrong; CSV UTF-8 is safe.")
    return csv_records.read_records(source, encoding, watch)


def _fill(stage: Stage, records: Iterator[Record | BadRecord], default_state: str | None, answers: Answers) -> None:
    heading, records = _heading(stage, records, answers)
    examples = list(islice(records, EXAMPLES))
    records = chain(examples, records)
    columns = stage.columns = _columns(heading, examples, answers, stage)
    if not columns.says_state and default_state is None:
        raise FileError(
            f"{stage.path} does not say who confirmed: it has no state column{_overlooked(columns)}. If everyone in "
            "it gave consent, add --state active; if nobody did yet, --state pending; if everyone unsubscribed, "
            "--state unsubscribed."
        )
    if columns.whole:
        stage.guesses.append(f"Judging by its name or columns, everyone in it is {columns.whole}.")
    if columns.says_numbers([record.cells for record in examples if isinstance(record, Record)]):
        stage.guesses.append(
            "Numeric states are read as Mailtrain's: 1 subscribed, 2 unsubscribed, 3 bounced, 4 complained. "
            "--map-state 2=pending changes one."
        )
    if columns.also_email:
        names = ", ".join(columns.also_email)
        stage.guesses.append(f"More than one column could be the address; not read: {names} (--map email=COLUMN).")
    mapped = {word.strip().lower(): OUR_STATES[state] for word, state in answers.states.items()}
    stage.reading = Reading(columns, stage.newsletter, default_state, stage.dates, mapped, _usual(examples))
    unread, lengths = Unread(columns), (len(columns.heading), stage.reading.usual)
    for record in records:
        _take(stage, record)
        if isinstance(record, Record) and len(record.cells) in lengths:
            unread.look(record.cells)
    # Somebody imported as unsubscribed gets no mail, whatever else the file says.
    telling = unread.telling() if default_state != "unsubscribed" else {}
    unknown = Counter[str]() if answers.reject_unknown else stage.reading.unknown
    if telling or unknown:
        raise _undecided(stage.path, unknown, telling)
    stage.sort()


def _usual(examples: Sequence[Record | BadRecord]) -> int:
    """Return how many cells nearly all of the first rows have; 0 if they differ."""
    lengths = Counter(len(record.cells) for record in examples if isinstance(record, Record))
    length, rows = lengths.most_common(1)[0] if lengths else (0, 0)
    return length if rows >= 0.9 * lengths.total() else 0


def _undecided(path: Path, unknown: Counter[str], columns: Mapping[str, Counter[str]]) -> Undecided:
    said = [f"{path} does not say clearly who gets email, so nothing was imported."]
    if unknown:
        said.append(
            f"Unknown states: {say_counts(unknown)}. --map-state WORD=STATE maps one ({', '.join(OUR_STATES)}) and "
            "is repeatable; --reject-unknown rejects the rows of all others and keeps their addresses out."
        )
    if columns:
        listed = "; ".join(f"{name}: {say_counts(values, most=5)}" for name, values in columns.items())
        said.append(
            f"Columns that were not read, but may say who must not be emailed: {listed}. --map says what such a column "
            'is: --map subscribed="NAME" or --map do_not_mail="NAME" one of yes and no, --map state="NAME" one of '
            'words, --map unsubscribed_at="NAME" one of days. --ignore-column "NAME" leaves out one that says '
            "something else."
        )
    return Undecided(" ".join(said), dict(unknown), {name: dict(values) for name, values in columns.items()})


def say_counts(values: Counter[str], most: int = MOST_SHOWN) -> str:
    """Say `'vip' (3 rows), 'lead' (1 row)`, the more frequent ones first; no addresses."""
    found = [("an address" if "@" in value else printable(value), count) for value, count in values.most_common(most)]
    shown = ", ".join(f"{value!r} ({count} {'row' if count == 1 else 'rows'})" for value, count in found)
    return shown + (f" and {len(values) - most} more" if len(values) > most else "")


def _overlooked(columns: Columns) -> str:
    if not columns.doubtful:
        return ""
    names = ", ".join(columns.doubtful)[:200]
    return (
        f". But look first at what was not read ({names}): --map state=COLUMN takes one with words such as active, "
        "--map subscribed=COLUMN or --map unsubscribed=COLUMN one with yes and no"
    )


def _take(stage: Stage, record: Record | BadRecord) -> None:
    stage.dates.line = record.line
    if isinstance(record, BadRecord):
        stage.reject(record, record.reason)
        return
    try:
        stage.add(newcomer(record.cells, stage.reading))
    except (AddressError, BadRow) as error:
        # Spreadsheets end files in rows of empty cells, and other separators than the heading's.
        if any(cell.strip(" ,;\t|") for cell in record.cells):
            stage.reject(record, str(error))


def _heading(
    stage: Stage, records: Iterator[Record | BadRecord], answers: Answers
) -> tuple[Record | BadRecord | None, Iterator[Record | BadRecord]]:
    """Return the line that names the columns, and the rows below it."""
    first = list(islice(records, MOST_TITLES + 1))
    if first and plain_lists.is_plain(first[0]):
        stage.guesses.append("Its first line is an address, so it is read as a plain list without a heading.")
        return Record(1, plain_lists.HEADING), plain_lists.records(chain(first, records))
    for number, record in enumerate(first):
        if any("@" in cell for cell in record.cells):
            break  # a row, not a title
        if isinstance(record, Record) and names_addresses(record.cells, answers.columns):
            if number:
                stage.guesses.append(f"The lines before line {record.line} are treated as a title.")
            return record, chain(first[number + 1 :], records)
    return (first[0] if first else None), chain(first[1:], records)


def _columns(
    heading: Record | BadRecord | None, examples: Sequence[Record | BadRecord], answers: Answers, stage: Stage
) -> Columns:
    path = stage.path
    if heading is None or not heading.line or not heading.cells:
        raise FileError(f"{path} is empty; its first line must name the columns: email, or email,name,state.")
    if isinstance(heading, BadRecord):
        raise FileError(f"{path}:{heading.line} the heading line is broken: {heading.reason}.")
    if any("@" in cell and plain_lists.is_address(cell) for cell in heading.cells):
        raise FileError(
            f"{path}:{heading.line} the first line must name the columns, but it contains an address. Add a line "
            "before it such as email,name,state."
        )
    try:
        names = [formula_restored(cell) for cell in heading.cells]
        rows = [record.cells for record in examples if isinstance(record, Record)]
        return recognise(names, answers.columns, stage.name, answers.ignored, rows)
    except HeadingError as error:
        raise FileError(f"{path}:{heading.line} {error}") from None
