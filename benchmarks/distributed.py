# ruff: noqa: T201, S603 — it prints, runs this checkout's own programs, and names its own databases
"""What a send costs on PostgreSQL and Redis with two workers: every process's CPU, the servers' apart.

    python -m benchmarks.distributed [--readers N] [--rounds N] [--before CHECKOUT]

Planning and sending are measured one after the other: two workers have started and are stopped (SIGSTOP) while
`send issue --detach` plans, and go on until the send is finished. What they need to start is shown apart, since they
live for months. With --before the rounds alternate with another checkout of mailer. The provider on loopback is not
counted.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.send import FOLDER, ISSUE, ROOT, ask, environment, provider
from tests.parts import postgres_url
from tests.processes.stage import Broker, new_postgres_database, wait_until

WORKERS = 2
Connection = psycopg.Connection[tuple[Any, ...]]
TICKS = os.sysconf("SC_CLK_TCK")
SEND = ("send", "issue", str(ISSUE), "--yes", "--old-date", "--detach", "--json")
READY = """
    SELECT (SELECT count(*) FROM mailer_process WHERE kind = 'worker') = 2
    AND (SELECT swept_at FROM mailer_installation) IS NOT NULL
"""
FINISHED = "SELECT NOT EXISTS (SELECT FROM mailer_send WHERE state <> 'finished')"
WHAT = ("planning: command", "planning: PostgreSQL", "sending: workers", "sending: PostgreSQL", "Redis", "total")
STARTS = "start of the workers, not in the total"


def main() -> None:
    parser = argparse.ArgumentParser(description="what a send costs on PostgreSQL and Redis, with two workers")
    parser.add_argument("--readers", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--before", type=Path, help="another checkout, whose rounds alternate with this one's")
    options = parser.parse_args()
    roots = [options.before.resolve(), ROOT] if options.before else [ROOT]
    with prepared(roots, options.readers) as ways:
        for _ in range(options.rounds):
            for way in ways:
                way.measure()
                print(f"{way.root.name}: {way.spent['total'][-1]:.2f}, planned in {way.seconds[-1]:.1f} s", flush=True)
    for way in ways:
        way.show()


@contextmanager
def prepared(roots: Sequence[Path], readers: int) -> Iterator[list["Way"]]:
    """Run a provider and a broker, and yield each checkout with a database of its own."""
    with tempfile.TemporaryDirectory(prefix="mailer-benchmark-") as folder, provider() as url:
        broker = Broker(Path(folder))
        broker.start()
        try:
            yield [Way(root, Path(folder), url, broker, readers) for root in roots]
        finally:
            broker.stop()


class Way:
    """A checkout of mailer with a database of its own to copy from."""

    def __init__(self, root: Path, folder: Path, url: str, broker: Broker, readers: int) -> None:
        self.root, self.folder, self.url, self.broker, self.readers = root, folder, url, broker, readers
        self.spent: dict[str, list[float]] = {what: [] for what in (*WHAT, STARTS)}
        self.seconds: list[float] = []
        self.filled = new_postgres_database()
        self._run(self.filled, "mailer", "manage", "migrate", "-v0")
        self._run(self.filled, "benchmarks.audience", str(readers), newsletter())
        with psycopg.connect(self.filled, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")

    def measure(self) -> None:
        """Plan and send once, on a copy of the database."""
        ask(self.url, "/forget")
        address = _copy_of(self.filled)
        with psycopg.connect(address, autocommit=True) as connection, self._workers(address) as workers:
            _wait_for(connection, READY)
            server, starts = postmaster(connection), sum(of_process(worker) for worker in workers)
            spent = self._measured(address, connection, server, workers)
        for what, cpu in (*zip(WHAT, [*spent, sum(spent)], strict=True), (STARTS, starts)):
            self.spent[what].append(cpu * 100_000 / self.readers)
        if (taken := ask(self.url, "/taken")["recipients"]) != self.readers:
            raise RuntimeError(f"the provider took {taken} of {self.readers}")
        with psycopg.connect(postgres_url(), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {_name(address)} WITH (FORCE)")

    def _measured(self, address: str, connection: Connection, server: int, workers: list[int]) -> list[float]:
        """Return the CPU of each of WHAT but the total."""
        _signal(workers, signal.SIGSTOP)
        before, redis, began = of_server(server), of_process(self.broker.pid), time.monotonic()
        planning = self._run(address, "mailer", *SEND)
        self.seconds.append(time.monotonic() - began)
        planned, working = of_server(server), sum(map(of_process, workers))
        _signal(workers, signal.SIGCONT)
        _wait_for(connection, FINISHED)
        worked = sum(map(of_process, workers)) - working
        return [planning, planned - before, worked, of_server(server) - planned, of_process(self.broker.pid) - redis]

    def show(self) -> None:
        print(f"\n{self.root.name}: {self.readers:,} readers, {len(self.seconds)} rounds, ", end="")
        print(f"`send issue --detach` {statistics.median(self.seconds):.1f} s\n")
        print("| CPU-s per 100,000 | median | least to most |\n|---|---|---|")
        for what, cpu in self.spent.items():
            print(f"| {what} | {statistics.median(cpu):.2f} | {min(cpu):.2f} to {max(cpu):.2f} |")

    @contextmanager
    def _workers(self, address: str) -> Iterator[list[int]]:
        """Run workers and yield their pids."""
        workers = [self._start(address, f"worker{number}", "mailer", "worker") for number in range(WORKERS)]
        try:
            yield [worker.pid for worker in workers]
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()

    def _run(self, address: str, *command: str) -> float:
        process = self._start(address, "editor", *command)
        cpu = _reap(process)
        if process.returncode:
            raise RuntimeError(f"{command} exited {process.returncode}: {(self.folder / 'log').read_text()[-2000:]}")
        return cpu

    def _start(self, address: str, home: str, *command: str) -> "subprocess.Popen[bytes]":
        settings = {
            "DATABASE_URL": address,
            "CELERY_BROKER_URL": self.broker.url,
            "SENDGRID_API_KEY": "SG.benchmark.key",
            "SENDGRID_API_URL": self.url,
            "PYTHONPATH": str(self.root),
        }
        with (self.folder / "log").open("w") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=FOLDER,
                env=environment(self.folder / _name(address) / home, **settings),
                stdout=log,
                stderr=subprocess.STDOUT,
            )


def newsletter() -> str:
    import tomllib

    with (FOLDER / "newsletter.toml").open("rb") as file:
        return next(iter(tomllib.load(file)["newsletters"]))


def _signal(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        os.kill(process, number)


def _wait_for(connection: Connection, question: str) -> None:
    wait_until(lambda: connection.execute(question).fetchone() == (True,), question, 600)


def _reap(process: "subprocess.Popen[bytes]") -> float:
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime


def _name(address: str) -> str:
    return address.partition("?")[0].rpartition("/")[2]


def _copy_of(filled: str) -> str:
    name = f"copy_{time.time_ns()}"
    with psycopg.connect(postgres_url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {_name(filled)}")
        connection.execute("CHECKPOINT")
    return filled.replace(_name(filled), name)


def postmaster(connection: Connection) -> int:
    row = connection.execute("SHOW data_directory").fetchone()
    assert row
    return int((Path(row[0]) / "postmaster.pid").read_text().split()[0])


@dataclass(frozen=True)
class _Ticks:
    parent: int
    own: int
    reaped: int


def _ticks(pid: int) -> _Ticks:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return _Ticks(int(fields[1]), int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14]))


def of_process(pid: int) -> float:
    return _ticks(pid).own / TICKS


def of_server(postmaster: int) -> float:
    """Return the CPU of a PostgreSQL server: its own, its processes', and that of those that ended."""
    while True:
        whole = _ticks(postmaster)
        living = sum(_of_children(postmaster))
        if _ticks(postmaster).reaped == whole.reaped:  # else one ended between the two, and may be missing
            return (whole.own + whole.reaped + living) / TICKS


def _of_children(parent: int) -> Iterator[int]:
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            one = _ticks(int(folder.name))
            if one.parent == parent:
                yield one.own + one.reaped


if __name__ == "__main__":
    main()
