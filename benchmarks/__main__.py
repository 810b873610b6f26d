# ruff: noqa: T201, S603 — it prints, and runs this checkout's own programs
"""Every measurement that has a goal, in one table; `make bench` runs it on a machine that does nothing else.

    python -m benchmarks [PART ...] [--rounds 5] [--scale 1] [--save FILE] [--against FILE]

CPU is user and system time of all processes that the work needs; PostgreSQL's is in its rows, and apart below them. The
provider, on loopback in a process of its own, is not counted. With --against, what changed by more than a tenth since
the run that --save kept is listed, and the exit code is 1 if anything became worse.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import commands, directory, distributed, imports, table, webhook
from benchmarks.send import ROOT, Bench, compared
from benchmarks.table import HEADING, Row

READERS, MILLION, EVENTS = 200_000, 1_000_000, 50_000
EVENT_GOALS = {
    ("SQLite", "none"): 60_000,
    ("SQLite", "bounces"): 50_000,
    ("PostgreSQL", "none"): 25_000,
    ("PostgreSQL", "bounces"): 20_000,
}
IMPORT_GOALS = {"sqlite": 40, "postgres": 90}  # CPU-s for a million


class Measuring:
    """The parts, each a method that yields rows, at a share of the sizes that the goals are set for."""

    def __init__(self, bench: Bench, rounds: int, scale: float) -> None:
        self._bench, self._rounds, self._scale = bench, rounds, scale

    def send(self) -> Iterator[Row]:
        return compared(self._bench, self._size(READERS), self._rounds)

    def million(self) -> Iterator[Row]:
        """Once: it takes minutes, and the floor, ours and the helpers have their turn one after the other."""
        return compared(self._bench, self._size(MILLION), 1, ("ours", "floor", "helpers"))

    def postgres(self) -> Iterator[Row]:
        readers = self._size(READERS)
        with distributed.prepared([ROOT], readers) as (way,):
            for _ in range(self._rounds):
                way.measure()
        for what, cpu in way.spent.items():
            goal = 2.2 if what == "total" else None
            yield Row(f"PostgreSQL, Redis, two workers, {readers:,}: {what}", "CPU-s per 100,000", tuple(cpu), goal)

    def imports(self) -> Iterator[Row]:
        rows = self._size(MILLION)
        with tempfile.TemporaryDirectory(dir=self._bench.folder) as folder:
            imports.write_readers(Path(folder) / "readers.csv", rows)
            for database, cpu_goal in IMPORT_GOALS.items():
                way = imports.Way(ROOT, database, Path(folder))
                for _ in range(min(self._rounds, 3)):
                    way.measure()
                yield from _import_rows(way.measured, database, rows, cpu_goal * rows / MILLION)

    def events(self) -> Iterator[Row]:
        for (database, bounces), goal in EVENT_GOALS.items():
            rounds = [webhook.measure(database, bounces, self._size(EVENTS)) for _ in range(self._rounds)]
            if all(rounds):
                rates = tuple(one["events"] / one["cpu"] for one in rounds)
                with_bounces = ", 0.5 % bounces" if bounces == "bounces" else ""
                yield Row(f"webhook, {database}{with_bounces}", "events per CPU-s", rates, goal, at_least=True)

    def commands(self) -> Iterator[Row]:
        return commands.measure(self._bench, self._rounds)

    def render(self) -> Iterator[Row]:
        command = [sys.executable, str(ROOT / "benchmarks" / "render.py"), "--json"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        for one in json.loads(done.stdout.splitlines()[-1]):
            yield Row(one["work"], one["unit"], tuple(one["rounds"]), one["goal"])

    def directory(self) -> Iterator[Row]:
        return directory.measure(self._bench, self._size(MILLION), self._rounds)

    def _size(self, whole: int) -> int:
        return max(1000, int(whole * self._scale))


PARTS: dict[str, Callable[[Measuring], Iterator[Row]]] = {
    "send": Measuring.send,
    "million": Measuring.million,
    "postgres": Measuring.postgres,
    "imports": Measuring.imports,
    "events": Measuring.events,
    "commands": Measuring.commands,
    "render": Measuring.render,
    "directory": Measuring.directory,
}


def _import_rows(measured: dict[str, list[float]], database: str, rows: int, cpu_goal: float) -> Iterator[Row]:
    goals = {"CPU-s, together": cpu_goal, "longest wait of another writer, s": 0.5 if database == "sqlite" else None}
    for what, found in measured.items():
        yield Row(f"import {rows:,}, {database}: {what}", "", tuple(found), goals.get(what))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="what mailer costs, against its goals")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all without one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="a share of the sizes, to try it out")
    parser.add_argument("--save", type=Path, help="keep the medians in this file")
    parser.add_argument("--against", type=Path, help="compare with a run that was kept")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="mailer-benchmark-") as folder:
        measuring = Measuring(Bench(Path(folder)), options.rounds, options.scale)
        print(HEADING, flush=True)
        for part in options.parts or PARTS:
            rows += table.show(PARTS[part](measuring))
    if options.save:
        table.save(rows, options.save)
    if options.against:
        print()
        sys.exit(1 if table.compare(rows, options.against) else 0)


if __name__ == "__main__":
    main()
