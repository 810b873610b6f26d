# ruff: noqa: T201, S603 — it prints, and runs this checkout's own programs
"""One-click unsubscribes on PostgreSQL with several web processes: before a send, while it is planned, and during it.

    python -m benchmarks.leaving [--readers 600000] [--rate 0] [--connections 48] [--processes 4] [--latency 0.1]

`mailer serve`, two workers, PostgreSQL, Redis and a provider run on this machine. Above 500,000 subscribers the plan is
made in ranges. One process posts all the while (benchmarks/clicks.py; its CPU is shown apart), as fast as it is
answered or --rate a second. What a post failed of is listed. In the end each answered post must be one step in its
subscriber's history and one line of the opt-out log, and nobody may be in a request that was begun after their answer.
"""

import argparse
import collections
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.distributed import newsletter, of_process, of_server, postmaster
from benchmarks.ranges import Scale, installed, send
from benchmarks.send import ask
from tests.processes.stage import wait_until

WORKERS = 2
PATIENCE = 300

# Inside the installation: links of subscribers from all over the table.
LINKS = """
import django; django.setup()
from mailer.store.installation import link_keys
from subscribers import tokens
from subscribers.models import Subscriber
token = tokens.Signer(tokens.UNSUBSCRIBE, {newsletter!r}, link_keys().links[0].key).token
some = Subscriber.objects.extra(where=["id & 3 = 1"]).order_by("suppression_hash")
for pk, public_id in some.values_list("pk", "public_id").iterator():
    print(pk, f"/unsubscribe/{{token(public_id.bytes)}}/")
"""
PROMISES = """
    SELECT count(*) FILTER (WHERE steps = 0 OR state <> 'unsubscribed'), count(*) FILTER (WHERE steps > 1),
        count(*) FILTER (WHERE late)
    FROM (SELECT state, (
            SELECT count(*) FROM subscribers_consent AS step
            WHERE step.subscriber_id = one.subscriber_id AND step = 'unsubscribed' AND how = 'one-click'
        ) AS steps, EXISTS (
            SELECT FROM mailer_delivery AS delivery JOIN mailer_attempt USING (batch_id)
            WHERE delivery.subscriber_id = one.subscriber_id AND outcome IS NULL AND started_at > to_timestamp(one.at)
        ) AS late
        FROM answered AS one JOIN subscribers_subscription USING (subscriber_id)) AS found
"""


@dataclass(frozen=True)
class Moment:
    """What was used until then, in CPU-seconds, and how many subscribers the provider had been given."""

    at: float
    web: float
    database: float
    workers: float
    client: float
    sent: int


class Leaving:
    def __init__(self, scale: Scale, url: str, options: argparse.Namespace) -> None:
        self.scale, self.url, self.options = scale, url, options
        self.server = postmaster(scale.connection)
        self.phases: list[tuple[str, Moment, Moment]] = []
        self.web = self.client = 0
        self.workers: list[int] = []

    def measure(self) -> dict[str, Any]:
        links = self._prepare()
        with self._client(links) as client:
            self.client = client.pid
            with self._phase("no send"):
                time.sleep(self.options.quiet)
            with self._phase("planning"):
                send(self.scale)
                self._wait("SELECT state <> 'planning' FROM mailer_send")
            with self._phase("sending"):
                self._wait("SELECT state = 'finished' FROM mailer_send")
            said, _ = client.communicate(timeout=PATIENCE)
        found: dict[str, Any] = json.loads(said)
        return found

    def _prepare(self) -> Path:
        scale = self.scale
        scale.run("-m", "mailer", "manage", "migrate", "-v0")
        scale.run("-m", "benchmarks.audience", str(scale.readers), newsletter())
        scale.connection.execute("VACUUM (ANALYZE)")
        links = scale.folder / "links"
        links.write_text(scale.run("-c", LINKS.format(newsletter=newsletter())))
        self.workers = [scale.start(f"worker{number}", "-m", "mailer", "worker").pid for number in range(WORKERS)]
        self.web = scale.start("web", "-m", "mailer", "serve", "--port", str(scale.port)).pid
        # Each web process enters the table when it is ready; one that listens is not enough.
        ready = "SELECT count(*) = {} FROM mailer_process WHERE kind = '{}'"
        self._wait(ready.format(self.options.processes, "web"))
        self._wait(ready.format(WORKERS, "worker"))
        self._wait("SELECT swept_at IS NOT NULL FROM mailer_installation")
        return links

    def _wait(self, question: str) -> None:
        wait_until(lambda: self.scale.one(question), question, PATIENCE)

    @contextmanager
    def _client(self, links: Path) -> Iterator["subprocess.Popen[str]"]:
        given = [str(self.scale.port), str(links), str(self.options.connections), str(self.options.rate)]
        command = [sys.executable, "-m", "benchmarks.clicks", *given]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield process
            finally:
                process.kill()

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        before = self._moment()
        yield
        self.phases.append((name, before, self._moment()))

    def _moment(self) -> Moment:
        used = of_server(self.web), of_server(self.server), sum(map(of_process, self.workers)), of_process(self.client)
        return Moment(time.time(), *used, ask(self.url, "/taken")["recipients"])


