"""The rows of a file in a stage beside the database, each address once: a file may be larger than our memory."""

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from itertools import chain
from pathlib import Path
from types import TracebackType

import orjson

from subscribers.addresses import Address, AddressError, parse
from subscribers.files import csv_records, json_lines
from subscribers.files.claims import Dates
from subscribers.files.csv_records import BadRecord, FileError, Record, Watch, formula_restored, nobody
from subscribers.files.headings import Columns, HeadingError, recognise
from subscribers.files.rows import STATE_ORDER, SUPPRESSED_ORDER, BadRow, UnknownState, newcomer
from subscribers.records import Newcomer, hashes_of

CHUNK = 20_000  # rows in a transaction: two thirds of a second, in which on SQLite nobody else can write

STATES = {state: number for number, state in enumerate(STATE_ORDER)}
REASONS = {reason: number for number, reason in enumerate(SUPPRESSED_ORDER)}


class Stage:
    """What a file says, in a temporary SQLite file."""

    def __init__(self, path: Path, newsletter: str) -> None:
        self.path, self.newsletter = path, newsletter
        self.good = 0  # rows
        self.distinct = 0  # readers, once `chunks` went through all of them
        self.columns = Columns((), (), ())
        self.guesses: list[str] = []  # what the file did not tell, and what it was taken for
        self.dates = Dates()
        self.unknown_states = False  # rows were rejected for a word that we do not know
        self._waiting: list[Newcomer] = []
        # A file without a name: SQLite unlinks it as it opens it, so a killed import leaves no addresses behind.
        # No isolation: nothing but this process reads it, and nothing is lost with it.
        self._rows = sqlite3.connect("", isolation_level=None)
        self._rows.executescript(
            """
            PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-16000;
            CREATE TABLE reader (hash TEXT, key TEXT, email TEXT, state INTEGER, name TEXT, language TEXT,
                                 suppressed INTEGER, claimed TEXT);
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
        """All rows that were added stand in the file."""
        hashes = hashes_of(self._waiting)
        self._rows.executemany(
            "INSERT INTO reader VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (hashes[address.key], address.key, address.email, STATES[state], name, language, REASONS[reason], claim)
                for address, state, name, language, reason, claim, _ in self._waiting
            ],
        )
        self._waiting.clear()

    def sort(self) -> None:
        """The rows stand by their hash: the database's largest index then grows at one end, not in all its pages."""
        self._rows.execute("CREATE TABLE sorted AS SELECT * FROM reader ORDER BY hash, state DESC")
        self._rows.executescript("DROP TABLE reader; PRAGMA cache_size=-1000; PRAGMA shrink_memory;")

    def reject(self, line: int, reason: str, cells: list[str]) -> None:
        self._rows.execute("INSERT INTO rejected VALUES (?, ?, ?)", (line, reason, orjson.dumps(cells)))

    def chunks(self) -> Iterator[list[Newcomer]]:
        """Each reader once. Where the file names an address twice, what mails least counts."""
        self.distinct, chunk = 0, list[Newcomer]()
        with closing(self._rows.execute("SELECT * FROM sorted ORDER BY rowid")) as found:
            for hash, key, email, state, name, language, reason, claimed in found:
                if chunk and chunk[-1].hash == hash:
                    reason = max(reason, REASONS[chunk[-1].suppressed])
                    chunk[-1] = chunk[-1]._replace(suppressed=SUPPRESSED_ORDER[reason])
                    continue
                if len(chunk) >= CHUNK:
                    yield chunk
                    chunk = []
                self.distinct += 1
                suppressed = SUPPRESSED_ORDER[reason]
                chunk.append(
                    Newcomer(Address(email, key), STATE_ORDER[state], name, language, suppressed, claimed, hash)
                )
        if chunk:
            yield chunk

    @property
    def rejected(self) -> int:
        return int(self._rows.execute("SELECT count(*) FROM rejected").fetchone()[0])

    def rejected_rows(self) -> Iterator[tuple[int, str, list[str]]]:
        """Line, reason, cells."""
        for line, reason, cells in self._rows.execute("SELECT line, reason, cells FROM rejected ORDER BY line"):
            yield line, reason, orjson.loads(cells)


def read(
    path: Path,
    newsletter: str,
    default_state: str | None,
    chosen: Mapping[str, str] | None = None,
    watch: Watch = nobody,
) -> Stage:
    """The file's rows, good ones and rejected ones; the database has not been asked. Raises FileError.

    `chosen` says which column is which field, where the headings do not; `watch` is told how many bytes were read.
    """
    stage = Stage(path, newsletter)
    try:
        _fill(stage, _records(stage, watch), default_state, chosen or {})
    except sqlite3.Error as error:
        stage.__exit__(None, None, None)
        raise FileError(
            f"{path} could not be put in order ({error}), so nothing was imported; it takes its own size in "
            f"{tempfile.gettempdir()}, and TMPDIR names another folder."
        ) from error
    except BaseException:
        stage.__exit__(None, None, None)
        raise
    return stage


def _records(stage: Stage, watch: Watch) -> Iterator[Record | BadRecord]:
    if json_lines.is_json(stage.path):
        return json_lines.read_records(stage.path, watch)
    encoding = csv_records.find_encoding(stage.path)
    if encoding.guess:
        stage.guesses.append(f"Read as {encoding.name}: {encoding.guess}. Names may be wrong; CSV UTF-8 is sure.")
    return csv_records.read_records(stage.path, encoding, watch)


def _fill(
    stage: Stage, records: Iterator[Record | BadRecord], default_state: str | None, chosen: Mapping[str, str]
) -> None:
    heading = next(records, None)
    if isinstance(heading, Record) and len(heading.cells) == 1 and _is_address(heading.cells[0]):
        stage.guesses.append("Its first line is an address, so it is taken for a plain list without a heading.")
        heading, records = Record(1, ["email"]), chain([heading], records)
    columns = stage.columns = _columns(heading, chosen, stage.path)
    if not columns.says_state and default_state is None:
        raise FileError(
            f"{stage.path} does not say who confirmed: it has no column named state{_overlooked(columns)}. If all of "
            "its readers gave their consent, add --state active; if nobody did yet, --state pending; if all of them "
            "left, --state unsubscribed."
        )
    if columns.whole:
        stage.guesses.append(f"By its name or its columns all of its readers are {columns.whole}.")
    if columns.also_email:
        names = ", ".join(columns.also_email)
        stage.guesses.append(f"More than one column may be the address; not read: {names} (--map email=COLUMN).")
    for record in records:
        _take(stage, record, columns, default_state)
    stage.flush()
    stage.sort()


def _overlooked(columns: Columns) -> str:
    if not columns.doubtful:
        return ""
    names = ", ".join(columns.doubtful)[:200]
    return (
        f". But look first at what was not read ({names}): --map state=COLUMN takes one with words such as active, "
        "--map subscribed=COLUMN or --map unsubscribed=COLUMN one with yes and no"
    )


def _take(stage: Stage, record: Record | BadRecord, columns: Columns, default_state: str | None) -> None:
    if isinstance(record, BadRecord):
        stage.reject(record.line, record.reason, record.cells)
        return
    stage.dates.line = record.line
    try:
        stage.add(newcomer(record.cells, columns, default_state, stage.newsletter, stage.dates))
    except (AddressError, BadRow) as error:
        # Spreadsheets end files in rows of empty cells.
        if any(cell.strip() for cell in record.cells):
            stage.reject(record.line, str(error), record.cells)
            stage.unknown_states |= isinstance(error, UnknownState)


def _is_address(cell: str) -> bool:
    with suppress(AddressError):
        return bool(parse(cell))
    return False


def _columns(heading: Record | BadRecord | None, chosen: Mapping[str, str], path: Path) -> Columns:
    if heading is None or not heading.line or not heading.cells:
        raise FileError(f"{path} is empty; its first line must name the columns: email, or email,name,state.")
    if isinstance(heading, BadRecord):
        raise FileError(f"{path}:{heading.line} the line that names the columns is broken: {heading.reason}.")
    if any("@" in cell and _is_address(cell) for cell in heading.cells):
        raise FileError(
            f"{path}:{heading.line} the first line must name the columns, and looks like a reader: an address stands "
            "in it. Write a line before it such as email,name,state."
        )
    try:
        return recognise([formula_restored(cell) for cell in heading.cells], chosen, path.name)
    except HeadingError as error:
        raise FileError(f"{path}:{heading.line} {error}") from None
