# ruff: noqa: T201, S603 — it prints, and runs itself
"""What each page of `mailer serve` costs: CPU milliseconds of one request, and its queries.

    python -m benchmarks.pages [--rounds N] [--requests N] [--before CHECKOUT]

Requests go through the whole WSGI application, in a process and a database (SQLite, a file) of their own for each
round, after one that is not counted. The archive holds 14 issues. With --before the rounds alternate with those of
another checkout of mailer, whose own code makes its subscribers and issues.
"""

import argparse
import gc
import io
import json
import os
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parents[1]
ISSUES = 14
NEWSLETTER = "weekly"
TRANSACTIONS = re.compile("BEGIN|COMMIT|SAVEPOINT|RELEASE")
BROWSER = {"HTTP_USER_AGENT": "Mozilla/5.0", "HTTP_ACCEPT": "text/html", "HTTP_ACCEPT_LANGUAGE": "en"}

Request = tuple[str, str, dict[str, str] | None]  # method, path, fields of its form


def main() -> None:
    parser = argparse.ArgumentParser(description="what a page costs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=40, help="of each kind in a round")
    parser.add_argument("--before", type=Path, help="another checkout, whose rounds alternate with this one's")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(_inside(options.requests)))
        return
    roots = [options.before.resolve(), ROOT] if options.before else [ROOT]
    rounds: dict[Path, list[dict[str, Any]]] = {root: [] for root in roots}
    for _ in range(options.rounds):
        for root in roots:
            rounds[root].append(_measure(root, options.requests))
    _show(rounds)


