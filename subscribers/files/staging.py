"""Hold the rows of a file in a stage beside the database, each address once: a file may be larger than memory."""

import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from types import TracebackType

import orjson

from subscribers import signed_links
from subscribers.addresses import Address, AddressError
from subscribers.files import csv_records, json_lines, plain_lists
from subscribers.files.archives import Source, unpacked
from subscribers.files.columns import Columns, HeadingError, names_addresses, printable, recognise
from subscribers.files.csv_records import BadRecord, FileError, Record, Watch, formula_restored, nobody
from subscribers.files.restricting import Kind, Restriction, restrictions
from subscribers.files.rows import Reading, newcomer
from subscribers.files.stated_consent import Dates
from subscribers.files.unread import Unread
from subscribers.files.voices import BadRow
from subscribers.files.words import OUR_STATES, STATE_ORDER, SUPPRESSED_ORDER
from subscribers.records import Newcomer, hashes_of

MOST_TITLES = 5  # lines above the heading
EXAMPLES = 1000  # rows that are looked at before the columns are named
MOST_SHOWN = 20  # words in a message
CHUNK = 20_000  # rows in a transaction: two thirds of a second, in which on SQLite nobody else can write

STATES = {state: number for number, state in enumerate(STATE_ORDER)}
KEPT_OUT = "kept out"
ONLY_SUPPRESSED = ""  # the state of an address that a row for another newsletter names as suppressed
REASONS = {reason: number for number, reason in enumerate(SUPPRESSED_ORDER)}


