# ruff: noqa: T201, S603 — it prints, and runs this checkout's own programs
"""The plan of a send to millions on PostgreSQL, made in ranges by two workers, of which one is killed on the way.

    python -m benchmarks.ranges [--readers N] [--import] [--send] [--database URL]

Meanwhile subscribers unsubscribe with one click and are erased. Shown are the longest transaction, the longest wait for
a lock, what grew, and the memory of a worker. With --import the subscribers are imported from a file, else written by
SQL. With --send the issue is then sent at full speed, while pages are looked at. With --database, that database is
used, and filled if it has no subscribers; 10,000,000 need 20 GB.
"""

import argparse
import http.client
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from benchmarks.distributed import newsletter, of_process, of_server, postmaster
from benchmarks.imports import write_readers
from benchmarks.send import FOLDER, ISSUE, ask, environment, provider
from tests.processes.stage import Broker, free_port, new_postgres_database, wait_until

Connection = psycopg.Connection[tuple[Any, ...]]
PATIENCE = 4 * 3600
BODY = b"List-Unsubscribe=One-Click"

# Inside the installation: links of subscribers from all over the table, and erasing some of the others.
LINKS = """
import django; django.setup()
from mailer.store.installation import link_keys
from subscribers import tokens
from subscribers.models import Subscriber
token = tokens.Signer(tokens.UNSUBSCRIBE, {newsletter!r}, link_keys().links[0].key).token
some = Subscriber.objects.filter(pk__in=range(1, {readers}, {readers} // 20000 or 1))
for public_id in some.values_list("public_id", flat=True):
    print(f"/unsubscribe/{{token(public_id.bytes)}}/")
"""
ERASE = """
import time, django; django.setup()
from subscribers import erasing
from subscribers.models import Subscriber
from subscribers.records import Origin
for pk in range(2, {readers}, {readers} // 1000):
    for key in Subscriber.objects.filter(pk=pk).values_list("email_key", flat=True):
        began = time.monotonic()
        erasing.forget(key, Origin(how="command"))
        print(time.monotonic() - began, flush=True)
    time.sleep(0.5)
"""
LOOK = """
import time, django; django.setup()
from django.contrib.auth.models import User
from django.test import Client
browser = Client(SERVER_NAME="127.0.0.1")
browser.force_login(User.objects.create_superuser("benchmark"), "django.contrib.auth.backends.ModelBackend")
while True:
    for path in {paths!r}:
        began = time.perf_counter()
        answer = browser.get(path)
        print(path, answer.status_code, 1000 * (time.perf_counter() - began), flush=True)
    time.sleep(1)
"""
PATHS = (
    "/admin/mailer/send/",
    "/admin/subscribers/subscriber/",
    "/admin/subscribers/subscriber/?q=reader00",
    "/archive/",
    f"/archive/{ISSUE.stem}",
)
ACTIVITY = """
    SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)) FILTER (WHERE backend_xid IS NOT NULL), 0),
        coalesce(max(extract(epoch FROM clock_timestamp() - query_start)) FILTER (WHERE wait_event_type = 'Lock'), 0),
        (array_agg(query ORDER BY xact_start))[1]
    FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
    AND pid <> pg_backend_pid() AND state <> 'idle' AND query NOT LIKE 'VACUUM%'
"""
OUTCOMES = "SELECT state, sum(size), sum(skipped), sum(rejected) FROM mailer_batch GROUP BY state"
SIZES = """
    SELECT relname, pg_size_pretty(pg_table_size(relid)), pg_size_pretty(pg_indexes_size(relid)), n_live_tup, n_dead_tup
    FROM pg_stat_user_tables WHERE relname IN ('mailer_send', 'mailer_batch', 'mailer_delivery', 'mailer_planning',
        'subscribers_subscriber', 'subscribers_subscription') ORDER BY relname
"""


@dataclass
class Watch:
    """Looks at the server ten times a second."""

    address: str
    transaction: float = 0.0
    lock: float = 0.0
    statement: str = ""
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        with psycopg.connect(self.address, autocommit=True) as connection:
            while not self.over.wait(0.1):
                row = connection.execute(ACTIVITY).fetchone()
                assert row
                if float(row[0]) > self.transaction:
                    self.transaction, self.statement = float(row[0]), " ".join(str(row[2]).split())[:120]
                self.lock = max(self.lock, float(row[1]))


