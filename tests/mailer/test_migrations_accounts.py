"""Migrate a database from before accounts, with sends to several providers in progress."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from mailer.store.accounts import fingerprint_of

pytestmark = pytest.mark.slow

OLD = """
from django.db.migrations.executor import MigrationExecutor
from django.db import connection
before = [("mailer", "0003_archive"), ("subscribers", "0006_how_readers_were_erased")]
MigrationExecutor(connection).migrate(before)
old = MigrationExecutor(connection).loader.project_state(before).apps.get_model("mailer", "Send")
for slug, provider, header in [
    ("older", "api.eu.sendgrid.com", "<weekly.news.example.com>"),
    ("newer", "api.sendgrid.com", '"The Weekly" <weekly.news.example.com>'),
    ("newer", "rehearsal", "<weekly.news.example.com>"),
    ("newest", "api.sendgrid.com", ""),
]:
    headers = {"List-ID": header} if header else {}
    old.objects.create(newsletter="weekly", slug=slug, provider=provider, headers=headers)
"""
UPGRADE = "from mailer.store.schema import bring_up_to_date; bring_up_to_date()"
FIRST_SWEEP = "from mailer.store import accounts; accounts.this_account()"


@pytest.fixture
def python(tmp_path: Path):
    """Run code with Django set up, in an installation whose database is `old`: `python(code, KEY="…")`."""

    def run(code: str, **settings: str) -> None:
        done = subprocess.run(
            [sys.executable, "-c", f"import django; django.setup()\n{code}"],
            env=os.environ | {"MAILER_HOME": str(tmp_path), "DATABASE_URL": ""} | settings,
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr

    run(OLD)
    return run


@pytest.fixture
def ask(tmp_path: Path):
    def ask(question: str) -> list[tuple[str, ...]]:
        with sqlite3.connect(tmp_path / "mailer.sqlite3") as opened:
            return opened.execute(question).fetchall()

    return ask


KEYS = (
    "SELECT name, key.fingerprint FROM mailer_provideraccount AS account"
    " LEFT JOIN mailer_accountkey AS key ON key.account_id = account.id ORDER BY name"
)


def test_each_host_becomes_an_account_and_its_sends_belong_to_it(python, ask):
    python(UPGRADE)
    assert ask(
        "SELECT slug, account.name, account.host, list_id FROM mailer_send AS send"
        " JOIN mailer_provideraccount AS account ON account.id = send.account_id ORDER BY send.id"
    ) == [
        ("older", "api.eu.sendgrid.com", "api.eu.sendgrid.com", "weekly.news.example.com"),
        ("newer", "main", "api.sendgrid.com", "weekly.news.example.com"),
        ("newer", "rehearsal", "rehearsal", "weekly.news.example.com"),
        ("newest", "main", "api.sendgrid.com", ""),
    ]


def test_the_key_of_the_process_that_upgrades_is_adopted(python, ask):
    python(UPGRADE, SENDGRID_API_KEY="SG.of.before")
    python(FIRST_SWEEP, SENDGRID_API_KEY="SG.another")
    python(FIRST_SWEEP)  # a rehearsal
    assert ask(KEYS) == [
        ("api.eu.sendgrid.com", None),
        ("main", fingerprint_of("SG.of.before")),
        ("rehearsal", fingerprint_of("")),
    ]


def test_where_a_process_without_a_key_upgrades_the_first_key_is_adopted_later(python, ask):
    python(UPGRADE)
    python(FIRST_SWEEP, SENDGRID_API_KEY="SG.first")
    python(FIRST_SWEEP, SENDGRID_API_KEY="SG.second")
    assert ("main", fingerprint_of("SG.first")) in ask(KEYS)
    assert len(ask("SELECT id FROM mailer_provideraccount")) == 3


def test_what_old_workers_end_their_requests_with_is_still_there(python, ask):
    """They check their provider's circuit breaker when an answer arrives, while the upgrade replaces them."""
    python(UPGRADE)
    assert ask("SELECT provider, streak, trial_until FROM mailer_gate") == []
