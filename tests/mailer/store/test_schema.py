import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from mailer.store import schema

UPGRADE = "import django; django.setup(); from mailer.store.schema import bring_up_to_date; bring_up_to_date()"


@pytest.fixture
def home(tmp_path):
    """Return an installation on SQLite with an older version's database: subscribers, but no ledger of sends."""
    run(
        tmp_path, "from django.core.management import call_command; call_command('migrate', 'subscribers', verbosity=0)"
    )
    return tmp_path


def run(home, code):
    code = code if "django.setup" in code else f"import django; django.setup(); {code}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"MAILER_HOME": str(home), "DATABASE_URL": ""},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done


def tables(database):
    with sqlite3.connect(database) as opened:
        return {name for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def readers_in(database):
    with sqlite3.connect(database) as opened:
        return [email for (email,) in opened.execute("SELECT email FROM subscribers_subscriber")]


def add_reader(opened, email):
    opened.execute(
        "INSERT INTO subscribers_subscriber (public_id, email, email_key, suppression_hash, name, language, created_at)"
        " VALUES (?, ?, ?, '', '', '', '2026-11-20')",
        (email, email, email),
    )
    opened.commit()


def test_a_new_installation_gets_its_tables_and_no_backup(tmp_path):
    run(tmp_path, UPGRADE)
    assert "mailer_send" in tables(tmp_path / "mailer.sqlite3")
    assert not list(tmp_path.glob("*.before-upgrade"))


def test_an_older_database_is_backed_up_and_migrated(home):
    with sqlite3.connect(home / "mailer.sqlite3") as opened:
        add_reader(opened, "ada@readers.example")
    upgraded = run(home, UPGRADE)
    backup = home / "mailer.sqlite3.before-upgrade"
    assert "mailer_send" in tables(home / "mailer.sqlite3")
    assert "mailer_send" not in tables(backup)
    assert readers_in(backup) == readers_in(home / "mailer.sqlite3") == ["ada@readers.example"]
    assert "backed up" in upgraded.stderr
    assert run(home, UPGRADE).stderr == ""


def test_the_backup_holds_what_was_committed_while_others_read(home):
    """A reader keeps the latest commits out of the database file."""
    database = home / "mailer.sqlite3"
    with sqlite3.connect(database) as writing, sqlite3.connect(database) as reading:
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM subscribers_subscriber").fetchone()
        add_reader(writing, "ada@readers.example")
        run(home, UPGRADE)
    assert readers_in(home / "mailer.sqlite3.before-upgrade") == ["ada@readers.example"]


def test_of_commands_that_start_at_once_after_an_upgrade_one_migrates(home):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", UPGRADE],
            env=os.environ | {"MAILER_HOME": str(home), "DATABASE_URL": ""},
            cwd=Path(__file__).parents[3],
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    said = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, said
    assert sum("backed up" in one for one in said) == 1


@pytest.mark.django_db
def test_postgresql_is_migrated_by_its_operator_only(monkeypatch):
    MigrationRecorder.Migration.objects.filter(app="mailer").delete()
    monkeypatch.setattr(connection, "vendor", "postgresql")
    with pytest.raises(ImproperlyConfigured, match="mailer manage migrate"):
        schema.bring_up_to_date()


@pytest.mark.django_db
def test_what_is_missing_is_named():
    assert schema.missing_migrations() == []
    MigrationRecorder.Migration.objects.filter(app="mailer").delete()
    assert schema.missing_migrations()[0] == "mailer.0001_ledger"


@pytest.fixture
def a_newer_database():
    MigrationRecorder.Migration.objects.create(app="subscribers", name="9999_from_the_future")
    yield
    MigrationRecorder.Migration.objects.filter(name="9999_from_the_future").delete()
    schema.is_newer()


@pytest.mark.django_db
def test_a_database_of_a_newer_version_is_refused_with_what_to_do(a_newer_database):
    with pytest.raises(schema.DatabaseNewer, match=r"it has subscribers\.9999_from_the_future.*upgrade mailer"):
        schema.require_known()


@pytest.mark.django_db
def test_migrations_of_other_apps_are_ignored():
    MigrationRecorder.Migration.objects.create(app="auth", name="9999_from_the_future")
    assert schema.unknown_migrations() == []


@pytest.mark.django_db
def test_a_worker_stops_claiming_and_says_so_once(a_newer_database, caplog):
    assert schema.is_newer()
    assert schema.is_newer()
    assert not schema.may_claim()
    assert caplog.text.count("newer than this version") == 1
    MigrationRecorder.Migration.objects.filter(name="9999_from_the_future").delete()
    assert not schema.is_newer()
    assert schema.may_claim()