class Stage:
    """What a file says, in a temporary SQLite file."""

    def __init__(self, path: Path, newsletter: str) -> None:
        self.path, self.newsletter = path, newsletter
        self.name = path.name  # of the list, which may be inside an archive
        self.good = 0  # rows
        # Once `chunks` went through all of them:
        self.distinct = 0  # subscribers
        self.kept_out = 0  # addresses in rows that cannot be understood
        self.first_kept_out = 0  # its line
        self.columns = Columns((), (), ())
        self.guesses: list[str] = []  # what the file did not say, and what was assumed
        self.dates = Dates()
        self.reading = Reading(self.columns, newsletter, None, self.dates)
        self.leaving = 0  # rejected rows that still say that somebody left or is suppressed
        self._waiting: list[Newcomer] = []
        self._restricting: list[tuple[int, Restriction]] = []
        # A file without a name: SQLite unlinks it as it opens it, so a killed import leaves no addresses behind.
        # No isolation: nothing but this process reads it, and nothing is lost with it.
        self._rows = sqlite3.connect("", isolation_level=None)
        self._rows.executescript(
            """
            PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-16000;
            CREATE TABLE reader (hash TEXT, key TEXT, email TEXT, state INTEGER, name TEXT, language TEXT,
                                 suppressed INTEGER, claimed TEXT);
            CREATE TABLE restricting (hash TEXT, key TEXT, email TEXT, state INTEGER, suppressed INTEGER, claimed TEXT,
                                      kind INTEGER, line INTEGER);
            CREATE TABLE rejected (line INTEGER, reason TEXT, cells BLOB);
            BEGIN;
            """
        )

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._rows.close()

    def add(self, row: Newcomer) -> None:
        self.good += 1
        self._waiting.append(row)
        if len(self._waiting) >= CHUNK:
            self.flush()

    def flush(self) -> None:
        """Write all rows added so far to the file."""
        hashes = hashes_of(self._waiting)
        self._rows.executemany(
            "INSERT INTO reader VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (hashes[address.key], address.key, address.email, STATES[state], name, language, REASONS[reason], claim)
                for address, state, name, language, reason, claim, _ in self._waiting
            ],
        )
        self._waiting.clear()
        hashes = signed_links.suppression_hashes([row.address.key for _, row in self._restricting])
        self._rows.executemany(
            "INSERT INTO restricting VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (hashes[to.key], to.key, to.email, STATES[state], REASONS[reason], claim, int(kind), line)
                for line, (to, kind, state, reason, claim) in self._restricting
            ],
        )
        self._restricting.clear()

    def sort(self) -> None:
        """Sort the rows by hash: the database's largest index then grows at one end, not in all its pages."""
        self._rows.execute(
            f"""
            CREATE TABLE sorted AS
            SELECT hash, key, email, state, name, language, suppressed, claimed, {Kind.GOOD:d} AS kind, 0 AS line
            FROM reader
            UNION ALL SELECT hash, key, email, state, '', '', suppressed, claimed, kind, line FROM restricting
            ORDER BY hash, kind, state DESC
            """  # noqa: S608 — a number of ours
        )
        self._rows.executescript("DROP TABLE reader; PRAGMA cache_size=-1000; PRAGMA shrink_memory;")

    def reject(self, record: Record | BadRecord, reason: str) -> None:
        """Keep a row that cannot be imported; it may still say that some of its people left."""
        self._rows.execute("INSERT INTO rejected VALUES (?, ?, ?)", (record.line, reason, orjson.dumps(record.cells)))
        found = [(record.line, restriction) for restriction in restrictions(record, self.reading)]
        self.leaving += any(restriction.kind == Kind.RESTRICTS for _, restriction in found)
        self._restricting += found
        if len(self._restricting) >= CHUNK:
            self.flush()

    def chunks(self) -> Iterator[list[Newcomer]]:
        """Return each newcomer once, in chunks. If the file names an address twice, what mails least counts."""
        self.distinct = self.kept_out = self.first_kept_out = 0
        chunk = list[Newcomer]()
        with closing(self._rows.execute("SELECT * FROM sorted ORDER BY rowid")) as found:
            for hash, key, email, state, name, language, reason, claimed, kind, line in found:
                row = Newcomer(
                    Address(email, key), STATE_ORDER[state], name, language, SUPPRESSED_ORDER[reason], claimed, hash
                )
                if chunk and chunk[-1].hash == hash:
                    chunk[-1] = self._merged(chunk[-1], row, kind, line)
                    continue
                if len(chunk) >= CHUNK:
                    yield chunk
                    chunk = []
                if kind == Kind.GOOD:
                    self.distinct += 1
                    chunk.append(row)
                elif alone := self._alone(row, kind, line):
                    chunk.append(alone)
        if chunk:
            yield chunk

    def _alone(self, row: Newcomer, kind: int, line: int) -> Newcomer | None:
        """Return what becomes of an address that no good row names."""
        if kind == Kind.BARS:
            return self._keep_out(row, line)
        if kind == Kind.CAPS:
            return row._replace(state=ONLY_SUPPRESSED) if row.suppressed else None
        return row

    def _merged(self, one: Newcomer, row: Newcomer, kind: int, line: int) -> Newcomer:
        if kind == Kind.BARS:
            if one.state in (KEPT_OUT, ONLY_SUPPRESSED, "unsubscribed"):
                return one
            return one._replace(state="unsubscribed") if one.suppressed else self._keep_out(one, line)
        if REASONS[row.suppressed] > REASONS[one.suppressed]:
            one = one._replace(suppressed=row.suppressed)
        if one.state != ONLY_SUPPRESSED and STATES[row.state] > STATES[one.state]:
            one = one._replace(state=row.state, claimed=row.claimed)
        return one

    def _keep_out(self, row: Newcomer, line: int) -> Newcomer:
        self.kept_out += 1
        self.first_kept_out = min(self.first_kept_out or line, line)
        return row._replace(state=KEPT_OUT)

    @property
    def rejected(self) -> int:
        return int(self._rows.execute("SELECT count(*) FROM rejected").fetchone()[0])

    def reasons(self, most: int) -> Iterator[tuple[int, str, int]]:
        """Return first line, reason and number of rows for each reason of rejection: many may lack the same."""
        counted = "SELECT min(line) AS first, reason, count(*) FROM rejected GROUP BY reason ORDER BY first LIMIT ?"
        yield from self._rows.execute(counted, (most,))

    def rejected_rows(self) -> Iterator[tuple[int, str, list[str]]]:
        """Return line, reason and cells of each rejected row."""
        for line, reason, cells in self._rows.execute("SELECT line, reason, cells FROM rejected ORDER BY line"):
            yield line, reason, orjson.loads(cells)


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
    """Stage the file's rows, good and rejected ones, without asking the database. Raises FileError.

    `default_state` applies to rows that name none; `watch` is told how many bytes were read.
    """
    stage = Stage(path, newsletter)
    try:
        with unpacked(path) as source:
            stage.name = source.name
            _fill(stage, _records(stage, source, watch), default_state, answers)
    except sqlite3.Error as error:
        stage.__exit__(None, None, None)
        raise FileError(
            f"{path} could not be sorted ({error}), so nothing was imported; this needs as much space as the file in "
            f"{tempfile.gettempdir()}; TMPDIR sets another folder."
        ) from error
    except BaseException:
        stage.__exit__(None, None, None)
        raise
    return stage


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
    stage.flush()
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