class Scale:
    def __init__(self, folder: Path, address: str, broker: str, url: str, readers: int) -> None:
        self.folder, self.address, self.provider, self.readers = folder, address, url, readers
        self.port = free_port()
        self.settings = {
            "DATABASE_URL": address,
            "CELERY_BROKER_URL": broker,
            "SENDGRID_API_KEY": "SG.benchmark.key",
            "SENDGRID_API_URL": url,
            "BASE_URL": f"http://127.0.0.1:{self.port}",
            "DJANGO_SETTINGS_MODULE": "mailer.settings",
        }
        self.running: list[subprocess.Popen[bytes]] = []
        self.connection: Connection = psycopg.connect(address, autocommit=True)

    def start(self, home: str, *command: str) -> "subprocess.Popen[bytes]":
        with (self.folder / f"{home}.log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=FOLDER,
                env=environment(self.folder / home, **self.settings),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.running.append(process)
        return process

    def run(self, *command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=FOLDER,
            env=environment(self.folder / "editor", **self.settings),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr[-3000:])
        return done.stdout

    def one(self, question: str) -> Any:
        row = self.connection.execute(question).fetchone()  # type: ignore[arg-type]
        return row[0] if row else None

    def listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5):
            return True
        return False

    def stop(self) -> None:
        for process in self.running:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()


@contextmanager
def installed(readers: int, address: str = "", latency: float = 0.0) -> Iterator[Scale]:
    """Yield an installation with its broker and provider, in a database of its own unless one is given."""
    with tempfile.TemporaryDirectory(prefix="mailer-benchmark-") as folder, provider(latency) as url:
        broker = Broker(Path(folder))
        broker.start()
        scale = Scale(Path(folder), address or new_postgres_database(), broker.url, url, readers)
        try:
            yield scale
        finally:
            scale.stop()
            broker.stop()


