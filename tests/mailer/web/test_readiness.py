"""A process that cannot serve says so at /readyz, with a state for each part."""

import errno
import shutil
from collections import namedtuple

import pytest
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder

from mailer.store import schema
from mailer.web import readiness

pytestmark = pytest.mark.django_db


def migrated_by_a_newer_version() -> None:
    MigrationRecorder.Migration.objects.create(app="mailer", name="9999_from_the_future")


def test_a_database_of_a_newer_version_is_named(client):
    migrated_by_a_newer_version()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "database": "newer"})


def test_a_database_that_does_not_answer_is_named_without_its_address(client, monkeypatch):
    def lost():
        raise OperationalError('connection to server at "10.0.0.7", user "mailer" failed')

    monkeypatch.setattr(schema, "unknown_migrations", lost)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "database": "not reached"})


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no standby")
def test_a_database_that_only_reads_is_named(client):
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
    assert readiness.database() == "read only"


def test_a_disk_that_is_nearly_full_is_named(client, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 4096, 4096))
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "disk": "full"})


def test_a_home_that_is_gone_is_named(settings):
    settings.HOME = settings.HOME / "gone"
    assert readiness.disk() == "cannot be written"


@pytest.mark.parametrize("number", [errno.EDQUOT, errno.ENOSPC])
def test_a_quota_counts_as_a_full_disk(monkeypatch, number):
    def refuse(**_):
        raise OSError(number, "no")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert readiness.disk() == "full"


def test_a_part_that_is_added_is_asked(monkeypatch):
    monkeypatch.setitem(readiness.CHECKS, "journal", lambda: "waits")
    assert readiness.faults() == {"journal": "waits"}
