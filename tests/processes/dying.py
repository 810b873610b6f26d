"""Kill a command of `mailer` before each of its writes: `python -P dying.py QUESTION COMMAND...`

The python is that of the installed product, which finds nothing else of the tests (-P).

In round n it ends itself by SIGKILL before its n-th write: an SQL statement that changes rows, or a file of MAILER_HOME
that is opened for writing. The rounds are forks of one process, because a start of Python for each would take a second.
They go on, each with what the ones before left behind, until one comes to its own end. After each the QUESTION is asked
of the database: {"before": the write that was not made, "rows": the answer}, a line of JSON.
"""

import json
import os
import signal
import sqlite3
import sys
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

WRITES = ("INSERT", "UPDATE", "DELETE")
MOST = 100  # rounds


def rows(database_url: str, home: Path, question: str) -> list[list[Any]]:
    """Return the database's answer to a query, without our own code."""
    if not database_url:
        with closing(sqlite3.connect(home / "mailer.sqlite3")) as connection:
            return [list(row) for row in connection.execute(question)]
    import psycopg

    with psycopg.connect(database_url) as connection:
        return [list(row) for row in connection.execute(question).fetchall()]


def die_before(moment: int, tell: int) -> None:
    """Kill this process before that write, and record in `tell` which write it was."""
    from django.db.backends.signals import connection_created

    writes, home = count(1), os.environ["MAILER_HOME"]

    def write(what: str) -> None:
        if next(writes) == moment:
            os.write(tell, what.encode()[:1000])
            os.kill(os.getpid(), signal.SIGKILL)

    def statement(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if sql.lstrip().startswith(WRITES):
            write(sql)
        return execute(sql, parameters, many, context)

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and str(arguments[0]).startswith(home) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
            write(f"open {Path(str(arguments[0])).name}")

    def watch(connection: Any, **_: Any) -> None:
        connection.execute_wrappers.append(statement)

    connection_created.connect(watch, weak=False)
    sys.addaudithook(audit)


def one_round(moment: int) -> tuple[int, str]:
    """Run the command; return how it ended, and before which write."""
    from mailer import cli

    hear, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(hear)
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        die_before(moment, tell)
        cli.main()
        os._exit(0)
    os.close(tell)
    with open(hear) as told:
        before = told.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), before


def main() -> None:
    question = sys.argv.pop(1)
    os.environ["DJANGO_SETTINGS_MODULE"] = "mailer.settings"
    import django

    django.setup()
    from subscribers import applying
    from subscribers.files import staging

    staging.CHUNK = 1000  # an import of few rows is several transactions
    applying.BATCH = 2  # so is a journal of a few lines
    for moment in range(1, MOST):
        code, before = one_round(moment)
        answer = rows(os.environ["DATABASE_URL"], Path(os.environ["MAILER_HOME"]), question)
        print(json.dumps({"before": before, "rows": answer}, default=str), flush=True)
        if code != -signal.SIGKILL:
            sys.exit(code)
    sys.exit(f"not over after {MOST} rounds")


if __name__ == "__main__":
    main()
