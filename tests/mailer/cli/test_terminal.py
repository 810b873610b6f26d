"""What all commands share: where they refuse to work, and how they end when the machine fails them."""

import errno
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import OperationalError, connection

from mailer.cli.terminal import Exit, explain
from mailer.config import environment
from mailer.publishing import errors
from tests.processes.stage import Stage


@pytest.fixture
def elsewhere(monkeypatch, tmp_path: Path) -> Path:
    """Go to a folder without a newsletter, with no setting that points to one."""
    monkeypatch.setattr(environment, "CONFIG", None)
    monkeypatch.setattr(environment, "CONFIG_FOLDER", tmp_path)
    monkeypatch.delenv("MAILER_HOME")
    monkeypatch.setenv("DATABASE_URL", "")
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        *("status", "backup copy", "serve", "worker", "manage migrate", "doctor --adopt", "subscribers list"),
        *("subscribers suppress ada@readers.example --reason asked", "subscribers forget ada@readers.example --yes"),
    ],
)
def test_where_no_newsletter_is_nothing_is_made_and_nothing_claimed(run, elsewhere, command):
    ran = run(*command.split())
    assert (ran.code, ran.out) == (2, "")
    assert f"no newsletter.toml at or above {elsewhere}" in ran.err
    assert "mailer init" in ran.err
    assert not list(elsewhere.iterdir())


def test_the_doctor_works_anywhere_and_makes_no_database(run, elsewhere):
    checks = {check["name"]: check for check in json.loads(run("doctor", "--json").out)}
    assert checks["database"]["state"] == "error"
    assert "run this in your newsletter's folder" in checks["database"]["words"]


@pytest.mark.parametrize("name", ["MAILER_HOME", "DATABASE_URL"])
def test_a_named_database_needs_no_newsletter(run, elsewhere, monkeypatch, name):
    monkeypatch.setenv(name, "somewhere")
    assert run("status").code == 0


@pytest.mark.slow
def test_a_refused_command_leaves_not_even_a_folder(tmp_path):
    stage = Stage(tmp_path)
    ran = stage.run("subscribers", "suppress", "ada@readers.example", "--reason", "x", expect=2, MAILER_HOME="")
    assert "Nothing was done." in ran.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["doctor", "manage --help", "manage help migrate", "manage check", "manage"])
def test_what_works_anywhere_makes_nothing(tmp_path, command):
    stage = Stage(tmp_path)
    stage.run(*command.split(), expect=None, MAILER_HOME="")
    assert not list(tmp_path.iterdir())


def test_a_gitignore_that_found_no_room_is_written_at_the_next_start(tmp_path):
    home = tmp_path / "home-editor"
    home.mkdir()
    (home / ".gitignore").touch()
    folder = tmp_path / "newsletter"
    folder.mkdir()
    Stage(folder).run("manage", "check", expect=None)
    assert (home / ".gitignore").read_text() == "*\n"


def test_a_database_that_is_not_there_is_named_with_the_reason_and_without_the_password(tmp_path):
    stage = Stage(tmp_path, "postgres://mailer:hunter4@127.0.0.1:9/news")
    for ran in (stage.run("status", expect=1), stage.run("doctor", expect=1)):
        said = ran.out + ran.err
        assert "127.0.0.1/news cannot be reached" in said
        assert "onnection refused" in said
        assert "hunter4" not in said
    assert "ERROR    database" in ran.out


@pytest.fixture
def write_into(run, tmp_path: Path) -> Callable[[int], tuple[int, str]]:
    """Export into this descriptor in another process; return its exit code and stderr."""
    database = connection.settings_dict["NAME"]
    stage = Stage(tmp_path, f"sqlite:///{database}")

    def write(descriptor: int) -> tuple[int, str]:
        command = [*stage.command, "subscribers", "export"]
        ran = subprocess.run(
            command,
            cwd=tmp_path,
            env=stage.environment(),
            stdout=descriptor,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        os.close(descriptor)
        return ran.returncode, ran.stderr

    return write


@pytest.fixture
def restored(monkeypatch, tmp_path: Path):
    """Return a SQLite database that another user restored."""
    path = tmp_path / "mailer.sqlite3"
    path.touch()
    monkeypatch.setitem(connection.settings_dict, "NAME", path)
    monkeypatch.setattr(type(connection), "vendor", "sqlite", raising=False)
    return path


@pytest.mark.parametrize("said", ["unable to open database file", "attempt to write a readonly database"])
def test_a_database_that_belongs_to_another_user_is_said_with_the_cure(restored, monkeypatch, said):
    def open_as_another(path, *_):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with monkeypatch.context() as patched:  # not while the folder of the test is removed
        patched.setattr("mailer.cli.terminal.os.open", open_as_another)
        problem = explain(OperationalError(said))
    assert problem
    assert f"the database at {restored} cannot be opened" in problem.message
    assert "Permission denied); let the user who runs this command read and write it" in problem.message


def test_a_folder_in_the_place_of_the_database_is_said(restored):
    restored.unlink()
    restored.mkdir()
    problem = explain(OperationalError("unable to open database file"))
    assert problem
    assert "Is a directory" in problem.message


def test_another_trouble_of_a_database_that_can_be_opened_is_told_as_it_is(restored):
    problem = explain(OperationalError("unable to open database file"))
    assert problem
    assert "reported an error: unable to open" in problem.message


on_sqlite = pytest.mark.skipif(
    os.environ.get("MAILER_TEST_DATABASE") == "postgres", reason="what is written is the same from any database"
)


@on_sqlite
def test_a_closed_pipe_ends_a_command_quietly(write_into):
    reading, writing = os.pipe()
    os.close(reading)
    assert write_into(writing) == (0, "")


@on_sqlite
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_said_in_a_sentence(write_into):
    code, words = write_into(os.open("/dev/full", os.O_WRONLY))
    assert (code, words.count("\n")) == (1, 1)
    assert "what the command prints cannot be written: No space left on device" in words


def test_another_file_without_room_is_not_taken_for_what_the_command_prints():
    problem = explain(OSError(errno.ENOSPC, "No space left on device"))
    assert problem
    assert "MAILER_HOME" in problem.message
    assert "prints" not in problem.message


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_file_that_this_user_may_not_touch_is_named(number):
    problem = explain(OSError(number, os.strerror(number), "/srv/news/var/home-id"))
    assert problem is not None
    assert "/srv/news/var/home-id" in problem.message
    assert problem.exit_code == 1


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (errors.Refused, Exit.FAILED),
        (errors.CorrectRequest, Exit.USAGE),
        (errors.CorrectIssue, Exit.FINDINGS),
        (errors.CorrectSettings, Exit.USAGE),
        (errors.ConfirmRepeat, Exit.FAILED),
        (errors.RunAgain, Exit.FAILED),
        (errors.TryLater, Exit.FAILED),
    ],
)
def test_each_refusal_of_a_use_case_is_a_sentence_and_an_exit_code(refusal, code):
    problem = explain(refusal("Nothing was sent."))
    assert (problem.message, problem.exit_code) == ("Nothing was sent.", code)
