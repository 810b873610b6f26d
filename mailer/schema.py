"""Tables that fit the code: SQLite is backed up and migrated by the first command; PostgreSQL only by its operator."""

import fcntl
import logging
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

log = logging.getLogger(__name__)


def bring_up_to_date() -> None:
    """The schema is the one that this version expects.

    Raises ImproperlyConfigured on PostgreSQL when it is not: there a deployment migrates, not a command in passing.
    """
    if not missing_migrations():
        return
    if connection.vendor != "sqlite":
        raise ImproperlyConfigured(
            "DATABASE_URL: the database does not have the tables of this version; run `mailer manage migrate` first."
        )
    with _locked(Path(settings.HOME) / "migrate.lock"):
        if missing_migrations():  # another command may have been faster
            _back_up(Path(connection.settings_dict["NAME"]))
            call_command("migrate", verbosity=0, interactive=False, skip_checks=True)
    connection.close()


def missing_migrations() -> list[str]:
    """Names of the migrations that this version has and the database has not."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def _back_up(database: Path) -> None:
    if not database.exists() or not connection.introspection.table_names():
        return
    copy = database.with_suffix(database.suffix + ".before-upgrade")
    # Not a copy of the file: while others read, the latest commits stand only in the log beside it.
    with closing(sqlite3.connect(copy)) as target:
        connection.connection.backup(target)
    shutil.copymode(database, copy)
    log.warning("database backed up before the upgrade", extra={"copy": copy.name})


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
