# ruff: noqa: T201, S608 — it prints, and names its own roles and databases
"""Two hosts that send one issue: two homes, a PostgreSQL user for each, one broker; 2, 4 and 8 worker processes.

    python -m benchmarks.hosts [--requests 300] [--batches 1000 100] [--latency 0.1] [--workers 2 4 8]

The provider takes 100 ms for a request, and remembers whom it was given. With batches of 1000 two cores are busy with
two workers; small ones show what happens beyond. Shown are subscribers and requests a second from the first request to
the last, the CPU of the workers and of the server, and how many sessions waited for a lock, as seen twenty times a
second, and for what.
"""

import argparse
import os
import signal
import sys
import tempfile
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from benchmarks.distributed import newsletter, of_process, of_server, postmaster
from benchmarks.ranges import Scale, send
from benchmarks.send import ask, provider
from tests.processes.stage import Broker, new_postgres_database, wait_until

PATIENCE = 240
WAITING = """
    SELECT coalesce(max(extract(epoch FROM clock_timestamp() - query_start)), 0), array_agg(query) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
HEADING = (
    "| batch | workers | subscribers/s | requests/s | against the first | CPU-s: workers | PostgreSQL "
    "| sessions that wait for a lock, mean | longest wait, s | given twice | not given |"
)


@dataclass
class Locks:
    """Looks for sessions that wait for a lock, twenty times a second."""

    address: str
    looks: int = 0
    longest: float = 0.0
    statements: Counter[str] = field(default_factory=Counter)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        with psycopg.connect(self.address, autocommit=True) as connection:
            while not self.over.wait(0.05):
                row = connection.execute(WAITING).fetchone()
                assert row
                self.looks += 1
                self.longest = max(self.longest, float(row[0]))
                self.statements.update(" ".join(query.split())[:70] for query in row[1] or [])


def two_users(filled: str) -> tuple[str, str]:
    """Return addresses of this empty database for two users: its owner, and one who may do what the owner may."""
    name = filled.partition("?")[0].rpartition("/")[2]
    first, second = (f"{host}_{uuid.uuid4().hex[:8]}" for host in ("first", "second"))
    with psycopg.connect(filled, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {first} LOGIN")
        connection.execute(f"CREATE ROLE {second} LOGIN IN ROLE {first}")
        connection.execute(f"ALTER DATABASE {name} OWNER TO {first}")
    return filled.replace("//postgres:", f"//{first}:"), filled.replace("//postgres:", f"//{second}:")


def measure(folder: Path, broker: str, url: str, workers: int, batch: int, requests: int) -> tuple[float, str]:
    """Send once; return the subscribers a second, and the rest of its row."""
    administrator, readers = new_postgres_database(), requests * batch
    hosts = [Scale(folder, address, broker, url, readers) for address in two_users(administrator)]
    for host in hosts:
        host.settings["MAILER_BATCH_SIZE"] = str(batch)
    first = hosts[0]
    try:
        first.run("-m", "mailer", "manage", "migrate", "-v0")
        first.run("-m", "benchmarks.audience", str(readers), newsletter())
        first.connection.execute("VACUUM (ANALYZE)")
        started = [
            hosts[number % 2].start(f"{workers}-host{number % 2}", "-m", "mailer", "worker").pid
            for number in range(workers)
        ]
        _wait(first, f"SELECT count(*) = {workers} FROM mailer_process WHERE kind = 'worker'")
        _wait(first, "SELECT swept_at IS NOT NULL FROM mailer_installation")
        return _send(first, administrator, started, url)
    finally:
        for host in hosts:
            host.stop()
            host.connection.close()


def _send(host: Scale, administrator: str, workers: list[int], url: str) -> tuple[float, str]:
    ask(url, "/forget")
    server, locks = postmaster(psycopg.connect(administrator)), Locks(administrator)
    watching = threading.Thread(target=locks.run, daemon=True)
    watching.start()
    used, database = sum(map(of_process, workers)), of_server(server)
    send(host)
    _wait(host, "SELECT state = 'finished' FROM mailer_send")
    used, database = sum(map(of_process, workers)) - used, of_server(server) - database
    locks.over.set()
    watching.join()
    seconds = host.one("SELECT extract(epoch FROM max(ended_at) - min(started_at))::float FROM mailer_attempt")
    taken, planned = ask(url, "/taken"), host.one("SELECT planned FROM mailer_send")
    missing = planned - taken["recipients"] + taken["repeated"]
    waits = locks.statements.total() / max(1, locks.looks)
    for statement, times in locks.statements.most_common(3):
        print(f"waited for a lock, seen {times} times: {statement}")
    rest = f"{used:.1f} | {database:.1f} | {waits:.2f} | {locks.longest:.2f} | {taken['repeated']} | {missing}"
    return taken["recipients"] / seconds, f"{taken['requests'] / seconds:,.0f} | {{ratio:.2f}} | {rest}"


def _wait(host: Scale, question: str) -> None:
    wait_until(lambda: host.one(question), question, PATIENCE)


def main() -> None:
    parser = argparse.ArgumentParser(description="two hosts, with 2, 4 and 8 workers")
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--batches", type=int, nargs="+", default=[1000, 100], help="subscribers in a request")
    parser.add_argument("--latency", type=float, default=0.1, help="of the provider, in seconds")
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 4, 8])
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="mailer-benchmark-") as folder,
        provider(options.latency, "--remember") as url,
    ):
        broker = Broker(Path(folder))
        broker.start()
        try:
            rows = list(_rows(Path(folder), broker.url, url, options))
        finally:
            broker.stop()
    print(f"\n{HEADING}\n{'|---' * 11}|", *rows, sep="\n")


def _rows(folder: Path, broker: str, url: str, options: argparse.Namespace) -> Iterator[str]:
    for batch in options.batches:
        first = 0.0
        for workers in options.workers:
            print(f"{workers} workers, batches of {batch}", flush=True)
            rate, rest = measure(folder, broker, url, workers, batch, options.requests)
            first = first or rate
            yield f"| {batch} | {workers} | {rate:,.0f} | {rest.format(ratio=rate / first)} |"


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
