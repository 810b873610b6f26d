# ruff: noqa: T201, S603 — it prints, and runs this checkout's own programs
"""What an import of many subscribers costs, and how long it keeps another writer of the same database waiting.

    python -m benchmarks.imports [--rows N] [--rounds N] [--databases sqlite postgres] [--before CHECKOUT]

Each import runs in a process and an installation of its own, into an empty database, with its plan; then everybody is
listed and exported into a pipe. CPU is the command's, and PostgreSQL's of all its processes, apart. With --before the
rounds alternate with another checkout of mailer.
"""

import argparse
import json
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.distributed import of_server, postmaster
from benchmarks.send import MEGABYTE, ROOT, environment
from tests.processes.stage import new_postgres_database

CONFIG = """[newsletters.weekly]
name = "The Weekly"
from_email = "editor@news.example.com"
"""
HEADING = "email,name,state,language,confirmed_at,source\n"
WHAT = {
    "CPU-s, command": "{:.1f}",
    "CPU-s, PostgreSQL": "{:.1f}",
    "CPU-s, together": "{:.1f}",
    "seconds": "{:.0f}",
    "peak memory, MB": "{:.0f}",
    "longest wait of another writer, s": "{:.2f}",
    "99th percentile of these waits, s": "{:.2f}",
    "CPU-s of `subscribers list`": "{:.1f}",
    "CPU-s of `subscribers export`": "{:.1f}",
}


def main() -> None:
    parser = argparse.ArgumentParser(description="what an import of many subscribers costs")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--databases", nargs="+", choices=["sqlite", "postgres"], default=["sqlite", "postgres"])
    parser.add_argument("--before", type=Path, help="another checkout, whose rounds alternate with this one's")
    options = parser.parse_args()
    roots = [options.before.resolve(), ROOT] if options.before else [ROOT]
    with tempfile.TemporaryDirectory(prefix="mailer-benchmark-") as folder:
        write_readers(Path(folder) / "readers.csv", options.rows)
        ways = [Way(root, database, Path(folder)) for database in options.databases for root in roots]
        for _ in range(options.rounds):
            for way in ways:
                way.measure()
                print(f"{way.root.name}, {way.database}: {way.measured['CPU-s, together'][-1]:.1f} CPU-s", flush=True)
    for way in ways:
        way.show(options.rows)


def write_readers(path: Path, count: int) -> None:
    """Write a file of invented subscribers in no order, as a service exports them; one in 50 left there."""
    chance = random.Random(1)  # noqa: S311 — the same file in each run
    with path.open("w") as file:
        file.write(HEADING)
        for number in range(count):
            state = "active" if number % 50 else "unsubscribed"
            address = f"{chance.getrandbits(40):x}.{number}@readers{number % 977}.example"
            file.write(f"{address},Reader {number},{state},en,2024-03-{number % 28 + 1:02}T10:00:00Z,landing page\n")


class OtherWriter(threading.Thread):
    """A subscriber who leaves while the import runs, again and again."""

    def __init__(self, begin: str, execute: Callable[[str], Any]) -> None:
        super().__init__(daemon=True)
        self.begin, self.execute, self.waits, self.over = begin, execute, [0.0], threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.05):
            begun = time.perf_counter()
            self.execute(self.begin)
            self.execute("UPDATE subscribers_subscription SET confirmation_tries = 0 WHERE id = 1")
            self.execute("COMMIT")
            self.waits.append(time.perf_counter() - begun)

    def stop(self) -> list[float]:
        """Return the waits, the shorter ones first."""
        self.over.set()
        self.join()
        return sorted(self.waits)


class Way:
    """A checkout of mailer on one kind of database."""

    def __init__(self, root: Path, database: str, folder: Path) -> None:
        self.root, self.database, self.folder = root, database, folder
        self.measured: dict[str, list[float]] = {what: [] for what in WHAT}

    def measure(self) -> None:
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            home = Path(folder)
            (home / "newsletter.toml").write_text(CONFIG)
            given = {"PYTHONPATH": str(self.root), "MAILER_CONFIG": str(home / "newsletter.toml")}
            if self.database == "postgres":
                self._measure_postgresql(environment(home, **given, DATABASE_URL=new_postgres_database()))
            else:
                self._measure_sqlite(home / "mailer.sqlite3", environment(home, **given))

    def _measure_sqlite(self, path: Path, settings: dict[str, str]) -> None:
        self._run(settings, "manage", "migrate", "-v0")
        other = sqlite3.connect(path, timeout=20, isolation_level=None, check_same_thread=False)
        self._measure(settings, OtherWriter("BEGIN IMMEDIATE", other.execute), lambda: 0.0)
        other.close()

    def _measure_postgresql(self, settings: dict[str, str]) -> None:
        self._run(settings, "manage", "migrate", "-v0")
        with psycopg.connect(settings["DATABASE_URL"], autocommit=True) as other:
            server = postmaster(other)
            self._measure(settings, OtherWriter("BEGIN", other.execute), lambda: of_server(server))

    def _measure(self, settings: dict[str, str], other: OtherWriter, server: Callable[[], float]) -> None:
        command = ("subscribers", "import", str(self.folder / "readers.csv"), "--source", "the fair", "--yes", "--json")
        begun, before = time.monotonic(), server()
        other.start()
        cpu, memory, out = self._run(settings, *command)
        seconds, theirs, waits = time.monotonic() - begun, server() - before, other.stop()
        if not json.loads(out)["new"]:
            raise RuntimeError("nobody was imported")
        listed, exported = (self._run(settings, "subscribers", what)[0] for what in ("list", "export"))
        longest, most = waits[-1], waits[int(len(waits) * 0.99)]
        found = (cpu, theirs, cpu + theirs, seconds, memory, longest, most, listed, exported)
        for what, value in zip(WHAT, found, strict=True):
            self.measured[what].append(value)

    def _run(self, settings: dict[str, str], *command: str) -> tuple[float, float, bytes]:
        """Return the CPU and the peak memory of a command, and what it printed."""
        arguments = [sys.executable, "-m", "mailer", *command]
        with tempfile.TemporaryFile() as out:
            # A pipe, as a program reads it, without its cost here.
            process = subprocess.Popen(arguments, cwd=self.folder, env=settings, stdout=out, stderr=subprocess.DEVNULL)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise RuntimeError(f"{command} exited {process.returncode}")
            out.seek(0)
            return used.ru_utime + used.ru_stime, used.ru_maxrss / MEGABYTE, out.read(1_000_000)

    def show(self, rows: int) -> None:
        print(f"\n{self.root.name}: {rows:,} rows into {self.database}\n")
        print("| | median | least to most |\n|---|---|---|")
        for what, form in WHAT.items():
            found = [
                form.format(value) for value in (statistics.median(self.measured[what]), *_ends(self.measured[what]))
            ]
            print(f"| {what} | {found[0]} | {found[1]} to {found[2]} |")


def _ends(values: list[float]) -> tuple[float, float]:
    return min(values), max(values)


if __name__ == "__main__":
    main()
