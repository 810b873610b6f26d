"""The audit log is added to, never changed, and contains nobody's address."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import Model, QuerySet

from subscribers import auditing, clock
from subscribers.auditing import Act, Action, Actor, By
from subscribers.models import AuditEntry
from tests import readers
from tests.readers import ADA
from tests.subscribers.paths import data_path

pytestmark = pytest.mark.django_db
EDITOR = Actor(By.COMMAND, "editor", "news1")
triggers = import_module("subscribers.migrations.0011_audit_log")


@pytest.fixture
def guarded():
    """Restore the database as it is outside of tests that empty their tables."""
    with connection.cursor() as cursor:
        kept = triggers.POSTGRESQL if connection.vendor == "postgresql" else triggers.SQLITE
        cursor.execute(kept["audit_kept"])


def an_entry(**given) -> AuditEntry:
    auditing.write(EDITOR, Act(**{"action": Action.EXPORTED, "count": 3} | given))
    return AuditEntry.objects.latest("pk")


def test_neither_the_orm_nor_sql_changes_or_deletes_a_row(guarded):
    entry = an_entry()
    for change in (
        entry.delete,
        AuditEntry.objects.all().delete,
        lambda: AuditEntry.objects.update(who="somebody else"),
    ):
        with pytest.raises(TypeError, match="append-only"):
            change()
    entry.who = "somebody else"
    with pytest.raises(DatabaseError), transaction.atomic():
        entry.save()
    for change in (
        lambda: QuerySet(AuditEntry).update(who="somebody else"),
        lambda: QuerySet(AuditEntry)._raw_delete("default"),
        lambda: Model.delete(entry),
    ):
        with pytest.raises(DatabaseError, match="audit log"), transaction.atomic():
            change()
    assert AuditEntry.objects.get().who == "editor"


def test_rows_of_two_years_ago_are_let_go_and_younger_ones_are_not(guarded):
    entry, now = an_entry(), clock.now()
    for days in (729, 731):
        entry.pk, entry.at = None, now - timedelta(days=days)
        entry.save()
    assert auditing.forget_old(now) == 1
    assert AuditEntry.objects.count() == 2
    with pytest.raises(DatabaseError, match="audit log"), transaction.atomic():
        auditing.forget_old(now + timedelta(days=700))  # a clock that is far ahead


def test_a_subscriber_who_is_looked_at_again_within_minutes_is_one_row():
    for subject in ("one", "two", "one"):
        assert auditing.looked(EDITOR, Act(Action.SHOWN, subject))
    assert auditing.looked(Actor(By.ADMIN, "somebody else", ""), Act(Action.SHOWN, "one"))
    for _ in range(2):
        assert auditing.looked(EDITOR, Act(Action.LISTED, count=2))
    assert AuditEntry.objects.count() == 5


def test_words_that_hold_an_address_are_replaced():
    entry = an_entry(reason=f"asked by <{ADA.email}> by phone", detail="export-ada%40readers.example.csv to stdout")
    assert (entry.reason, entry.detail) == ("asked by [address] by phone", "[address] to stdout")
    assert len(an_entry(reason="x " * 5000).reason) <= auditing.LONGEST
    assert an_entry(reason="one\x1b[2Jtwo\x00").reason == "one [2Jtwo "


def test_a_subscriber_is_known_by_their_random_id_and_somebody_unknown_by_a_hash():
    reader = readers.confirmed()
    address = readers.parse(ADA.email)
    assert auditing.subject_of(address) == str(reader.public_id)
    assert auditing.subjects_of(address) == {str(reader.public_id), reader.suppression_hash}
    assert len(auditing.subject_of(readers.parse("nobody@readers.example"))) == 64


def test_who_is_erased_by_their_own_link_leaves_a_row_without_their_address(client):
    reader = readers.confirmed()
    client.post(data_path(reader), {"do": "delete", "sure": "yes"})
    entry = AuditEntry.objects.get()
    assert (entry.by, entry.action, entry.subject) == ("subscriber", "erased", str(reader.public_id))
    for row in AuditEntry.objects.values_list():
        assert "@" not in str(row)


def test_nobody_is_erased_whose_erasure_cannot_be_audited(client, monkeypatch):
    reader = readers.confirmed()
    client.raise_request_exception = False
    monkeypatch.setattr(AuditEntry, "save", fails)
    assert client.post(data_path(reader), {"do": "delete", "sure": "yes"}).status_code == 503
    assert readers.state_of(reader) == "active"


def fails(*given, **named):
    raise OperationalError("database or disk is full")


def test_who_only_looks_may_do_so_with_a_full_database_and_the_log_tells(monkeypatch, caplog):
    assert auditing.looked(EDITOR, Act(Action.SHOWN))
    monkeypatch.setattr(AuditEntry, "save", fails)
    assert not auditing.looked(EDITOR, Act(Action.SHOWN))
    assert "audit entry not stored" in caplog.text


def test_who_moved_is_found_by_what_was_written_down_before():
    reader = readers.confirmed()
    an_entry(action=Action.SHOWN, subject=str(reader.public_id))
    readers.move(reader, "ada@elsewhere.example")
    assert str(reader.public_id) in auditing.subjects_of(readers.parse("ada@elsewhere.example"))
