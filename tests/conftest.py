import os
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

from tests import parts

# A run tests a change, so it tries the same examples each time, however busy the machine is, and whichever modules
# another test has loaded: Hypothesis would try their constants too. `make explore` tries others.
ALL_BUT_ONE = [check for check in HealthCheck if check is not HealthCheck.filter_too_much]
settings.register_profile("same", deadline=None, derandomize=True, database=None, suppress_health_check=ALL_BUT_ONE)
settings.register_profile("other", settings.get_profile("same"), derandomize=False)
settings.load_profile("same")
providers._get_local_constants = lambda: providers._local_constants


@pytest.fixture(autouse=True)
def _keys_of_this_database():
    """Forget link keys and former addresses: each test database is another installation with others."""
    from mailer.archive import aliases
    from mailer.store import installation

    installation.forget()
    aliases.forget()


@pytest.fixture(autouse=True)
def _no_pages_of_another_test():
    from django.core.cache import cache

    cache.clear()


@pytest.fixture(autouse=True)
def _nothing_is_known_to_be_away():
    """Let each test find out for itself whether the database answers, with open slots."""
    from mailer import concurrency
    from mailer.config import deadlines
    from mailer.store import interruptions, losses
    from subscribers.mail import failures

    for kind in concurrency.ALL:
        kind.open()
    deadlines.breaker.close()
    interruptions.over()
    losses.forget()
    failures.end_backoff()


@pytest.fixture(autouse=True)
def _a_busy_machine_is_not_a_database_that_hangs(monkeypatch):
    monkeypatch.setattr("mailer.sending.recovery.SLOW", 600.0)


@pytest.fixture(autouse=True)
def _no_journal_of_another_test(settings, tmp_path):
    settings.LEAVING_JOURNAL = tmp_path / "leaving.jsonl"


@pytest.fixture(autouse=True)
def _an_installation(request):
    """Recreate the rows of the first migrations: tests that commit leave empty tables behind."""
    marker = request.node.get_closest_marker("django_db")
    if marker:
        from tests.installing import an_installation

        request.getfixturevalue("transactional_db" if marker.kwargs.get("transaction") else "db")
        an_installation()


@pytest.fixture(autouse=True)
def _no_threads_beside_a_test_that_commits_nothing(request, monkeypatch):
    """Start no thread: its own connection would see nothing of the test's transaction, and wait for its locks."""
    marker = request.node.get_closest_marker("django_db")
    if marker and not marker.kwargs.get("transaction"):
        from mailer.concurrency import Slots

        monkeypatch.setattr(Slots, "run_aside", lambda slots, work: False)


@pytest.fixture
def up_to_date(monkeypatch):
    """Let commands use the tests' database as it is: checking its tables each time is slow."""
    monkeypatch.setattr("mailer.store.schema.bring_up_to_date", lambda: None)


@pytest.fixture(params=[-25, -3, 3, 25], ids="{:+} h".format)
def wrong(request, monkeypatch):
    """Call it, and the clock of this machine is hours off."""
    from django.utils import timezone

    right = timezone.now
    return lambda: monkeypatch.setattr(timezone, "now", lambda: right() + timedelta(hours=request.param))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix, tmp_path_factory):
    """Keep SQLite in a file, as in production: the threads of a test lock each other out at once in memory."""
    from django.db import connection

    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")
        options = connection.settings_dict["OPTIONS"]
        # Of a test's rows none must survive a power cut, and some disks take long for each commit.
        assert "synchronous=FULL" in options["init_command"], "in production a commit survives a power cut"
        options["init_command"] = options["init_command"].replace("synchronous=FULL", "synchronous=OFF")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Drop the audit log's trigger: tests that commit empty their tables. The log's own tests restore it."""
    _keep_what_migrations_wrote()
    from django.db import connection

    on = " ON subscribers_auditentry" if connection.vendor == "postgresql" else ""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER audit_kept{on}")


def _keep_what_migrations_wrote():
    """Let a test that commits leave the models' names and rights: Django would write them anew after each."""
    from django.core.management.commands import flush

    def sql_flush(style, connection, **options):
        tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
        emptied = [name for name in tables if name not in ("django_content_type", "auth_permission")]
        return connection.ops.sql_flush(style, emptied, **options)

    flush.sql_flush = sql_flush
    flush.emit_post_migrate_signal = lambda *_: None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark whole folders of slow tests."""
    for item in items:
        if Path(__file__).parent / "slow" in item.path.parents:
            item.add_marker("slow")


def pytest_terminal_summary(terminalreporter):
    reasons = {
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    }
    for reason in sorted(reasons):
        terminalreporter.write_line(f"skipped: {reason}", yellow=True)


def pytest_report_header():
    return f"database: {os.environ.get('MAILER_TEST_DATABASE', 'sqlite')}"


__all__ = ["parts"]
