"""`mailer backup` on PostgreSQL: what the real pg_dump is told, and what it says."""

import os
import stat
import subprocess
from pathlib import Path

import pytest
from django.db import connection

from tests import readers
from tests.parts import postgres_programs

pytestmark = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite needs no program to be copied")

SPY = """\
#!/bin/sh
printf '%s\\n' "$@" >> "{folder}/arguments"
env >> "{folder}/environment"
exec "{program}" "$@"
"""


@pytest.fixture(autouse=True)
def path(monkeypatch) -> str:
    """Put the programs of the server's version on the PATH."""
    path = f"{postgres_programs()}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    return path


@pytest.fixture
def program(tmp_path_factory, monkeypatch, path):
    """Put a script before the real program on the PATH; return its folder."""
    folder = tmp_path_factory.mktemp("programs")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{path}")

    def write(name: str, script: str) -> Path:
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
        return folder

    return write


def contents(dump: Path) -> str:
    command = [postgres_programs() / "pg_restore", "--list", dump]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_whole_database_goes_into_a_file_that_only_its_owner_reads(run, tmp_path):
    readers.confirmed()
    ran = run("backup", tmp_path / "copy")
    assert (ran.code, ran.err.count("\n")) == (0, 1), ran.err
    assert "copy: 1 subscriber, " in ran.out
    assert "optouts.log too" in ran.err
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o600
    assert "TABLE DATA public mailer_send " in contents(tmp_path / "copy")
    assert not (tmp_path / "copy.part").exists()


def test_nothing_is_overwritten(run, tmp_path):
    (tmp_path / "copy").write_text("precious")
    ran = run("backup", tmp_path / "copy")
    assert (ran.code, "already exists" in ran.err) == (1, True)
    assert (tmp_path / "copy").read_text() == "precious"


def test_the_password_is_on_no_command_line_and_what_else_connects_is(run, program, tmp_path, monkeypatch):
    for name in ("pg_dump", "pg_restore"):
        program(name, SPY.format(folder=tmp_path, program=postgres_programs() / name))
    monkeypatch.setitem(connection.settings_dict, "PASSWORD", "hunter 4")
    options = connection.settings_dict["OPTIONS"] | {"sslmode": "prefer", "prepare_threshold": 0}
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)
    ran = run("backup", tmp_path / "copy")
    assert ran.code == 0, ran.err
    arguments = (tmp_path / "arguments").read_text()
    assert "hunter" not in arguments + ran.out + ran.err
    assert "PGPASSWORD=hunter 4\n" in (tmp_path / "environment").read_text()
    assert "sslmode=prefer" in arguments
    assert "tcp_user_timeout=30000" in arguments
    assert "prepare_threshold" not in arguments, "it is psycopg's own, and libpq refuses what it does not know"
    assert "--no-password" in arguments, "nobody is there to ask"


def test_the_password_of_a_key_file_is_refused_since_it_would_show(run, tmp_path, monkeypatch):
    options = connection.settings_dict["OPTIONS"] | {"sslpassword": "hunter4"}
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)
    ran = run("backup", tmp_path / "copy")
    assert (ran.code, "sslpassword" in ran.err, "hunter4" in ran.err) == (1, True, False)


def test_a_missing_pg_dump_is_named_with_its_package(run, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    ran = run("backup", tmp_path / "copy")
    assert (ran.code, "pg_dump is not on the PATH" in ran.err) == (1, True)
    assert "postgresql-client" in ran.err
    assert not list(tmp_path.iterdir())


def test_a_pg_dump_older_than_the_server_is_named_with_the_version_to_install(run, tmp_path, monkeypatch, path):
    monkeypatch.setenv("PATH", f"{postgres_programs(16)}{os.pathsep}{path}")
    ran = run("backup", tmp_path / "copy")
    assert (ran.code, "the server is PostgreSQL 18" in ran.err) == (1, True)
    assert "postgresql-client-18" in ran.err
    assert not list(tmp_path.iterdir())


def test_what_pg_dump_says_is_passed_on(run, program, tmp_path):
    program(
        "pg_dump", "#!/bin/sh\necho 'pg_dump: error: could not write to file: No space left on device' >&2\nexit 1\n"
    )
    ran = run("backup", tmp_path / "copy")
    assert (ran.code, "was not backed up: pg_dump: error: could not write to file: No space" in ran.err) == (1, True)
    assert not list(tmp_path.iterdir())


def test_a_database_without_a_newsletter_is_not_a_backup(run, tmp_path, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "NAME", "template1")
    ran = run("backup", tmp_path / "copy")
    assert (ran.code, "holds no newsletter" in ran.err) == (1, True)
    assert not list(tmp_path.iterdir())


def test_a_dump_that_was_cut_short_is_not_called_a_backup(run, program, tmp_path):
    """The table of contents comes first in it, and would look complete."""
    program("pg_dump", f'#!/bin/sh\n"{postgres_programs()}/pg_dump" "$@" | head -c 60000\n')
    ran = run("backup", tmp_path / "copy")
    assert (ran.code, "was not backed up" in ran.err) == (1, True)
    assert not list(tmp_path.iterdir())
