"""The database as an older version had it, and what its processes write during an upgrade."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import StateApps

Names = list[tuple[str, str]]


@contextmanager
def database_of(*before: tuple[str, str]) -> Iterator[StateApps]:
    """Migrate to these migrations and no later ones, and yield their models; migrate up again after the block."""
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    old = MigrationExecutor(connection)
    try:
        old.migrate(list(before))
        yield old.loader.project_state(list(before)).apps
    finally:
        MigrationExecutor(connection).migrate(newest)


def python(home: Path, code: str) -> str:
    """Run the code in a process with the SQLite database of this home, and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", f"import django; django.setup()\n{code}"],
        env=os.environ | {"MAILER_HOME": str(home), "DATABASE_URL": ""},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
