import errno
import os
import subprocess
import sys

import pytest

from subscribers import shared_files

HOLD = """
import sys, pathlib
from subscribers import shared_files
with shared_files.locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def held(tmp_path):
    """Return a file whose lock another process holds, and that process."""
    path = tmp_path / "held"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    yield path, holder
    holder.kill()
    holder.communicate()


def test_a_lock_ends_with_the_process_that_held_it_however_that_ends(held):
    path, holder = held
    assert shared_files.is_locked(path)
    with shared_files.locked_if_free(path) as free:
        assert not free
    holder.kill()
    holder.wait()
    assert not shared_files.is_locked(path)
    with shared_files.locked_if_free(path) as free:
        assert free


def test_two_who_ask_at_once_whether_a_lock_is_held_do_not_see_each_other(tmp_path):
    path = tmp_path / "file"
    path.touch()
    with path.open("rb") as asking:
        shared_files.lock_shared(asking)
        assert not shared_files.is_locked(path)


def test_a_file_that_a_lock_makes_is_for_its_owner_alone(tmp_path):
    with shared_files.locked(tmp_path / "new"):
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600


def test_a_line_after_half_a_line_stands_on_its_own(tmp_path):
    path = tmp_path / "lines"
    path.write_bytes(b"whole\nhal")
    with shared_files.locked(path) as file:
        assert shared_files.append(file.fileno(), b"next\n") == len(b"whole\nhal")
    assert path.read_bytes() == b"whole\nhal\nnext\n"


def test_a_disk_that_takes_half_a_line_keeps_none_of_it(tmp_path, monkeypatch):
    path = tmp_path / "lines"
    path.write_bytes(b"whole\n")
    write, room = os.pwrite, [3]

    def nearly_full(descriptor, data, at):
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[: room.pop()], at)

    monkeypatch.setattr(os, "pwrite", nearly_full)
    with shared_files.locked(path) as file, pytest.raises(OSError, match="No space"):
        shared_files.append(file.fileno(), b"next\n")
    assert path.read_bytes() == b"whole\n"


def test_a_file_is_replaced_whole_or_stays_as_it_was_and_nothing_lies_beside_it(tmp_path, monkeypatch):
    path = tmp_path / "keys"
    shared_files.replace(path, b"former")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        shared_files.replace(path, b"newer")
    assert path.read_bytes() == b"former"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
