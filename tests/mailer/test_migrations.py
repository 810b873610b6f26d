"""What docs/upgrading.md promises: old processes work on a migrated database, and migrations can be reversed."""

from collections.abc import Iterator

from django.db import models
from django.db.migrations import Migration, operations
from django.db.migrations.loader import MigrationLoader

from mailer.store.schema import OURS

TAKES_ONLY_AN_INDEX = "0005_one_index_of_readers_each"


def ours() -> Iterator[Migration]:
    for (app, _), migration in MigrationLoader(None, ignore_no_migrations=True).disk_migrations.items():
        if app in OURS:
            yield migration


def only_adds(operation: object, new_tables: set[str], new_fields: set[str]) -> bool:
    """Tell whether a process of the previous version, which does not know of it, can keep writing."""
    match operation:
        case operations.AddField(field=field):
            return field.null or field.many_to_many or field.db_default is not models.NOT_PROVIDED
        case operations.AddConstraint(model_name=name, constraint=constraint):
            condition = getattr(constraint, "condition", None)
            # Also of rows that only the new version makes.
            named = {field.split("__")[0] for field, _ in condition.children} if condition else set()
            return name.lower() in new_tables or bool(new_fields & named)
        case operations.SeparateDatabaseAndState(database_operations=changes):
            return not changes
    # Without an index it writes on, and looks longer.
    return isinstance(
        operation, operations.CreateModel | operations.AddIndex | operations.RemoveIndex | operations.RunPython
    )


def test_a_migration_only_adds_what_the_version_before_need_not_know():
    for migration in ours():
        new = {operation.name_lower for operation in migration.operations if hasattr(operation, "bases")}
        fields = {operation.name for operation in migration.operations if isinstance(operation, operations.AddField)}
        wrong = [operation for operation in migration.operations if not only_adds(operation, new, fields)]
        assert not wrong or migration.name == TAKES_ONLY_AN_INDEX, (migration.name, wrong)


def test_each_migration_can_be_undone():
    for migration in ours():
        assert all(operation.reversible for operation in migration.operations), migration.name
