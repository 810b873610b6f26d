"""One run in progress: its processes, the provider, and a supervisor that restarts what died."""

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests import events
from tests.chaos.grounds import Postgres, own_postgres
from tests.chaos.kinds import Kind
from tests.chaos.ledger import Away, Ledger
from tests.clocks import MovedClock
from tests.ports import free_port
from tests.processes.conftest import CONFIG, editors_folder
from tests.processes.stage import Broker, Stage, answers
from tests.processes.starving import Disk
from tests.stand_in import StandIn

ISSUE = "issues/2026-11-20.md"
SLUG = "2026-11-20"
LEASE = 4.5
HOURS_OFF = (-25, -3, 3, 25)
# Short, so that a run is; the rules of sending do not depend on them.
TIMES = {"MAILER_HTTP_TIMEOUT": "1.5", "MAILER_LEASE": str(LEASE)}
EVIDENCE_WAIT = 2.0
UNHURRIED = {"MAILER_HTTP_TIMEOUT": "10", "MAILER_LEASE": "30"}


class Hand:
    """A process that sends: a worker, or a command with an embedded worker."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.process: subprocess.Popen[str] | None = None

    @property
    def lives(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int) -> bool:
        if not self.lives:
            return False
        assert self.process is not None
        os.killpg(self.process.pid, number)
        return True


class Run:
    def __init__(self, seed: int, kind: Kind, folder: Path, before: str = "") -> None:
        self.seed, self.kind, self.folder = seed, kind, folder
        self.random = random.Random(seed)
        self.kills = 0
        self.story: list[str] = []
        self.left: dict[str, float] = {}  # who unsubscribed, and when (time.time()) it was acknowledged
        self.log = folder / "provider.jsonl"
        self.api = StandIn(log=self.log, latency=kind.latency)
        self.broker = Broker(folder) if kind.distributed else None
        self.postgres: Postgres | None = own_postgres() if kind.distributed else None
        self.keys = events.EventKeys()
        self.stage = self._stage()
        self.now = self.stage.command
        self.stage.command = [before] if before else self.now
        self.foreign_key = "SG.foreign.key"
        self.second = self._second_installation()
        # On SQLite the web process shares the commands' folder, and brings a worker along.
        self.web = Hand("web" if kind.distributed else "editor")
        self.port = free_port()
        homes = ("worker0", "worker1") if kind.distributed else ("editor",) * kind.commands
        self.hands = [Hand(home) for home in homes]
        self.readers: dict[str, list[str]] = {}
        self.clocks = self._clocks() if "move_clock" in kind.disasters else {}
        self.disks: dict[str, Disk] = {}  # by home

    def _clocks(self) -> dict[str, MovedClock]:
        """Return clocks by home, each of which is a machine. The planner's clock is off from the beginning."""
        homes = {self.web.home, *(hand.home for hand in self.hands)}
        if self.kind.distributed:
            homes |= {"editor", "editor0"}
        clocks = {home: MovedClock(self.folder / f"clock-{home}") for home in sorted(homes)}
        if self.kind.distributed:
            clocks["editor0"].move(hours=self.random.choice(HOURS_OFF))
        self.stage.settings_of = {home: clock.settings for home, clock in clocks.items()}
        return clocks

    def set_clocks_right(self) -> None:
        for clock in self.clocks.values():
            clock.move(hours=0)
        if self.clocks and not self.kind.distributed:  # SQLite cannot know that a clock that was ahead is right now
            self.stage.run("doctor", "--adopt")

    def _stage(self) -> Stage:
        newsletter = editors_folder(self.folder / "newsletter")
        if self.broker is None or self.postgres is None:
            stage = Stage(newsletter)
        else:
            self.broker.start()
            stage = Stage(newsletter, self.postgres.new_database(), self.broker.url)
        stage.settings = {
            "SENDGRID_API_KEY": self.api.key,
            "SENDGRID_API_URL": self.api.url,
            "BASE_URL": "https://news.example.com",
            "MAILER_BATCH_SIZE": str(self.kind.batch),
            "MAILER_LANES": str(self.random.randint(2, 3)),
            "SENDGRID_WEBHOOK_PUBLIC_KEY": self.keys.public if self.kind.webhook else "",
            "MAILER_EVIDENCE_WAIT": str(EVIDENCE_WAIT if self.kind.deaf else 90_000),
            "MAILER_LEAVING_WAIT": str(self.kind.leaving_wait),
            **(UNHURRIED if self.kind.unhurried else TIMES),
        }
        return stage

    def _second_installation(self) -> Stage:
        """Return a stage with another newsletter.toml and key; a disaster starts it."""
        newsletter = editors_folder(self.folder / "second" / "newsletter")
        (newsletter / "newsletter.toml").write_text(CONFIG.replace("weekly.news.example.com", "weekly.second.example"))
        stage = Stage(newsletter, self.stage.database_url, self.stage.broker_url)
        stage.settings = self.stage.settings | {"SENDGRID_API_KEY": self.foreign_key}
        return stage

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.stage.database_url, self.folder / "home-editor" / "mailer.sqlite3")

    # -------------------------------------------------------------- who works

    def begin(self) -> None:
        """Create subscribers, plan the issue and start the processes."""
        if "fill_disk" in self.kind.disasters:
            for home in {hand.home for hand in self.hands}:
                self.disks[home] = Disk(Path(self.stage.environment(home)["MAILER_HOME"]))
        if self.kind.distributed:
            self.stage.run("manage", "migrate", "-v0")
        counts = {"active": self.kind.readers, "pending": 5, "unsubscribed": 5}
        self.readers = self.stage.import_readers(counts)
        self.choose_bad_readers()
        self.tend()
        if self.kind.distributed:
            assert self.until(self.ledger.swept, 30), f"no worker swept\n{self.stage.logs()}"
            self._plan_by_editors()
        assert self.until(lambda: self.ledger.send() is not None, 30), f"nothing was planned\n{self.stage.logs()}"

    def _plan_by_editors(self) -> None:
        editors = [
            self.stage.start(*self._send_issue, "--detach", home=f"editor{number}")
            for number in range(self.kind.commands)
        ]
        codes = [editor.wait(60) for editor in editors]
        assert set(codes) == {0}, f"exit codes {codes}\n{self.stage.logs()}"

    def choose_bad_readers(self) -> None:
        bad = self.random.sample(self.readers["active"], self.kind.bad + self.kind.unnamed)
        self.bad, self.named = frozenset(bad), frozenset(bad[: self.kind.bad])
        self.api.bad_addresses = set(self.named)
        self.api.unnamed_bad_addresses = set(bad[self.kind.bad :])

    def tend(self) -> None:
        """Restart processes that died, and resume a send that the provider's message paused."""
        sent = self._send()
        if sent and sent[0] == "finished" and not self.kind.distributed:
            return
        for hand in self.hands:
            if not hand.lives:
                hand.process = self.stage.start(*self._work(sent), home=hand.home)
        if self.kind.distributed and sent and sent[0] == "paused":
            self.stage.run("resume", SLUG, "--detach", expect=None)

    def _work(self, sent: tuple[str, str, int] | None) -> tuple[str, ...]:
        if self.kind.distributed:
            return ("worker",)
        if sent and sent[0] == "paused":
            return ("resume", SLUG)
        return self._send_issue

    @property
    def _send_issue(self) -> tuple[str, ...]:
        policy = ("--on-unknown", "resend") if self.kind.deaf else ()
        return ("send", "issue", ISSUE, "--yes", *policy)

    def _send(self) -> tuple[str, str, int] | None:
        try:
            return self.ledger.send()
        except Away:
            return None

    def serve(self) -> str:
        """Start the web process and return its address."""
        base = f"http://127.0.0.1:{self.port}"
        if not self.web.lives:
            self.web.process = self.stage.start("serve", "--port", str(self.port), home=self.web.home, BASE_URL=base)
            assert self.until(lambda: answers(f"{base}/healthz"), 30), f"no web process\n{self.stage.logs()}"
        return base

    def upgrade(self) -> None:
        """Migrate under the processes of the previous version, if the run began with one; then replace each of them.

        By SIGKILL; where a rolling restart must lose nothing, by SIGTERM.
        """
        if self.stage.command == self.now:
            return
        self.story.append("upgrade")
        self.stage.command = self.now
        self.stage.run("manage", "migrate", "-v0")
        for hand in (*self.hands, self.web):
            self.moment()
            if self.kind.unhurried and hand.process:
                self.stage.stop(hand.process)
            else:
                self.kill(hand)
            self.tend()

    # -------------------------------------------------------------- time

    def until(self, ready: Callable[[], object], patience: float) -> bool:
        """Tell whether the condition came true in time. A database that does not answer is not a result."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            try:
                if ready():
                    return True
            except Away:
                pass
            time.sleep(0.03)
        return False

    def is_over(self) -> bool:
        sent = self.ledger.send()
        return sent is not None and sent[0] == "finished"

    def progress(self, requests: int = 1, patience: float = 8.0) -> None:
        """Wait for a few more requests, so that a disaster meets processes at work and not only starting ones."""
        goal = len(self.api.requests) + requests
        self.until(lambda: len(self.api.requests) >= goal or self.is_over(), patience)

    def moment(self, longest: float = 0.4) -> None:
        time.sleep(self.random.uniform(0, longest))

    def kill(self, hand: Hand) -> None:
        if hand.signal(signal.SIGKILL):
            self.kills += 1
            assert hand.process is not None
            hand.process.wait()

    # -------------------------------------------------------------- the end

    def calm(self) -> bool:
        """Remove all faults and start all workers; tell whether everything ended within six minutes.

        After many failures in a row the circuit breaker is open for up to five.
        """
        # Not `repair`: bad addresses stay bad, they are the readers' fault and not the provider's.
        with self.api.lock:
            self.api.faults.clear()
            self.api.latency = 0.0
        self.api.listen()
        self.set_clocks_right()
        for hand in self.hands:
            hand.signal(signal.SIGCONT)
        end = time.monotonic() + 360
        while time.monotonic() < end:
            self.tend()
            if self.until(lambda: self.is_over() and not self.ledger.open(), 2):
                return True
        return False

    def close(self) -> None:
        with contextlib.ExitStack() as each:  # also when one of them fails; the last one first
            for disk in self.disks.values():
                each.callback(disk.close)
            if self.broker is not None:
                each.callback(self.broker.stop)
            each.callback(self.api.stop)
            each.callback(self.second.close)
            each.callback(self.stage.close)
