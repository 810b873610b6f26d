"""What was acknowledged is in the journal on disk, whoever writes, renames or dies at the same time."""

import errno
import os
import subprocess
import sys
import textwrap
import time
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID, uuid4

import pytest

from subscribers import journal
from subscribers.journal import Leaving

AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "leaving.jsonl"


def leaving(**changes) -> Leaving:
    return Leaving(**{"public_id": uuid4(), "newsletter": "weekly", "how": "one-click", "at": AT} | changes)


def written(path) -> list[Leaving | None]:
    return [journal.parse(line) for line in path.read_bytes().splitlines() if line]


def test_what_is_appended_is_read_again_and_only_by_its_owner(path):
    one = leaving()
    journal.append(path, one)
    assert written(path) == [one]
    assert path.stat().st_mode & 0o777 == 0o600


def test_file_and_folder_are_synced_before_the_click_is_answered(path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    journal.append(path, leaving())
    assert synced == [str(path.parent), str(path)]


def test_half_a_line_of_a_process_that_was_killed_spoils_no_other(path):
    first, second = leaving(), leaving()
    journal.append(path, first)
    with path.open("ab") as file:
        file.write(b'{"public_id": "0192')
    journal.append(path, second)
    assert written(path) == [first, None, second]


def test_a_full_disk_leaves_no_half_line(path, monkeypatch):
    journal.append(path, leaving())
    before, write = path.read_bytes(), os.pwrite

    def fill_up(descriptor, line, at):
        if len(line) < 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, line[:10], at)

    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", fill_up)
        with pytest.raises(OSError, match="No space"):
            journal.append(path, leaving())
    assert path.read_bytes() == before


def test_a_journal_is_renamed_only_when_nobody_has_written_since_it_was_read(path):
    journal.append(path, leaving())
    _, end = journal.read(path, 0)
    late = leaving()
    journal.append(path, late)
    assert not journal.rename_if_read(path, end, "done")
    lines, end = journal.read(path, end)
    assert [journal.parse(line) for line in lines] == [late]
    assert journal.rename_if_read(path, end, "done")
    assert not path.exists()


def test_a_writer_that_waited_for_a_renamed_journal_writes_to_the_new_one(path):
    """Twenty processes append while it is renamed as fast as possible: each line is in one file, once."""
    program = textwrap.dedent("""
        import sys
        from datetime import UTC, datetime
        from pathlib import Path
        from uuid import UUID
        from subscribers import journal

        for number in range(50):
            one = journal.Leaving(UUID(int=int(sys.argv[2]) * 1000 + number), "weekly", "page", datetime.now(UTC))
            journal.append(Path(sys.argv[1]), one)
    """)
    appenders = [subprocess.Popen([sys.executable, "-c", program, str(path), str(number)]) for number in range(8)]
    renamed, until = 0, time.monotonic() + 60
    while any(appender.poll() is None for appender in appenders):
        assert time.monotonic() < until
        if path.exists():
            _, end = journal.read(path, 0)
            renamed += journal.rename_if_read(path, end, f"done-{renamed}")
    files = [*path.parent.glob("done-*"), *path.parent.glob("leaving.jsonl")]
    found = [one.public_id for file in files for one in written(file)]
    assert renamed > 1
    assert sorted(found) == [UUID(int=one * 1000 + number) for one in range(8) for number in range(50)]


def test_what_waits_is_counted_since_the_oldest(path):
    assert journal.waiting(path) == journal.Waiting()
    journal.append(path, leaving())
    journal.append(path, leaving(at=AT + timedelta(minutes=1)))
    assert journal.waiting(path) == journal.Waiting(2, AT)


@pytest.mark.parametrize(
    "changes",
    [
        {"newsletter": "a\0b"},
        {"newsletter": ""},
        {"newsletter": "x" * 65},
        {"how": "a\0"},
        {"at": datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))},
        {"at": datetime(2026, 11, 20)},
    ],
)
def test_what_the_database_would_choke_on_is_not_a_leaving(path, changes):
    journal.append(path, leaving(**changes))
    assert written(path) == [None]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"nonsense",
        b"[]",
        b"null",
        b'{"public_id": 7}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"public_id": "x", "at": "y"}',
    ],
)
def test_what_is_not_a_leaving_is_none(line):
    assert journal.parse(line) is None