def _measure(root: Path, requests: int) -> dict[str, Any]:
    """Return CPU milliseconds and queries of each kind of request, in a new process and database."""
    with tempfile.TemporaryDirectory(prefix="mailer-benchmark-") as home:
        # -P: else this folder would come before the other checkout's.
        command = [sys.executable, "-P", str(Path(__file__).resolve()), "--inside", "--requests", str(requests)]
        given = _environment(root, home)
        ran = subprocess.run(command, cwd=root, env=given, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(ran.stderr[-3000:])
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def _environment(root: Path, home: str) -> dict[str, str]:
    from tests.environment import clean

    return clean(dict(os.environ)) | {
        "PYTHONPATH": str(root),
        "MAILER_HOME": home,
        "MAILER_CONFIG": str(root / "tests" / "newsletter.toml"),
        "MAILER_LOG_LEVEL": "WARNING",
        "DJANGO_SETTINGS_MODULE": "mailer.settings",
    }


def _show(rounds: dict[Path, list[dict[str, Any]]]) -> None:
    """Print the medians of the rounds, one line a kind of request."""
    *before, now = rounds
    names = [*("before" for _ in before), "now"]
    heads = [f"CPU, ms: {name} | queries" for name in names] + ["now / before" for _ in before]
    print(f"| request | {' | '.join(heads)} |")
    print("|---" * (1 + 2 * len(names) + len(before)) + "|")
    for kind in rounds[now][0]:
        cells, medians = [], []
        for root in (*before, now):
            cpu = [one[kind]["cpu"] for one in rounds[root]]
            medians.append(statistics.median(cpu))
            cells += [f"{medians[-1]:.2f} ({min(cpu):.2f} to {max(cpu):.2f})", str(rounds[root][0][kind]["queries"])]
        cells += [f"{medians[-1] / medians[0]:.2f}" for _ in before]
        print(f"| {kind} | {' | '.join(cells)} |")


# ---------------------------------------------------------------- one round


def _inside(requests: int) -> dict[str, dict[str, float]]:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    _fill_the_archive()
    visit = _Visitor()
    kinds = _kinds(visit)
    gc.set_threshold(50_000)  # as `mailer serve` has it; see mailer.cli
    return {kind: _cost(visit, make, status, requests) for kind, (make, status) in kinds.items()}


def _cost(visit: "_Visitor", make: Callable[[int], Request], status: int, requests: int) -> dict[str, float]:
    """Return the CPU milliseconds of one request, the median of many, and how many queries one makes."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    made = [make(number) for number in range(requests + 2)]
    visit(made[0], status)
    with CaptureQueriesContext(connection) as captured:
        visit(made[1], status)
    queries = [one for one in captured.captured_queries if not TRANSACTIONS.match(one["sql"])]
    spent = [visit(one, status) for one in made[2:]]
    return {"cpu": statistics.median(spent) * 1000, "queries": len(queries)}


def _kinds(visit: "_Visitor") -> dict[str, tuple[Callable[[int], Request], int]]:
    """Return what is measured: a function that makes a request of this number, and the status of its answer."""
    from subscribers import signed_links
    from tests import readers

    def reader(number: int, make: Callable[..., Any], what: str) -> Any:
        return make(NEWSLETTER, readers.Named("", f"{what}{number}@readers.example"))

    def path(url: str) -> str:
        return url.removeprefix("http://127.0.0.1:8000")

    def pending(number: int) -> str:
        return path(signed_links.confirm_url(reader(number, readers.pending, "pending").public_id, NEWSLETTER))

    def leaving(what: str) -> Callable[[int], str]:
        return lambda number: path(
            signed_links.unsubscribe_url(reader(number, readers.confirmed, what).public_id, NEWSLETTER)
        )

    one = reader(0, readers.confirmed, "reader")
    preferences = signed_links.preferences_path(one.public_id, NEWSLETTER)
    confirm, leave = pending(-1), leaving("opened")(0)
    presses, clicks = leaving("presses"), leaving("clicks")
    press, click = {"from": "page"}, {"List-Unsubscribe": "One-Click"}
    save = {"do": "save", "had": NEWSLETTER, "newsletter": NEWSLETTER, "language": "en"}
    return {
        "sign-up page": (lambda _: ("GET", "/subscribe/", None), 200),
        "sign-up, sent": (lambda number: ("POST", "/subscribe/", visit.sign_up(number)), 200),
        "confirm page": (lambda _: ("GET", confirm, None), 200),
        "confirm, pressed": (lambda number: ("POST", pending(number), {}), 200),
        "unsubscribe page": (lambda _: ("GET", leave, None), 200),
        "unsubscribe, pressed": (lambda number: ("POST", presses(number), press), 200),
        "one-click": (lambda number: ("POST", clicks(number), click), 200),
        "preferences": (lambda _: ("GET", preferences, None), 200),
        "preferences, saved unchanged": (lambda _: ("POST", preferences, save), 200),
        f"archive, {ISSUES} issues": (lambda _: ("GET", "/archive/", None), 200),
        "archive, an issue": (lambda _: ("GET", "/archive/2026-08-01/", None), 200),
        "feed": (lambda _: ("GET", "/feed.xml", None), 200),
        "page not found": (lambda _: ("GET", "/nothing/", None), 404),
    }


class _Visitor:
    """Somebody whose browser has the cookie of our form."""

    def __init__(self) -> None:
        from mailer.web.wsgi import application

        self._application = application
        self._secret = secrets.token_hex(16)

    def sign_up(self, number: int) -> dict[str, str]:
        """Return the form as a new subscriber sends it, who took ten seconds to fill it in."""
        from django.core import signing

        from subscribers.web import forms

        signer = signing.TimestampSigner(salt=forms.SALT)
        signer.timestamp = lambda: signing.b62_encode(int(time.time()) - 10)
        form_time = signer.sign(secrets.token_urlsafe(9))
        return {"email": f"new{number}@readers.example", "form_time": form_time, "csrfmiddlewaretoken": self._secret}

    def __call__(self, request: Request, status: int) -> float:
        """Return the CPU seconds of a request. Raises RuntimeError if it is answered otherwise."""
        method, path, fields = request
        environ, statuses = self._environ(method, path, urlencode(fields or {}).encode()), []
        began = time.process_time()
        answer = self._application(environ, lambda line, _: statuses.append(line))
        body = b"".join(answer)
        answer.close()
        spent = time.process_time() - began
        if not statuses[0].startswith(str(status)):
            raise RuntimeError(f"{method} {path} was answered {statuses[0]}: {body[:300].decode()}")
        return spent

    def _environ(self, method: str, path: str, body: bytes) -> dict[str, Any]:
        sent = {"CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": str(len(body))}
        return {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            # Of a network of its own, as strangers are: one network's sign-ups would soon be slowed down.
            "REMOTE_ADDR": ".".join(["11", *(str(secrets.randbelow(256)) for _ in range(3))]),
            "HTTP_HOST": "127.0.0.1:8000",
            "HTTP_COOKIE": f"csrftoken={self._secret}",
            "HTTP_ORIGIN": "http://127.0.0.1:8000",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            **BROWSER,
            **(sent if method == "POST" else {}),
        }


def _fill_the_archive() -> None:
    """Write sends that were accepted, each with the content of the longest sample."""
    from mailer.config.newsletter import read_newsletters
    from mailer.content.issues import read_issue
    from mailer.content.rendering import render_issue
    from tests.golden import ISSUES as SAMPLES
    from tests.golden import STARTER
    from tests.mailer.published import published

    config = STARTER / "newsletter.toml"
    (newsletter,) = read_newsletters(config).values()
    path = max(SAMPLES, key=lambda path: path.stat().st_size)
    issue = render_issue(read_issue(path, config), newsletter, base_url="http://127.0.0.1:8000")
    said = {"language": "en", "preheader": issue.preheader, "article": issue.article}
    for week in range(ISSUES):
        day = (date(2026, 8, 1) + timedelta(days=7 * (week - ISSUES // 2))).isoformat()
        published(day, NEWSLETTER, subject=f"{issue.subject} {week}", **said)
    with suppress(ImportError):  # a checkout from before the archive had excerpts
        from mailer.archive import indexing

        indexing.catch_up()


if __name__ == "__main__":
    main()
