"""Confirmations while workers, confirming processes and the broker die, and the welcome changes: each gets one, once.

It is paused and resumed, replaced by another text, and renewed since an issue was published. Whoever got none is
`unknown` or left before.

`python -m tests.chaos.welcoming --readers 10000` plays it at full size and prints what came of it; a slow test plays a
small one. PostgreSQL, a broker and two workers; the provider writes down what it accepts before it answers.
"""

import argparse
import json
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import redis

from tests import folders
from tests.processes.conftest import editors_folder
from tests.processes.stage import Broker, Stage, new_postgres_database
from tests.stand_in import StandIn

WELCOME = "# Welcome to the weekly\n\n{} It comes on Fridays.\n\n<!-- back issues: 3 -->\n"
THANKS = ("Thank you for subscribing.", "Good to have you here.")
LEASE = 4.5
WEB_PROCESSES = 3  # that confirm; two may take the same subscriber
PATIENCE = 3600.0  # seconds to come to rest: confirming ten thousand takes a busy machine a quarter of an hour
CONFIRM = """
import os, random, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "mailer.settings"
import django
django.setup()
from subscribers import optin
from subscribers.models import Subscription
from subscribers.optin import Origin
most, leaves = int(sys.argv[1]), sys.argv[2] == "leave"
waiting = Subscription.objects.filter(newsletter="weekly", state="pending").order_by("pk")
ids = list(waiting.values_list("subscriber__public_id", flat=True)[:most])
random.shuffle(ids)
for public_id in ids:
    optin.confirm(public_id, "weekly", Origin(how="link"))
    if leaves or random.random() < 0.02:
        optin.unsubscribe(public_id, "weekly", Origin(how="one-click"))
"""


@dataclass
class Result:
    """What became of everybody who confirmed. From `twice` on all must be 0."""

    confirmed: int
    kills: int
    accepted: int
    unknown: int
    skipped: int  # left before the request
    requests: int = 0
    versions: int = 0
    pauses: int = 0
    flushes: int = 0
    twice: int = 0  # mailed twice
    unaccounted: int = 0  # confirmed, but neither planned nor waiting; or planned twice
    falsely_accepted: int = 0  # in the ledger, and not at the provider
    falsely_missing: int = 0  # at the provider, and neither accepted nor unknown in the ledger
    mailed_after_leaving: int = 0
    requests_while_paused: int = 0

    @property
    def faults(self) -> dict[str, int]:
        names = ("twice", "unaccounted", "falsely_accepted", "falsely_missing", "mailed_after_leaving")
        names += ("requests_while_paused",)
        return {name: getattr(self, name) for name in names if getattr(self, name)}