def measure(scale: Scale, fill: Callable[[Scale], None], *, sending: bool) -> None:
    scale.run("-m", "mailer", "manage", "migrate", "-v0")
    if not scale.one("SELECT EXISTS (SELECT FROM subscribers_subscriber)"):
        timed("filled", lambda: fill(scale))
        timed("vacuum", lambda: scale.connection.execute("VACUUM (ANALYZE)"))
    links = scale.run("-c", LINKS.format(newsletter=newsletter(), readers=scale.readers)).split()
    workers = [scale.start(f"worker{number}", "-m", "mailer", "worker") for number in (0, 1)]
    scale.start("web", "-m", "mailer", "serve", "--port", str(scale.port))
    wait_until(scale.listens, "the web process listens", 300)
    wait_until(lambda: scale.one("SELECT swept_at IS NOT NULL FROM mailer_installation"), "a worker swept", 300)
    scale.start("eraser", "-c", ERASE.format(readers=scale.readers))
    with clicks(scale, links[::2]) as times, phase(scale, "planned", workers):
        timed("`send issue --detach`", lambda: send(scale))
        wait_until(lambda: scale.one("SELECT planned FROM mailer_send") > scale.readers // 3, "a third", PATIENCE)
        timed("`status`", lambda: print(scale.run("-m", "mailer", "status", ISSUE.stem).splitlines()[0]))
        workers[0].kill()
        workers.append(scale.start("worker2", "-m", "mailer", "worker"))
        wait_until(lambda: scale.one("SELECT state FROM mailer_send") != "planning", "all planned", PATIENCE)
    answered("planned", times)
    if sending:
        with clicks(scale, links[1::2]) as times, phase(scale, "sent", workers):
            watch_it_sent(scale)
        answered("sent", times)
    check(scale)
    if sending:
        outcomes = scale.connection.execute(OUTCOMES)
        print("batches (state, size, skipped, rejected):", *outcomes, "taken:", ask(scale.provider, "/taken"))


def by_sql(scale: Scale) -> None:
    scale.run("-m", "benchmarks.audience", str(scale.readers), newsletter())


def by_import(scale: Scale) -> None:
    file = scale.folder / "readers.csv"
    write_readers(file, scale.readers)
    with phase(scale, "imported", []):
        scale.run(
            *("-m", "mailer", "subscribers", "import", str(file), "--newsletter", newsletter()),
            *("--state", "active", "--source", "benchmark", "--yes"),
        )
    file.unlink()


def watch_it_sent(scale: Scale) -> None:
    looks = scale.start("looks", "-c", LOOK.format(paths=PATHS))
    wait_until(lambda: scale.one("SELECT state FROM mailer_send") != "sending", "all sent", PATIENCE)
    looks.kill()
    timed("`status`", lambda: print(scale.run("-m", "mailer", "status", ISSUE.stem).splitlines()[0]))
    times: dict[str, list[float]] = {}
    for line in (scale.folder / "looks.log").read_text().splitlines():
        if line.startswith("/") and len(words := line.split()) == 3:  # the last one may be cut off
            times.setdefault(f"{words[0]} {words[1]}", []).append(float(words[2]))
    for path, spent in times.items():
        print(f"{path}: {len(spent)} times, median {statistics.median(spent):.0f} ms, longest {max(spent):.0f} ms")


def send(scale: Scale) -> None:
    print(scale.run("-m", "mailer", "send", "issue", str(ISSUE), "--yes", "--old-date", "--detach").strip())


def check(scale: Scale) -> None:
    """Compare the plan, however it was interrupted, with the deliveries and the batches."""
    planned = scale.one("SELECT planned FROM mailer_send")
    deliveries = scale.one("SELECT count(*) FROM mailer_delivery")
    sizes = scale.one("SELECT sum(size) FROM mailer_batch")
    lacking = scale.one(
        "SELECT count(*) FROM subscribers_subscription AS one WHERE state = 'active' AND NOT EXISTS"
        " (SELECT FROM mailer_delivery WHERE subscriber_id = one.subscriber_id)"
    )
    full = scale.one("SELECT count(*) FROM mailer_batch WHERE size <> (SELECT max(size) FROM mailer_batch)")
    print(f"planned {planned:,}, deliveries {deliveries:,}, in batches {sizes:,}, lacking {lacking}, not full {full}")


@contextmanager
def phase(scale: Scale, name: str, workers: list["subprocess.Popen[bytes]"]) -> Iterator[None]:
    watch, server = Watch(scale.address), postmaster(scale.connection)
    thread = threading.Thread(target=watch.run, daemon=True)
    thread.start()
    cpu, wal, began = of_server(server), scale.one("SELECT pg_current_wal_lsn()"), time.monotonic()
    used = {worker.pid: of_process(worker.pid) for worker in workers if worker.poll() is None}
    try:
        yield
    finally:
        watch.over.set()
        thread.join()
        alive = [worker.pid for worker in workers if worker.poll() is None]
        working = sum(of_process(pid) - used.get(pid, 0.0) for pid in alive)
        written = scale.one(f"SELECT pg_size_pretty(pg_current_wal_lsn() - '{wal}'::pg_lsn)")
        print(
            f"{name} in {time.monotonic() - began:.0f} s; CPU-s: server {of_server(server) - cpu:.0f}, workers "
            f"{working:.0f}; longest transaction {watch.transaction:.2f} s ({watch.statement}), longest wait for a "
            f"lock {watch.lock:.2f} s; WAL {written}; memory of workers {[memory(pid) for pid in alive]} MB",
            flush=True,
        )
        for row in scale.connection.execute(SIZES):
            print("  ", *row)


@contextmanager
def clicks(scale: Scale, links: list[str]) -> Iterator[list[tuple[int, float]]]:
    """Unsubscribe one subscriber after the other, ten a second at most. Yields what they were answered and when."""
    over, answers = threading.Event(), list[tuple[int, float]]()

    def click() -> None:
        target = urlsplit(scale.settings["BASE_URL"])
        for path in links:
            connection = http.client.HTTPConnection(str(target.hostname), target.port, timeout=60)
            began, status = time.monotonic(), 0
            with suppress(OSError, http.client.HTTPException):
                connection.request("POST", path, BODY, {"Content-Type": "application/x-www-form-urlencoded"})
                status = connection.getresponse().status
            answers.append((status, time.monotonic() - began))
            connection.close()
            if over.wait(0.1):
                return

    thread = threading.Thread(target=click, daemon=True)
    thread.start()
    try:
        yield answers
    finally:
        over.set()
        thread.join()


def answered(name: str, answers: list[tuple[int, float]]) -> None:
    times = sorted(seconds for _, seconds in answers)
    failed = sum(status != 200 for status, _ in answers)
    share = {part: 1000 * times[int(part * (len(times) - 1))] for part in (0.5, 0.99, 1.0)}
    print(f"one-click while it was {name}: {len(times)}, {failed} failed; p50, p99, longest {share} ms", flush=True)


def memory(pid: int) -> int:
    """Return the most that the process ever held, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))


def timed(what: str, act: Callable[[], object]) -> None:
    began = time.monotonic()
    act()
    print(f"{what}: {time.monotonic() - began:.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="a send to millions, planned in ranges")
    parser.add_argument("--readers", type=int, default=2_000_000)
    parser.add_argument("--import", action="store_const", const=by_import, default=by_sql, dest="fill")
    parser.add_argument("--send", action="store_true", help="send it too, and look at pages meanwhile")
    parser.add_argument("--database", help="an empty database, or one that was filled before")
    options = parser.parse_args()
    with installed(options.readers, options.database) as scale:
        measure(scale, options.fill, sending=options.send)
        erased = [float(line) for line in (scale.folder / "eraser.log").read_text().split()]
        print(f"erased {len(erased)}, longest {max(erased, default=0):.2f} s")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
