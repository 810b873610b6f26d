"""Migrate a database from before neutral events, with a bounce that was stored but not applied.

A web process of that version may be about to apply it, and would not understand another word.
"""

import sqlite3
from pathlib import Path

from tests.older import python

OLD = """
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
before = [("mailer", "0011_words_of_the_field"), ("subscribers", "0014_queue_of_confirmations")]
MigrationExecutor(connection).migrate(before)
with connection.cursor() as cursor:
    for number, kind in enumerate(["processed", "bounce", "delivered", "spamreport", "bounce"], 1):
        cursor.execute(
            "INSERT INTO mailer_event (kind, at, received_at, applied_at, id_hash, fact_hash)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            [kind, timezone.now(), timezone.now(), None if number == 5 else timezone.now(), number, number],
        )
"""
UPGRADE = "from mailer.store.schema import bring_up_to_date\nbring_up_to_date()"
BACK = 'from django.core.management import call_command\ncall_command("migrate", "mailer", "0011", verbosity=0)'


def kinds(home: Path) -> list[str]:
    with sqlite3.connect(home / "mailer.sqlite3") as opened:
        return [kind for (kind,) in opened.execute("SELECT kind FROM mailer_event ORDER BY id")]


def test_the_first_command_of_this_version_rewrites_the_kinds_and_the_way_back_is_open(tmp_path):
    python(tmp_path, OLD)
    assert kinds(tmp_path) == ["processed", "bounce", "delivered", "spamreport", "bounce"]
    python(tmp_path, UPGRADE)
    assert kinds(tmp_path) == ["processed", "bounced", "delivered", "complained", "bounce"]
    python(tmp_path, BACK)
    assert kinds(tmp_path) == ["processed", "bounce", "delivered", "spamreport", "bounce"]
