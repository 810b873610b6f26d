"""Back up PostgreSQL with the server's own pg_dump: one snapshot, while everything keeps running.

What connects pg_dump is what connects the product: each part of DATABASE_URL that libpq knows. The password travels in
the environment, since everybody on the machine may read a command line.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import IO

from mailer.cli.terminal import Problem, database_address, knock

TABLE = "subscribers_subscriber"
INSTALL = "Debian and Ubuntu: apt-get install postgresql-client; macOS: brew install libpq"
TOO_OLD = re.compile(r"server version: (\d+)[^;]*; pg_dump version: (\d+)")


def dump_postgres(part: Path) -> int:
    """Fill the file with a dump in pg_dump's custom format, read all of it back, and count its subscribers.

    Raises Problem.
    """
    pg_dump, pg_restore = _program("pg_dump"), _program("pg_restore")
    knock()
    parameters, role = _parameters()
    environment = _environment(parameters)
    with part.open("wb") as file:
        _run([pg_dump, "--format=custom", "--no-password", *role, _dbname(parameters)], environment, file)
    # The list of contents alone would not tell that rows are missing at the end.
    _run([pg_restore, f"--file={os.devnull}", str(part)], environment)
    return _subscribers_in(part, pg_restore, environment)


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Problem(f"{name} is not on the PATH, and backups of PostgreSQL need it; install it ({INSTALL}).")
    return found


def _parameters() -> tuple[dict[str, str | int | None], list[str]]:
    """Return what libpq needs to reach the database, and the option that names the role."""
    import psycopg
    from django.db import connection

    told = connection.get_connection_params()
    with psycopg.connect(**told) as opened:
        host = opened.info.host  # without one, pg_dump may look for the socket in another folder than psycopg
    known = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()} - {"client_encoding"}
    given: dict[str, str | int | None] = {"host": host} | {name: value for name, value in told.items() if name in known}
    if "sslpassword" in given:
        raise Problem(
            "DATABASE_URL has sslpassword, which pg_dump would show to every user of this machine; use a key file "
            "without a password that only its owner can read."
        )
    role = connection.settings_dict["OPTIONS"].get("assume_role")
    return given, [f"--role={role}"] if role else []


def _dbname(parameters: dict[str, str | int | None]) -> str:
    from psycopg.conninfo import make_conninfo

    return "--dbname=" + make_conninfo("", **{name: value for name, value in parameters.items() if name != "password"})


def _environment(parameters: dict[str, str | int | None]) -> dict[str, str]:
    # Debian's pg_dump is a wrapper that takes the newest version if PGHOST is set, else that of a local server.
    added = {"LC_ALL": "C", "PGHOST": str(parameters["host"])}
    if password := parameters.get("password"):
        added["PGPASSWORD"] = str(password)
    return dict(os.environ) | added


def _run(command: list[str], environment: dict[str, str], stdout: IO[bytes] | None = None) -> None:
    """Run one of PostgreSQL's programs to its end; subprocess.run kills it if we are stopped. Raises Problem."""
    done = subprocess.run(  # noqa: S603 — no shell, and the program is the one on the operator's own PATH
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=stdout or subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise Problem(f"the database at {database_address()} was not backed up: {_reason(command[0], done)}")


def _reason(program: str, done: "subprocess.CompletedProcess[str]") -> str:
    if versions := TOO_OLD.search(done.stderr):
        server, client = versions.groups()
        return (
            f"the server is PostgreSQL {server}, and {program} is of PostgreSQL {client}, which is too old to read "
            f"it; install client version {server} (Debian and Ubuntu: postgresql-client-{server})."
        )
    lines = [line for line in done.stderr.splitlines() if "error:" in line] or done.stderr.splitlines()
    return f"{lines[0] if lines else f'{program} exited with {done.returncode} and no message'}."


def _subscribers_in(part: Path, pg_restore: str, environment: dict[str, str]) -> int:
    """Count the rows of the subscribers' table in the dump: `COPY …`, a line each, `\\.`."""
    command = [pg_restore, "--data-only", f"--table={TABLE}", "--file=-", str(part)]
    with subprocess.Popen(  # noqa: S603 — as above
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as reading:
        assert reading.stdout is not None
        rows = None
        for line in reading.stdout:
            if line.startswith(b"COPY "):
                rows = 0
            elif line == b"\\.\n":
                break
            elif rows is not None:
                rows += 1
        reading.stdout.read()
    if rows is None:
        raise Problem(
            f"the database at {database_address()} holds no newsletter (it has no table {TABLE}), so it was not backed "
            "up; check DATABASE_URL."
        )
    return rows