def show(phases: list[tuple[str, Moment, Moment]], found: dict[str, Any]) -> None:
    print(
        "| phase | s | posts/s | failed | p50 ms | p99 ms | longest | mailed/s | CPU-ms a post: web | PostgreSQL | "
        "client | CPU-s: workers | PostgreSQL |"
    )
    print("|---" * 13 + "|")
    for name, before, after in phases:
        answers = [one for one in found["answers"] if before.at <= one[2] < after.at]
        times = sorted(1000 * (at - due) for _, due, at, _ in answers)
        seconds, posts = after.at - before.at, max(1, len(answers))
        failed = sum(what != "200" for *_, what in answers)
        share = [f"{times[int(part * (len(times) - 1))]:.0f}" if times else "" for part in (0.5, 0.99, 1.0)]
        mailed, workers, database = (
            after.sent - before.sent,
            after.workers - before.workers,
            after.database - before.database,
        )
        each = [f"{1000 * cpu / posts:.2f}" for cpu in (after.web - before.web, database, after.client - before.client)]
        print(
            "|",
            " | ".join(
                [
                    name,
                    f"{seconds:.0f}",
                    f"{len(answers) / seconds:,.0f}",
                    str(failed),
                    *share,
                    f"{mailed / seconds:,.0f}",
                    *each,
                    f"{workers:.1f}",
                    f"{database:.1f}",
                ]
            ),
            "|",
            flush=True,
        )


def check(scale: Scale, found: dict[str, Any]) -> None:
    """Compare what was answered with the database and the opt-out log."""
    answered = [(subscriber, at) for subscriber, _, at, what in found["answers"] if what == "200"]
    scale.connection.execute("CREATE TEMPORARY TABLE answered (subscriber_id bigint, at double precision)")
    with scale.connection.cursor() as cursor, cursor.copy("COPY answered FROM STDIN") as copy:
        for row in answered:
            copy.write_row(row)
    row = scale.connection.execute(PROMISES).fetchone()
    lines = (scale.folder / "web" / "optouts.log").read_bytes().splitlines()
    different = len(set(lines))
    journal = list((scale.folder / "web").glob("leaving.jsonl*"))
    print(
        f"\n{len(answered):,} answered 200: {row} without their step, with two, mailed afterwards; "
        f"{len(lines):,} lines in the opt-out log, {different:,} of them different; "
        f"journals {[one.name for one in journal]}"
    )
    for what, number in collections.Counter(what for *_, what in found["answers"] if what != "200").items():
        print(f"failed {number}: {what}")
    if any(row or ()) or different < len(answered):
        sys.exit("a promise was broken")


def main() -> None:
    parser = argparse.ArgumentParser(description="one-click unsubscribes on PostgreSQL, several web processes")
    parser.add_argument("--readers", type=int, default=600_000)
    parser.add_argument("--rate", type=float, default=0, help="posts a second; 0: as fast as they are answered")
    parser.add_argument("--connections", type=int, default=48)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--latency", type=float, default=0.1, help="of the provider, in seconds")
    parser.add_argument("--quiet", type=float, default=10, help="seconds before the send")
    options = parser.parse_args()
    with installed(options.readers, latency=options.latency) as scale:
        scale.settings["MAILER_WEB_PROCESSES"] = str(options.processes)
        leaving = Leaving(scale, scale.provider, options)
        found = leaving.measure()
        show(leaving.phases, found)
        check(scale, found)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
