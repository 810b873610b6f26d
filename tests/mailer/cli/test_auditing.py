"""`mailer audit`, and what each command for subscribers leaves in the audit log."""

import getpass
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner, Result
from django.db import OperationalError, connection, transaction

from mailer.cli import cli, operators
from subscribers.models import AuditEntry, Consent, Subscriber
from tests import readers
from tests.readers import ADA, BEN, CLEO

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("up_to_date")]


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, words)


def audited() -> list[tuple[str, str, int]]:
    """Return action, subject and count of each row, oldest first."""
    return list(AuditEntry.objects.order_by("pk").values_list("action", "subject", "count"))


def test_each_command_that_looks_at_subscribers_or_does_something_to_them_is_a_row(tmp_path):
    ada, cleo = readers.confirmed(), readers.confirmed(who=CLEO)
    file = tmp_path / "fair.csv"
    file.write_text("email\nnew1@readers.example\nnew2@readers.example\n")
    weekly = ("--newsletter", "weekly")
    for words in (
        ("list", "--state", "active", "--domain", "readers.example"),
        ("show", ADA.email),
        ("export", "-o", str(tmp_path / "export.csv")),
        ("import", str(file), *weekly, "--state", "active", "--source", "the fair", "--yes"),
        ("unsubscribe", ADA.email, *weekly),
        ("unsubscribe", ADA.email, *weekly),  # changes nothing
        ("suppress", ADA.email, "--reason", f"{ADA.email} phoned"),
        ("suppress", ADA.email, "--lift", "--reason", "phoned again"),
        ("suppress", "nobody@readers.example", "--reason", "asked by mail"),
        ("forget", CLEO.email, "--yes"),
        ("add", BEN.email, *weekly, "--active", "--source", "the fair"),
    ):
        ran = run("subscribers", *words)
        assert ran.exit_code == 0, (words, ran.output)
    ben = Subscriber.objects.get(email=BEN.email)
    nobody = readers.signed_links.suppression_hash("nobody@readers.example")
    assert audited() == [
        ("listed", "", 2),
        ("shown", str(ada.public_id), 1),
        ("exported", "", 2),
        ("imported", "", 2),
        ("unsubscribed", str(ada.public_id), 1),
        ("suppressed", str(ada.public_id), 1),
        ("lifted", str(ada.public_id), 1),
        ("suppressed", nobody, 1),
        ("shown", str(cleo.public_id), 1),
        ("erased", str(cleo.public_id), 1),
        ("added", str(ben.public_id), 1),
    ]
    for row in AuditEntry.objects.values():
        assert (row["by"], row["place"]) == ("command", socket.gethostname())
        assert row["who"].startswith(getpass.getuser())
        assert "readers.example" not in str(row).replace("domain", "")
    assert AuditEntry.objects.get(action="imported").reason == "the fair"


def test_who_is_shown_what_erasing_would_take_and_does_not_erase_has_looked():
    ada = readers.confirmed()
    assert run("subscribers", "forget", ADA.email).exit_code == 4
    assert audited() == [("shown", str(ada.public_id), 1)]


def test_the_log_is_shown_newest_first_and_filtered():
    ada = readers.confirmed()
    run("subscribers", "show", ADA.email)
    run("subscribers", "suppress", BEN.email, "--reason", "asked")
    lines = run("audit").stdout.splitlines()
    assert ["suppressed" in lines[0], f"subscriber {ada.public_id}" in lines[1]] == [True, True]
    assert len(run("audit", "--about", ADA.email).stdout.splitlines()) == 1
    assert len(run("audit", "--about", BEN.email).stdout.splitlines()) == 1  # by the hash
    assert json.loads(run("audit", "--json", "--action", "shown").stdout)[0]["subject"] == str(ada.public_id)
    assert json.loads(run("audit", "--json", "--since", "2999-01-01").stdout) == []
    assert "Nothing." in run("audit", "--who", "somebody-else").stderr
    limited = run("audit", "--limit", "1")
    assert (len(limited.stdout.splitlines()), "--limit" in limited.stderr) == (1, True)
    assert len(json.loads(run("audit", "--limit", "1", "--json").stdout)) == 1
    assert run("audit", "--since", "yesterday").exit_code == 2


def test_what_an_operator_says_of_themself_stands_beside_the_user_of_the_system(settings, monkeypatch):
    settings.MAILER_OPERATOR = "grace"
    monkeypatch.setattr(operators, "_login", lambda: "ada")
    assert operators.actor().who == f"{getpass.getuser()} (logged in as ada, says grace)"
    readers.confirmed()
    run("subscribers", "show", ADA.email)
    for who in (getpass.getuser(), "grace"):
        assert len(run("audit", "--who", who).stdout.splitlines()) == 1


@contextmanager
def read_only() -> Iterator[None]:
    """Make the database read-only, like a standby or a full disk."""
    is_postgresql = connection.vendor == "postgresql"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL transaction_read_only = on" if is_postgresql else "PRAGMA query_only = 1")
        yield
        if is_postgresql:
            transaction.set_rollback(True)  # ends it
        else:
            cursor.execute("PRAGMA query_only = 0")


def test_a_database_that_cannot_be_written_may_be_looked_at_and_nothing_else(tmp_path):
    ada = readers.confirmed()
    with read_only():
        shown = run("subscribers", "show", ADA.email)
        listed = run("subscribers", "list")
        exported = run("subscribers", "export", "-o", str(tmp_path / "all.csv"))
        erased = run("subscribers", "forget", ADA.email, "--yes")
    for looked in (shown, listed, exported):
        assert (looked.exit_code, "audit entry not stored" in looked.stderr) == (0, True)
    assert ADA.email in (tmp_path / "all.csv").read_text("utf-8-sig")
    assert erased.exit_code == 1
    assert readers.state_of(ada) == "active"
    assert audited() == []


def fails(*given, **named):
    raise OperationalError("database or disk is full")


def test_what_cannot_be_audited_is_not_done_but_looking_is_and_says_so(tmp_path, monkeypatch):
    ada = readers.confirmed()
    file = tmp_path / "fair.csv"
    file.write_text(f"email\n{BEN.email}\n")
    monkeypatch.setattr(AuditEntry, "save", fails)
    weekly = ("--newsletter", "weekly")
    for words in (
        ("unsubscribe", ADA.email, *weekly),
        ("suppress", ADA.email, "--reason", "asked"),
        ("forget", ADA.email, "--yes"),
        ("import", str(file), *weekly, "--state", "active", "--yes"),
        ("add", BEN.email, *weekly, "--active", "--source", "the fair"),
    ):
        assert run("subscribers", *words).exit_code == 1
    assert readers.state_of(ada) == "active"
    assert readers.suppression_of(ada) is None
    assert Consent.objects.exclude(subscriber=ada).count() == 0
    shown = run("subscribers", "show", ADA.email)
    assert (shown.exit_code, "audit entry not stored" in shown.stderr) == (0, True)
    assert ADA.email in shown.stdout
