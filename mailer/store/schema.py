"""Keep the tables in step with the code: the first command backs up and migrates SQLite, an operator PostgreSQL."""

import importlib.util
import logging
import pkgutil
import shutil
import sqlite3
import threading
from functools import cache
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from mailer.store.backups import copy_sqlite
from subscribers import shared_files

log = logging.getLogger(__name__)

OURS = ("mailer", "subscribers")


class DatabaseNewer(ImproperlyConfigured):
    """A newer version has migrated the database; this one must send nothing. The message says what to do."""


def bring_up_to_date() -> None:
    """Bring the schema to what this version expects.

    Raises ImproperlyConfigured on PostgreSQL if it is not: there a deployment migrates, not a command in passing.
    """
    if not missing_migrations():
        return
    if connection.vendor != "sqlite":
        raise ImproperlyConfigured(
            "DATABASE_URL: the database does not have the tables of this version; run `mailer manage migrate` first."
        )
    with shared_files.locked(Path(settings.HOME) / "migrate.lock"):
        if missing_migrations():  # another command may have been faster
            _back_up(Path(connection.settings_dict["NAME"]))
            from django.core.management import call_command

            call_command("migrate", verbosity=0, interactive=False, skip_checks=True)
    connection.close()


def missing_migrations() -> list[str]:
    """Return the names of the migrations that this version has and the database has not."""
    applied = MigrationRecorder(connection).applied_migrations()
    if _known(*(config.name for config in apps.get_app_configs())) <= applied.keys():
        return []
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def unknown_migrations() -> list[str]:
    """Return the names of the migrations that the database has and this version does not know: one small query."""
    applied = MigrationRecorder.Migration.objects.using("default").filter(app__in=OURS)
    return sorted(f"{app}.{name}" for app, name in set(applied.values_list("app", "name")) - _known(*OURS))


def require_known() -> None:
    """Raise DatabaseNewer if a newer version of mailer has migrated the database."""
    if unknown := unknown_migrations():
        raise DatabaseNewer(
            f"the database was migrated by a newer version of mailer (it has {unknown[-1]}, which this one does not "
            "know); upgrade mailer here. Nothing was changed, and nothing is sent from here."
        )


def is_newer() -> bool:
    """Check whether a newer version has migrated the database, and remember it for `may_claim`; log each change once.

    Workers check before they start and at each sweep, since a claim has no time for it.
    """
    unknown = unknown_migrations()
    if unknown and may_claim():
        log.critical("sending stopped, database newer than this version of mailer", extra={"migration": unknown[-1]})
    elif not unknown and not may_claim():
        log.warning("database schema matches this version again, sending resumed")
    _newer.set() if unknown else _newer.clear()
    return bool(unknown)


def may_claim() -> bool:
    """Return False when `is_newer` last found that the database belongs to a newer version."""
    return not _newer.is_set()


_newer = threading.Event()


@cache
def _known(*packages: str) -> frozenset[tuple[str, str]]:
    """Return (app, name) of migrations by their file names: loading them all takes a hundred times as long."""
    found = ((package, importlib.util.find_spec(f"{package}.migrations")) for package in packages)
    return frozenset(
        (package.rpartition(".")[2], module.name)
        for package, spec in found
        if spec
        for module in pkgutil.iter_modules(spec.submodule_search_locations)
    )


def _back_up(database: Path) -> None:
    if not database.exists() or not connection.introspection.table_names():
        return
    copy = database.with_suffix(database.suffix + ".before-upgrade")
    try:
        copy_sqlite(database, copy)
        shutil.copymode(database, copy)
    except (sqlite3.Error, OSError) as error:
        copy.unlink(missing_ok=True)  # half of it
        raise ImproperlyConfigured(
            f"{database} was not upgraded, because its copy {copy.name} cannot be written ({error}); free some space "
            "and run the command again."
        ) from error
    log.warning("database backed up before the upgrade", extra={"copy": copy.name})
