"""Subscribers who press "unsubscribe" at a real web process while its database has a problem."""

import http.client
import os
import signal
import statistics
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from subscribers import tokens
from tests.chaos.grounds import Postgres
from tests.processes.stage import Stage

ONE_CLICK = b"List-Unsubscribe=One-Click"
FOREVER = 30.0  # seconds; who gets no answer by then hangs


@dataclass(frozen=True)
class Answer:
    email: str
    status: int  # 0: no answer, because the process was killed or hangs
    seconds: float
    sent: float  # time.time()


def ways_out(stage: Stage, home: str = "editor") -> dict[str, str]:
    """Return address → path of the unsubscribe link in the subscriber's emails."""
    import json

    [[keys]] = stage.ask("SELECT link_keys FROM mailer_installation", home)
    key = bytes.fromhex((json.loads(keys) if isinstance(keys, str) else keys)[-1])
    rows = stage.ask("SELECT email, public_id FROM subscribers_subscriber ORDER BY email", home)
    tokened = ((email, tokens.make(tokens.UNSUBSCRIBE, UUID(str(reader)), "weekly", key)) for email, reader in rows)
    return {email: f"/unsubscribe/{token}/" for email, token in tokened}


def ask(url: str, body: bytes | None = None, patience: float = FOREVER) -> tuple[int, str, dict[str, str]]:
    """Return status, text and headers; status 0 if there is no answer."""
    request = urllib.request.Request(url, data=body, method="GET" if body is None else "POST")
    try:
        with urllib.request.urlopen(request, timeout=patience) as response:
            return response.status, response.read().decode(), dict(response.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), dict(error.headers)
    except (OSError, http.client.HTTPException):  # the process was killed, perhaps in the middle of its answer
        return 0, "", {}


class Leavers:
    """Subscribers who unsubscribe one after another, several at once, with one click each, until the block ends."""

    def __init__(self, base: str, ways: dict[str, str], at_once: int = 4, pause: float = 0.05) -> None:
        self.answers: list[Answer] = []
        self._base, self._pause = base, pause
        self._ways: Iterator[tuple[str, str]] = iter(ways.items())
        self._lock, self._over = threading.Lock(), threading.Event()
        self._threads = [threading.Thread(target=self._leave, daemon=True) for _ in range(at_once)]

    def __enter__(self) -> "Leavers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(FOREVER)

    def _leave(self) -> None:
        while not self._over.is_set():
            with self._lock:
                email, path = next(self._ways, ("", ""))
            if not email:
                return
            sent, begun = time.time(), time.monotonic()
            status, _, _ = ask(self._base + path, ONE_CLICK)
            with self._lock:
                self.answers.append(Answer(email, status, time.monotonic() - begun, sent))
            time.sleep(self._pause)

    def acknowledged(self) -> dict[str, float]:
        """Return who was told that they are unsubscribed, and when they clicked."""
        with self._lock:
            return {answer.email: answer.sent for answer in self.answers if answer.status == 200}

    def statuses(self) -> set[int]:
        with self._lock:
            return {answer.status for answer in self.answers}

    def slowest(self) -> float:
        with self._lock:
            return max(answer.seconds for answer in self.answers)

    def usual(self) -> float:
        with self._lock:
            return statistics.median(answer.seconds for answer in self.answers)


@contextmanager
def hanging(postgres: Postgres) -> Iterator[None]:
    """Freeze the server: it neither answers nor refuses, as if its machine swapped or its disk hung."""
    postmaster = int((Path(postgres.folder) / "postmaster.pid").read_text().splitlines()[0])
    os.kill(postmaster, signal.SIGSTOP)  # first, so that it starts no other process
    listed = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()]
    servers = [pid for pid, parent in pairs if parent == postmaster]
    try:
        for pid in servers:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in (*servers, postmaster):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
