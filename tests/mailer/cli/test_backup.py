"""A backup is complete, or it does not exist."""

import sqlite3
import stat
import threading
from functools import partial
from pathlib import Path

import pytest

from mailer.cli import backup
from mailer.cli.terminal import Problem


def backed_up(database: Path, file: Path) -> str:
    return backup.back_up(partial(backup.copy_sqlite, database), file)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "mailer.sqlite3"
    with sqlite3.connect(path) as made:
        made.execute("PRAGMA journal_mode=WAL")
        made.execute("CREATE TABLE subscribers_subscriber (id INTEGER PRIMARY KEY, email TEXT)")
        made.execute("CREATE TABLE told (reader INTEGER)")
        made.execute("INSERT INTO subscribers_subscriber VALUES (1, 'ada@readers.example')")
    made.close()
    return path


def test_a_copy_made_while_others_write_is_one_moment_of_the_database(database, tmp_path):
    """Each transaction writes a subscriber and a row about them: a copy with only one of the two is inconsistent."""
    stopping = threading.Event()
    written = threading.Event()

    def write() -> None:
        with sqlite3.connect(database, timeout=20) as one:
            number = 1
            while not stopping.is_set():
                number += 1
                one.execute("BEGIN IMMEDIATE")
                one.execute("INSERT INTO subscribers_subscriber VALUES (?, ?)", (number, "x" * 2000))
                one.execute("INSERT INTO told VALUES (?)", (number,))
                one.commit()
                written.set()
        one.close()

    writer = threading.Thread(target=write)
    writer.start()
    written.wait(60)
    try:
        copies = [tmp_path / f"copy{number}.sqlite3" for number in range(5)]
        for copy in copies:
            backed_up(database, copy)
    finally:
        stopping.set()
        writer.join()
    for copy in copies:
        with sqlite3.connect(copy) as opened:
            readers, told = (
                opened.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
                for name in ("subscribers_subscriber", "told")
            )
        opened.close()
        assert readers == told + 1 > 1


def test_a_backup_is_one_file_that_only_its_owner_reads(database, tmp_path):
    assert "copy: 1 subscriber, " in backed_up(database, tmp_path / "copy")
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.glob("copy*")) == ["copy"]


def test_nothing_is_overwritten(database, tmp_path):
    (tmp_path / "copy").write_text("precious")
    with pytest.raises(Problem, match="already exists"):
        backed_up(database, tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "precious"


def test_a_damaged_database_leaves_no_backup_behind_that_looks_like_one(database, tmp_path):
    with sqlite3.connect(database) as opened:
        opened.executemany("INSERT INTO told VALUES (?)", [(number,) for number in range(5000)])
    opened.close()
    content = bytearray(database.read_bytes())
    content[4096 * 4 : 4096 * 5] = b"\xff" * 4096
    database.write_bytes(content)
    with pytest.raises(Problem, match="not backed up"):
        backed_up(database, tmp_path / "copy")
    assert not list(tmp_path.glob("copy*"))


def test_a_place_that_cannot_be_written_is_named(database, tmp_path):
    with pytest.raises(Problem, match="nowhere/copy cannot be written"):
        backed_up(database, tmp_path / "nowhere" / "copy")


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
def test_the_command_says_what_it_wrote(run, settings, database, tmp_path):
    settings.DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": database}}
    ran = run("backup", tmp_path / "copy")
    assert (ran.code, "1 subscriber" in ran.out) == (0, True)
    assert "optouts.log" in ran.err
