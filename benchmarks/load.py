# ruff: noqa: T201, S603 — it prints, and starts the processes that it measures
"""One-click unsubscribes while a large send runs: how many, how fast, and whether anybody is mailed afterwards.

    python -m benchmarks.load [--readers 100000] [--posts 3000] [--clients 16] [--dripping 200]

All on this machine, over loopback: `mailer serve`, a worker, a strict provider that takes its time, and clients in a
process of their own. Meanwhile somebody asks for /healthz, each time over a new connection. Goals: at least 300 posts a
second on PostgreSQL and 100 on SQLite, no error, p99 at most 300 ms, and no request that starts after a reader's POST
was answered has this reader in it. With --dripping so many connections send a byte a second, or nothing, or take their
answers as slowly, all the time.
"""

import argparse
import http.client
import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from tests import installed
from tests.processes.conftest import editors_folder
from tests.processes.dripping import Drippers
from tests.processes.stage import PATIENCE, Stage, free_port, new_postgres_database, wait_until
from tests.stand_in import StandIn

ISSUE = "issues/2026-11-20.md"
GOALS = {"SQLite": 100, "PostgreSQL": 300}  # posts a second
SLOWEST = 0.300  # seconds, the 99th percentile
IN_FLIGHT = 0.5  # seconds between the last look at a reader and the arrival of the request
BODY = b"List-Unsubscribe=One-Click"

# Run inside the installation: the path of each reader's link, in the order of their ids.
LINKS = """
import django; django.setup()
from mailer.store.installation import link_keys
from subscribers import tokens
from subscribers.models import Subscriber
token = tokens.Signer(tokens.UNSUBSCRIBE, "weekly", link_keys().links[0].key).token
for email, public_id in Subscriber.objects.order_by("-pk").values_list("email", "public_id").iterator():
    print(email, f"/unsubscribe/{token(public_id.bytes)}/")
"""


@dataclass(frozen=True)
class Answered:
    email: str
    status: int
    seconds: float
    at: float  # time.monotonic() when the answer was read, as the provider notes it


def main() -> None:
    parser = argparse.ArgumentParser(description="unsubscribes under load")
    parser.add_argument("--readers", type=int, default=100_000)
    parser.add_argument("--posts", type=int, default=3000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--dripping", type=int, default=0)
    parser.add_argument("--only", choices=sorted(GOALS), help="one database")
    parser.add_argument("--knock", nargs=3, metavar=("URL", "FILE", "CLIENTS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.knock:
        url, links, clients = options.knock
        print(json.dumps([vars(one) for one in knock(url, Path(links), int(clients))]))
        return
    print(f"{options.readers:,} readers being mailed, {options.posts:,} posts from {options.clients} connections\n")
    print(
        "| database | dripping | posts/s | errors | p50 ms | p99 ms | /healthz p99 ms | mailed after leaving | goals |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for database in [options.only] if options.only else GOALS:
        with tempfile.TemporaryDirectory() as folder:
            _row(database, Path(folder), options)


def _row(database: str, folder: Path, options: argparse.Namespace) -> None:
    url = new_postgres_database() if database == "PostgreSQL" else ""
    stage = Stage(editors_folder(folder / "newsletter"), url)
    with StandIn(log=folder / "provider.jsonl") as api:
        try:
            answers = _play(stage, api, folder, options)
            late = _mailed_after_leaving(api, answers)
        finally:
            stage.close()
    errors = sum(one.status != 200 for one in answers)
    health, answers = [one for one in answers if not one.email], [one for one in answers if one.email]
    began = min(one.at - one.seconds for one in answers)
    rate = len(answers) / (max(one.at for one in answers) - began)
    p50, p99, alive = _share(answers, 0.5), _share(answers, 0.99), _share(health, 0.99)
    met = rate >= GOALS[database] and not errors and max(p99, alive) <= SLOWEST and not late
    numbers = f"{rate:,.0f} | {errors} | {1000 * p50:.0f} | {1000 * p99:.0f} | {1000 * alive:.0f} | {late}"
    print(f"| {database} | {options.dripping} | {numbers} | {'met' if met else '**missed**'} |", flush=True)


def _share(answers: list[Answered], share: float) -> float:
    times = sorted(one.seconds for one in answers)
    return times[int(share * (len(times) - 1))]


def _play(stage: Stage, api: StandIn, folder: Path, options: argparse.Namespace) -> list[Answered]:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    stage.settings = {
        "SENDGRID_API_KEY": api.key,
        "SENDGRID_API_URL": api.url,
        "BASE_URL": address,
        "DJANGO_SETTINGS_MODULE": "mailer.settings",
    }
    stage.run("manage", "migrate", "-v0")
    _python(stage, "-m", "benchmarks.audience", str(options.readers), "weekly")
    links = folder / "links"
    lines = islice(_python(stage, "-c", LINKS).splitlines(), options.posts)
    links.write_text("\n".join(lines))
    api.latency = 1.0  # a hundred requests last longer than the posts
    stage.start("serve", "--port", str(port))
    if stage.database_url:
        stage.start("worker")
    wait_until(lambda: stage.doctor()["worker"] == "ok" and stage.doctor()["BASE_URL"] == "ok", "all is up")
    stage.run("send", "issue", ISSUE, "--yes", "--detach", MAILER_BATCH_SIZE="500")
    wait_until(lambda: api.requests, "the send began")
    knocking = [sys.executable, "-m", "benchmarks.load", "--knock", address, str(links), str(options.clients)]
    with Drippers(port, options.dripping):
        done = subprocess.run(knocking, capture_output=True, text=True, check=True, timeout=10 * PATIENCE)
    api.latency = 0.0
    wait_until(stage.finished, "the send is over", 5 * PATIENCE)
    return [Answered(**one) for one in json.loads(done.stdout)]


def _python(stage: Stage, *arguments: str) -> str:
    environment = stage.environment(**stage.settings, PYTHONPATH=str(installed.ROOT))
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=stage.folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def knock(url: str, links: Path, clients: int) -> list[Answered]:
    """Each link was posted to once, by so many connections at a time, as fast as the answers come.

    The answers without an address are those of /healthz.
    """
    waiting = iter([line.split() for line in links.read_text().splitlines()])
    taking, answers = threading.Lock(), []

    parts, over = urlsplit(url), threading.Event()

    def look_after() -> None:
        while not over.is_set():
            connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
            answers.append(_ask(connection, "", "GET", "/healthz"))
            connection.close()
            over.wait(0.05)

    def go() -> None:
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
        while True:
            with taking:
                one = next(waiting, None)
            if one is None:
                return
            answers.append(_ask(connection, one[0], "POST", one[1]))

    watching = threading.Thread(target=look_after)
    watching.start()
    threads = [threading.Thread(target=go) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    over.set()
    watching.join()
    return answers


def _ask(connection: http.client.HTTPConnection, email: str, method: str, path: str) -> Answered:
    began = time.perf_counter()
    try:
        body = BODY if method == "POST" else None
        connection.request(method, path, body, {"Content-Type": "application/x-www-form-urlencoded"})
        answer = connection.getresponse()
        answer.read()
        status = answer.status
    except (OSError, http.client.HTTPException):
        connection.close()
        status = 0
    return Answered(email, status, time.perf_counter() - began, time.monotonic())


def _mailed_after_leaving(api: StandIn, answers: list[Answered]) -> int:
    left = {one.email: one.at for one in answers if one.email and one.status == 200}
    return sum(
        request["at"] > left.get(email, float("inf")) + IN_FLIGHT
        for request in api.requests
        for email in request["emails"]
    )


if __name__ == "__main__":
    main()
