"""What an import of many subscribers costs, and how long it keeps another writer of the same SQLite waiting.

python -m benchmarks.imports [ROWS]
"""

import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

CONFIG = """[newsletters.weekly]
name = "The Weekly"
from_email = "editor@news.example.com"
"""
HEADING = "email,name,state,language,confirmed_at,source\n"


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

    def __init__(self, database: Path) -> None:
        super().__init__(daemon=True)
        self.database, self.waits, self.over = database, [0.0], threading.Event()

    def run(self) -> None:
        writer = sqlite3.connect(self.database, timeout=20, isolation_level=None)
        while not self.over.wait(0.05):
            begun = time.perf_counter()
            writer.execute("BEGIN IMMEDIATE")
            writer.execute("UPDATE subscribers_subscription SET confirmation_tries = 0 WHERE id = 1")
            writer.execute("COMMIT")
            self.waits.append(time.perf_counter() - begun)


def measure(count: int) -> dict[str, float]:
    """One import by the command line, in a process and an installation of its own."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "newsletter.toml").write_text(CONFIG)
        write_readers(home / "readers.csv", count)
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "VIRTUAL_ENV")}
        environment = kept | {"MAILER_CONFIG": str(home / "newsletter.toml"), "SENDGRID_API_KEY": ""}
        mailer = [sys.executable, "-m", "mailer", "subscribers"]
        subprocess.run([*mailer, "list"], env=environment, check=True, capture_output=True)  # noqa: S603
        other = OtherWriter(home / "var" / "mailer.sqlite3")
        other.start()
        begun = time.perf_counter()
        command = [*mailer, "import", str(home / "readers.csv"), "--source", "the book fair, 2026", "--yes", "--json"]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:  # noqa: S603
            report = json.loads(process.stdout.read() if process.stdout else b"{}")
            _, _, used = os.wait4(process.pid, 0)
            process.returncode = 0
        seconds = time.perf_counter() - begun
        other.over.set()
        other.join()
        waits = sorted(other.waits)
        return {
            "rows": report["new"],
            "seconds": round(seconds, 1),
            "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
            "peak_mb": round(used.ru_maxrss / 1024),
            "other_writer_waits_p99_ms": round(waits[int(len(waits) * 0.99)] * 1000),
            "other_writer_waits_most_ms": round(waits[-1] * 1000),
        }


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)))  # noqa: T201
