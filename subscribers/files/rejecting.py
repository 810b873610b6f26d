"""Keep the rows of a file that cannot be imported, and write them to a file that can be fixed and imported again."""

import csv
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import orjson

from subscribers.files.atomic_files import whole_file
from subscribers.files.columns import REJECTED_BECAUSE, REJECTED_LINE, is_ours
from subscribers.files.csv_records import BadRecord, FileError, Record, formula_restored, formula_safe


class RejectedRows:
    """Rejected rows with their reasons, in a file without a name: SQLite unlinks it as it opens it.

    So a killed import leaves no addresses behind. Nothing but this process reads it, and nothing is lost with it.
    """

    def __init__(self) -> None:
        self._rows = sqlite3.connect("", isolation_level=None)
        self._rows.executescript(
            """
            PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;
            CREATE TABLE rejected (line INTEGER, reason TEXT, cells BLOB);
            BEGIN;
            """
        )

    def close(self) -> None:
        self._rows.close()

    def add(self, record: Record | BadRecord, reason: str) -> None:
        self._rows.execute("INSERT INTO rejected VALUES (?, ?, ?)", (record.line, reason, orjson.dumps(record.cells)))

    def __len__(self) -> int:
        return int(self._rows.execute("SELECT count(*) FROM rejected").fetchone()[0])

    def reasons(self, most: int) -> Iterator[tuple[int, str, int]]:
        """Return first line, reason and number of rows for each reason of rejection: many may lack the same."""
        counted = "SELECT min(line) AS first, reason, count(*) FROM rejected GROUP BY reason ORDER BY first LIMIT ?"
        yield from self._rows.execute(counted, (most,))

    def __iter__(self) -> Iterator[tuple[int, str, list[str]]]:
        """Return line, reason and cells of each row."""
        for line, reason, cells in self._rows.execute("SELECT line, reason, cells FROM rejected ORDER BY line"):
            yield line, reason, orjson.loads(cells)


def rejected_file_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.rejected.csv")


def write(rejected: RejectedRows, heading: tuple[str, ...], source: Path, path: Path) -> Path | None:
    """Write the rejected rows to a file that can be fixed and imported; return its path, or None. Raises FileError."""
    if not rejected:
        return None
    try:
        if path.exists() and path.samefile(source):
            raise FileError(
                f"{path} is the file being imported, so nothing was imported; --rejected must name another file."
            )
        with whole_file(path, "utf-8-sig") as file:
            writer = csv.writer(file)
            kept = [place for place, name in enumerate(heading) if not is_ours(name)]
            writer.writerow([REJECTED_LINE, REJECTED_BECAUSE, *(formula_safe(heading[place]) for place in kept)])
            for line, reason, cells in rejected:
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
