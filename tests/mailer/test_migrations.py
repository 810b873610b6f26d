"""What docs/upgrading.md promises: old processes work on a migrated database, and migrations can be reversed."""

from collections.abc import Iterator

from django.db import models
from django.db.migrations import Migration, operations
from django.db.migrations.loader import MigrationLoader

from mailer.store.schema import OURS

LOADER = MigrationLoader(None, ignore_no_migrations=True)
TAKES_ONLY_AN_INDEX = "0005_one_index_of_readers_each"


def ours() -> Iterator[Migration]:
    for (app, _), migration in LOADER.disk_migrations.items():
        if app in OURS:
            yield migration


def in_the_database(migration: Migration) -> Iterator[operations.base.Operation]:
    for operation in migration.operations:
        if isinstance(operation, operations.SeparateDatabaseAndState):
            yield from operation.database_operations
        else:
            yield operation


def allows_more(migration: Migration, operation: operations.AddConstraint) -> bool:
    """Tell whether it replaces a constraint of this name, and allows each value that was allowed."""
    before = LOADER.project_state(migration.dependencies[0]).models.get((migration.app_label, operation.model_name))
    constraints = before.options.get("constraints", []) if before else []
    former = {one.name: one for one in constraints}.get(operation.constraint.name)
    if former is None:
        return False
    (then,), (now,) = former.condition.children, operation.constraint.condition.children
    return then[0] == now[0] and set(then[1]) <= set(now[1])


def only_adds(migration: Migration, operation: object, new_tables: set[str], new_fields: set[str]) -> bool:
    """Tell whether a process of the previous version, which does not know of it, can keep writing."""
    match operation:
        case operations.AddField(field=field):
            return field.null or field.many_to_many or field.db_default is not models.NOT_PROVIDED
        case operations.AddConstraint() if allows_more(migration, operation):
            return True
        case operations.AddConstraint(model_name=name, constraint=constraint):
            condition = getattr(constraint, "condition", None)
            # Also of rows that only the new version makes.
            named = {field.split("__")[0] for field, _ in condition.children} if condition else set()
            return name.lower() in new_tables or bool(new_fields & named)
    # Without an index it writes on, and looks longer.
    harmless = operations.CreateModel | operations.AddIndex | operations.RemoveIndex | operations.RemoveConstraint
    return isinstance(operation, harmless | operations.RunPython)


def test_a_migration_only_adds_what_the_version_before_need_not_know():
    for migration in ours():
        changes = list(in_the_database(migration))
        new = {operation.name_lower for operation in changes if hasattr(operation, "bases")}
        fields = {operation.name for operation in changes if isinstance(operation, operations.AddField)}
        wrong = [operation for operation in changes if not only_adds(migration, operation, new, fields)]
        assert not wrong or migration.name == TAKES_ONLY_AN_INDEX, (migration.name, wrong)


def test_each_migration_can_be_undone():
    for migration in ours():
        assert all(operation.reversible for operation in migration.operations), migration.name
