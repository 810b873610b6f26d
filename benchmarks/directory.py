# ruff: noqa: S603 — it runs this checkout's own programs
"""What it costs to look among many subscribers: a search in /admin/, and a list in a pipe.

python -m benchmarks.directory [--readers N] [--rounds N]

The search is timed on the wall, through the whole application, in a process that has answered once before; the list is
CPU of the process.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from benchmarks import table
from benchmarks.send import ROOT, Bench, environment, mailer
from benchmarks.table import Row

TIMES = 10  # a round
SEARCHES = {
    "a whole address": "reader0700001@readers.example",
    "the beginning of one": "reader07000",
    "an address that is not there": "nobody@readers.example",
}
GOAL_SEARCH, GOAL_LIST = 50, 6  # ms; CPU-s at 1,000,000


def measure(bench: Bench, readers: int, rounds: int) -> Iterator[Row]:
    yield from _searches(bench.home(readers), "SQLite", readers, rounds)
    address = _on_postgres(bench, readers)
    if address:
        yield from _searches(bench.folder / "directory", "PostgreSQL", readers, rounds, DATABASE_URL=address)
    home = bench.home(readers)
    lists = tuple(mailer(home, "subscribers", "list").cpu for _ in range(rounds))
    yield Row(f"`subscribers list` piped, {readers:,}", "CPU-s", lists, GOAL_LIST * readers / 1_000_000)


def _on_postgres(bench: Bench, readers: int) -> str | None:
    """Return the address of a database with so many subscribers, or None where no server is installed."""
    from benchmarks.send import python

    try:
        from tests.processes.stage import new_postgres_database

        address = new_postgres_database()
    except ImportError:
        return None
    home = bench.folder / "directory"
    mailer(home, "manage", "migrate", DATABASE_URL=address)
    python("benchmarks.audience", str(readers), bench.newsletter, environment=environment(home, DATABASE_URL=address))
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")  # as autovacuum does within minutes
    return address


def _searches(home: Path, database: str, readers: int, rounds: int, **settings: str) -> Iterator[Row]:
    command = [sys.executable, "-m", "benchmarks.directory", "--inside", "--rounds", str(rounds)]
    given = {**environment(home, **settings), "BASE_URL": "http://127.0.0.1:8000"}
    done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    for what, times in json.loads(done.stdout).items():
        yield Row(f"/admin/ search, {database}, {readers:,}: {what}", "ms", tuple(times), GOAL_SEARCH)


def _inside(rounds: int) -> dict[str, list[float]]:
    os.environ["DJANGO_SETTINGS_MODULE"] = "mailer.settings"
    import django

    django.setup()
    from django.contrib.auth.models import User
    from django.test import Client

    browser = Client(SERVER_NAME="127.0.0.1")
    admin = User.objects.create_superuser("benchmark")
    browser.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    return {what: [_milliseconds(browser, words) for _ in range(rounds)] for what, words in SEARCHES.items()}


def _milliseconds(browser: object, words: str) -> float:
    times = []
    for _ in range(TIMES):
        began = time.perf_counter()
        answer = browser.get("/admin/subscribers/subscriber/", {"q": words})  # type: ignore[attr-defined]
        times.append((time.perf_counter() - began) * 1000)
        if answer.status_code != 200:
            raise RuntimeError(f"/admin/ answered {answer.status_code}")
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description="what a look among many subscribers costs")
    parser.add_argument("--readers", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(_inside(options.rounds)))  # noqa: T201
        return
    with tempfile.TemporaryDirectory(prefix="mailer-benchmark-") as folder:
        table.show(measure(Bench(Path(folder)), options.readers, options.rounds))


if __name__ == "__main__":
    main()
