"""The database as an older version had it, and what a process of that version writes during an upgrade."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import StateApps

Names = list[tuple[str, str]]


@contextmanager
def database_of(*before: tuple[str, str]) -> Iterator[StateApps]:
    """Migrate to these migrations and no later ones, and yield their models; migrate up again after the block."""
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    old = MigrationExecutor(connection)
    old.migrate(list(before))
    try:
        yield old.loader.project_state(list(before)).apps
    finally:
        MigrationExecutor(connection).migrate(newest)