class Welcoming:
    """One run: an installation whose welcome is on, and subscribers who were asked to confirm."""

    def __init__(self, stage: Stage, api: StandIn, broker: Broker, seed: int) -> None:
        self.stage, self.api, self.broker = stage, api, broker
        self.random = random.Random(seed)
        self.kills = self.pauses = self.flushes = self.requests_while_paused = 0
        self.issues = self.texts = 0
        self.workers: list[subprocess.Popen[str]] = []
        self.confirming: list[subprocess.Popen[str]] = []
        stage.settings = {
            "SENDGRID_API_KEY": api.key,
            "SENDGRID_API_URL": api.url,
            "BASE_URL": "https://news.example.com",
            "MAILER_HTTP_TIMEOUT": "1.5",
            "MAILER_LEASE": str(LEASE),
        }

    def play(self, readers: int, disasters: int) -> Result:
        self._begin(readers)
        early = self._who_leave_at_once(readers // 20)
        self._tend()
        for disaster in self._disasters(disasters):
            self._wait(self.random.uniform(0.5, 3))
            disaster()
            self._tend()
        self._calm()
        return self._audit(early)

    def _begin(self, readers: int) -> None:
        self._replace()
        self.stage.import_readers({"pending": readers})

    def _who_leave_at_once(self, count: int) -> set[str]:
        """Let some confirm and leave while no worker runs; return their addresses."""
        process = self._confirm(count, "leave")
        assert process.wait(600) == 0, self.stage.logs()
        rows = self.stage.ask(
            "SELECT email FROM subscribers_subscriber JOIN subscribers_subscription ON subscriber_id ="
            " subscribers_subscriber.id WHERE state = 'unsubscribed'"
        )
        assert len(rows) == count
        return {email for (email,) in rows}

    def _confirm(self, most: int, what: str) -> subprocess.Popen[str]:
        with (self.stage.folder.parent / "confirming.log").open("a") as log:
            return subprocess.Popen(
                [self.stage.python, "-c", CONFIRM, str(most), what],
                cwd=self.stage.folder,
                env=self.stage.environment("web"),
                stdout=log,
                stderr=log,
                text=True,
            )

    def _tend(self) -> None:
        """Start what died."""
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        while len(self.workers) < 2:
            self.workers.append(self.stage.start("worker", home=f"worker{len(self.workers)}-{self.kills}"))
        self.confirming = [one for one in self.confirming if one.poll() is None]
        while len(self.confirming) < WEB_PROCESSES and self._pending():
            self.confirming.append(self._confirm(1_000_000, "stay"))

    def _disasters(self, number: int) -> list[Callable[[], None]]:
        """Return so many, in an order of the seed's, each kind as often as the others."""
        kinds = (self._kill_a_worker, self._kill_in_request, self._kill_confirming, self._fail, self._flush)
        kinds += (self._restart_broker, self._pause, self._renew, self._replace)
        chosen = [kinds[n % len(kinds)] for n in range(number)]
        self.random.shuffle(chosen)
        return chosen

    def _kill_a_worker(self) -> None:
        self._kill(self.random.choice(self.workers))

    def _kill_in_request(self) -> None:
        """Kill all workers after the provider accepted a request, so that its answer is lost."""
        self.api.fail("hang after accepting", seconds=3)
        until = time.monotonic() + 5
        while self.api.faults and time.monotonic() < until:
            time.sleep(0.02)
        for worker in self.workers:
            self._kill(worker)
        self._no_faults()

    def _kill_confirming(self) -> None:
        for process in self.confirming:
            self._kill(process)

    def _flush(self) -> None:
        """Let the broker forget everything, while all go on."""
        redis.Redis.from_url(self.broker.url).flushall()
        self.flushes += 1

    def _restart_broker(self) -> None:
        self.broker.stop()
        self._wait(0.5)
        self.broker.start()

    def _pause(self) -> None:
        """Pause the welcome: also a worker that starts meanwhile makes no request until it is resumed."""
        self.stage.run("pause", "welcome")
        before = len(self.api.requests)
        self._kill(self.random.choice(self.workers))
        self._tend()
        self._wait(self.random.uniform(1, 4))
        self.requests_while_paused += len(self.api.requests) - before
        self.stage.run("resume", "welcome", "--detach")
        self.pauses += 1

    def _renew(self) -> None:
        """Publish an issue, which the next welcome lists."""
        self.issues += 1
        path = self.stage.folder / "issues" / f"2025-{self.issues // 28 + 1:02}-{self.issues % 28 + 1:02}.md"
        path.write_text(f"# Boards of week {self.issues}\n\nA board for everybody, and what it can do.\n")
        self.stage.run("archive", "import", str(path), "--yes")

    def _replace(self) -> None:
        """Change the text of the welcome."""
        (self.stage.folder / "welcome.md").write_text(WELCOME.format(THANKS[self.texts % len(THANKS)]))
        self.stage.run("send", "welcome", "--yes")
        self.texts += 1

    def _fail(self) -> None:
        name = self.random.choice(
            ("too many", "error before accepting", "close after accepting", "close before accepting")
        )
        self.api.fail(name, times=2, **({"seconds": 1} if name == "too many" else {}))

    def _kill(self, process: subprocess.Popen[str]) -> None:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
            self.kills += 1

    def _no_faults(self) -> None:
        with self.api.lock:
            self.api.faults.clear()

    def _wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def _calm(self) -> None:
        """Let everything come to rest: all confirmed, nobody due, no request open."""
        self._no_faults()
        until = time.monotonic() + PATIENCE
        while not self._at_rest():
            assert time.monotonic() < until, f"it does not come to rest\n{self.stage.logs()}"
            self._tend()
            self._wait(0.5)

    def _pending(self) -> int:
        return int(self._one("SELECT count(*) FROM subscribers_subscription WHERE state = 'pending'"))

    def _at_rest(self) -> bool:
        due = self._one("SELECT count(*) FROM subscribers_welcomedue")
        moving = self._one("SELECT count(*) FROM mailer_batch WHERE state IN ('planned', 'posting')")
        return not (due or moving or self._pending())

    def _one(self, question: str) -> int:
        return int(self.stage.ask(question)[0][0])

    # ------------------------------------------------------------ the audit

    def _audit(self, early: set[str]) -> Result:
        rows = self.stage.ask(
            "SELECT r.email, d.outcome, b.state, a.started_at, s.state, s.changed_at"
            " FROM subscribers_subscription s JOIN subscribers_subscriber r ON r.id = s.subscriber_id"
            " LEFT JOIN mailer_delivery d ON d.subscriber_id = r.id LEFT JOIN mailer_batch b ON b.id = d.batch_id"
            " LEFT JOIN mailer_attempt a ON a.id = b.current_attempt"
        )
        outcome = {email: d or state for email, d, state, *_ in rows}
        reached = {email for email, found in outcome.items() if found in ("accepted", "unknown")}
        mailed = Counter(one["email"] for one in self.api.recipients)
        late = {
            email
            for email, d, _, started, now, left in rows
            if d is None and started is not None and now == "unsubscribed" and left < started
        }
        counts = Counter(outcome.values())
        return Result(
            confirmed=len(outcome),
            kills=self.kills,
            accepted=counts["accepted"],
            unknown=counts["unknown"],
            skipped=counts["skipped"],
            requests=len(self.api.accepted),
            versions=self._one("SELECT count(*) FROM mailer_send"),
            pauses=self.pauses,
            flushes=self.flushes,
            requests_while_paused=self.requests_while_paused,
            twice=sum(count > 1 for count in mailed.values()),
            unaccounted=len(rows) - len(outcome) + counts[None],
            falsely_accepted=sum(found == "accepted" and not mailed[one] for one, found in outcome.items()),
            falsely_missing=len(set(mailed) - reached),
            mailed_after_leaving=len((early & set(mailed)) | late),
        )


def play(folder: Path, readers: int, disasters: int, seed: int) -> Result:
    broker = Broker(folder)
    broker.start()
    stage = Stage(editors_folder(folder / "newsletter"), new_postgres_database(), broker.url)
    try:
        with StandIn(latency=0.05) as api:
            stage.run("manage", "migrate", "-v0")
            run = Welcoming(stage, api, broker, seed)
            try:
                return run.play(readers, disasters)
            finally:
                for process in run.confirming:
                    process.kill()
    finally:
        stage.close()
        broker.stop()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--readers", type=int, default=10_000)
    parser.add_argument("--disasters", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    result = play(folders.new("welcoming-"), given.readers, given.disasters, given.seed)
    print(json.dumps(asdict(result)))
    raise SystemExit(1 if result.faults else 0)


if __name__ == "__main__":
    main()
