"""Copies of an SQLite database that is in use. The file alone would not do: the latest commits stand in its log."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a database into one file, as it was at one moment. Raises sqlite3.Error, OSError."""
    # mode=rw: a source that vanished is not made anew.
    with (
        closing(sqlite3.connect(f"file:{quote(str(source))}?mode=rw", uri=True, timeout=20)) as reading,
        closing(sqlite3.connect(target)) as writing,
    ):
        # All pages in one step: one snapshot, and a concurrent writer neither waits nor makes it start again.
        reading.backup(writing, pages=-1)
        writing.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it


def count_subscribers(copy: Path) -> int:
    """Check a copy, and return how many subscribers it has. Raises sqlite3.Error, also for one that is damaged."""
    with closing(sqlite3.connect(copy)) as opened:
        found = [str(row[0]) for row in opened.execute("PRAGMA integrity_check")]
        if found != ["ok"]:
            raise sqlite3.DatabaseError(f"the copy is damaged ({found[0]}), and so may be the database")
        return int(opened.execute("SELECT count(*) FROM subscribers_subscriber").fetchone()[0])
