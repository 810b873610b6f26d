"""`mailer backup` to stdout, its early end, and a restore drill on PostgreSQL."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.installed import ROOT
from tests.parts import postgres_programs, skip_without
from tests.processes.conftest import editors_folder
from tests.processes.stage import PATIENCE, Stage, new_postgres_database, wait_until
from tests.stand_in import StandIn

PATH = f"{postgres_programs()}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Return an installation with two subscribers, which the tests do not change."""
    stage = Stage(editors_folder(tmp_path_factory.mktemp("stage") / "newsletter"))
    stage.import_readers({"active": 2})
    return stage


@pytest.fixture(scope="module")
def on_postgres(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Return the same on PostgreSQL."""
    stage = Stage(editors_folder(tmp_path_factory.mktemp("stage") / "newsletter"), new_postgres_database())
    stage.settings = {"PATH": PATH}
    stage.run("manage", "migrate", "-v0")
    stage.import_readers({"active": 2})
    return stage


def pour(stage: Stage, stdout: int, **settings: str) -> tuple[int, str]:
    """Run `mailer backup -` into this descriptor; return exit code and stderr. No partial copy may be left."""
    home = Path(stage.environment()["MAILER_HOME"])
    ran = subprocess.run(
        [*stage.command, "backup", "-"],
        cwd=stage.folder,
        env=stage.environment(**settings),
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "Traceback" not in ran.stderr
    assert not list(home.glob("backup-*"))
    return ran.returncode, ran.stderr


def test_sqlite_goes_to_stdout_as_a_file_that_is_the_database(on_sqlite: Stage, tmp_path: Path):
    with (tmp_path / "copy").open("wb") as file:
        code, said = pour(on_sqlite, file.fileno())
    assert (code, "stdout: 2 subscribers, " in said, "optouts.log too" in said) == (0, True, True)
    with sqlite3.connect(tmp_path / "copy") as opened:
        assert opened.execute("SELECT count(*) FROM subscribers_subscriber").fetchone() == (2,)
    opened.close()


def test_a_terminal_gets_no_backup(on_sqlite: Stage):
    terminal, shown = os.openpty()
    code, said = pour(on_sqlite, shown)
    assert (code, "cannot be printed to a terminal" in said) == (2, True)
    os.close(shown)
    os.close(terminal)


def test_who_stops_reading_a_backup_before_its_end_makes_it_a_failure(on_sqlite: Stage):
    reading, writing = os.pipe()
    os.close(reading)
    code, said = pour(on_sqlite, writing)
    os.close(writing)
    assert (code, "its copy is incomplete" in said, said.count("\n")) == (1, True, 1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_behind_stdout_makes_it_a_failure(on_sqlite: Stage):
    full = os.open("/dev/full", os.O_WRONLY)
    code, said = pour(on_sqlite, full)
    os.close(full)
    assert (code, "No space left on device" in said) == (1, True)


@pytest.mark.slow
def test_postgresql_goes_to_stdout_whole_or_not_at_all(on_postgres: Stage, tmp_path: Path):
    """Otherwise, a program that encrypts it would make an intact file of half a backup."""
    with (tmp_path / "copy").open("wb") as file:
        code, said = pour(on_postgres, file.fileno())
    assert (code, "stdout: 2 subscribers, " in said) == (0, True)
    subprocess.run([postgres_programs() / "pg_restore", f"--file={os.devnull}", tmp_path / "copy"], check=True)
    with (tmp_path / "nothing").open("wb") as file:
        code, said = pour(on_postgres, file.fileno(), DATABASE_URL=new_postgres_database())
    assert (code, "holds no newsletter" in said) == (1, True)
    assert not (tmp_path / "nothing").read_bytes()


@pytest.mark.slow
def test_a_backup_that_is_stopped_takes_pg_dump_along_and_leaves_nothing(on_postgres: Stage, tmp_path: Path):
    slow = tmp_path / "slow" / "pg_dump"
    slow.parent.mkdir()
    slow.write_text(f'#!/bin/sh\necho $$ > "{slow.parent}/pid"\nexec sleep 60\n')
    slow.chmod(0o755)
    process = on_postgres.start("backup", str(tmp_path / "copy"), PATH=f"{slow.parent}{os.pathsep}{PATH}")
    pid = slow.parent / "pid"
    wait_until(lambda: pid.exists() and pid.read_text(), "pg_dump runs")
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 1
    assert [found.name for found in tmp_path.iterdir()] == ["slow"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def nightly(stage: Stage, folder: Path, recipient: str, **settings: str) -> int:
    """Run backup.sh as docs/hosting.md shows it; return its exit code."""
    (script,) = re.findall(
        r"```sh\n(#!/bin/bash\n# backup\.sh.*?)```", (ROOT / "docs" / "hosting.md").read_text(), re.S
    )
    for shown, here in {"/srv/news\n": f"{stage.folder}\n", "/backups": str(folder), "age1…": recipient}.items():
        assert shown in script
        script = script.replace(shown, here)
    path = f"{Path(stage.command[0]).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(["bash", "-c", script], env=stage.environment(PATH=path, **settings), check=False).returncode


@pytest.mark.slow
def test_the_nightly_script_of_the_documentation_encrypts_a_backup_or_leaves_none(on_sqlite: Stage, tmp_path: Path):
    if not shutil.which("age"):
        skip_without("age")
    key, folder = tmp_path / "key.txt", tmp_path / "backups"
    folder.mkdir()
    subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True)
    (recipient,) = re.findall(r"age1\w+", key.read_text())
    assert nightly(on_sqlite, folder, recipient) == 0
    (encrypted,) = folder.glob("news-*.age")
    restored = tmp_path / "restored"
    with restored.open("wb") as file:
        subprocess.run(["age", "-d", "-i", key, encrypted], stdout=file, check=True)
    with sqlite3.connect(restored) as opened:
        assert opened.execute("SELECT count(*) FROM subscribers_subscriber").fetchone() == (2,)
    opened.close()
    encrypted.unlink()
    assert nightly(on_sqlite, folder, recipient, DATABASE_URL="postgres://127.0.0.1:9/news") == 1
    assert not list(folder.glob("*.age"))


@pytest.mark.slow
def test_a_backup_put_back_into_an_empty_postgresql_brings_nobody_back_who_left(api: StandIn, for_real, tmp_path: Path):
    """This is the procedure of docs/hosting.md, command by command."""
    stage = Stage(editors_folder(tmp_path / "newsletter"), new_postgres_database())
    stage.settings = {"PATH": PATH, **for_real}
    stage.run("manage", "migrate", "-v0")
    leaver, *stayed = stage.import_readers({"active": 3})["active"]
    stage.run("backup", str(tmp_path / "news.dump"))
    stage.send("issues/2026-11-20.md")
    stage.run("subscribers", "unsubscribe", leaver)

    stage.database_url = new_postgres_database()
    command = [postgres_programs() / "pg_restore", "--no-owner", "--exit-on-error", "--dbname", stage.database_url]
    subprocess.run([*command, tmp_path / "news.dump"], check=True)
    assert stage.doctor()["restore guard"] == "error"
    adopted = stage.run("doctor", "--adopt").out
    assert "is missing 1 request" in adopted
    assert "Unsubscribed again: 1 subscriber;" in adopted
    assert stage.doctor()["restore guard"] == "ok"
    stage.send("issues/2026-11-27.md")
    assert {reader["email"] for reader in api.accepted[-1]["recipients"]} == set(stayed)
