"""`mailer doctor`: what stands between this installation and a real send."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import click

from mailer.cli.terminal import Exit, Problem, database_address, explain, start


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: `ok`, `warning` (a rehearsal works) or `error`."""

    name: str
    state: str
    words: str


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
def doctor(as_json: bool) -> None:
    """Check settings, database, broker, worker, SendGrid key and BASE_URL. Exit code 1 when something is wrong."""
    start(check_schema=False)
    checks = list(_checks())
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks], ensure_ascii=False))
    else:
        marks = {"ok": "ok     ", "warning": "warning", "error": "ERROR  "}
        for check in checks:
            click.echo(f"{marks[check.state]}  {check.name}: {check.words}")
    sys.exit(Exit.FAILED if any(check.state == "error" for check in checks) else Exit.DONE)


def _checks() -> Iterator[Check]:
    yield _newsletters()
    database = _guarded("database", _database)
    yield database
    yield _broker()
    if database.state == "ok":
        yield _guarded("worker", _worker)
    yield _key()
    if database.state == "ok":
        yield _guarded("BASE_URL", _base_url)


def _guarded(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except Exception as error:
        problem: Problem | None = explain(error)
        if problem is None:
            raise
        return Check(name, "error", problem.message)


def _newsletters() -> Check:
    from django.conf import settings

    if not settings.NEWSLETTERS:
        return Check("newsletter.toml", "error", f"none at or above {settings.CONFIG_FOLDER}; run `mailer init`")
    homeless = [label for label, newsletter in settings.NEWSLETTERS.items() if not newsletter.postal_address]
    if homeless:
        return Check("newsletter.toml", "warning", f"no postal_address: {', '.join(homeless)}; a real send needs it")
    return Check("newsletter.toml", "ok", f"{', '.join(settings.NEWSLETTERS)} ({settings.CONFIG})")


def _database() -> Check:
    from mailer.schema import bring_up_to_date

    bring_up_to_date()
    return Check("database", "ok", database_address())


def _broker() -> Check:
    from django.conf import settings

    if settings.EMBEDDED:
        return Check("broker", "ok", "none set: commands send by a worker of their own, `mailer serve` starts one")
    from mailer.celery import app, why_no_broker

    if why := why_no_broker():
        return Check("broker", "error", why)
    connection = app.connection_for_write()
    return Check("broker", "ok", f"{connection.hostname}:{connection.port}")


def _worker() -> Check:
    from django.conf import settings

    from mailer.cli.watching import worker_swept_lately

    if worker_swept_lately():
        return Check("worker", "ok", "swept within the last minute")
    if settings.EMBEDDED:
        return Check("worker", "ok", "none runs now; commands bring their own, `mailer serve` starts one")
    return Check("worker", "warning", "none has swept in the last minute; `mailer worker` or `mailer serve` starts one")


def _key() -> Check:
    from django.conf import settings

    if not settings.SENDGRID_API_KEY:
        return Check("SENDGRID_API_KEY", "warning", "not set: every send is a rehearsal")
    from mailer.sendgrid.client import Unreachable
    from mailer.sendgrid.current import current_client

    try:
        status, answer = current_client().get("/v3/scopes")
    except Unreachable as error:
        return Check("SENDGRID_API_URL", "error", f"{settings.PROVIDER} is not reached: {error}")
    if status != 200:
        return Check(
            "SENDGRID_API_KEY",
            "error",
            f"{settings.PROVIDER} answers {status}: the key is wrong or deleted; create one with the scope Mail Send",
        )
    scopes = answer.get("scopes", []) if isinstance(answer, dict) else []
    if "mail.send" not in scopes:
        return Check("SENDGRID_API_KEY", "error", "the key may not send; give it the scope Mail Send")
    return Check("SENDGRID_API_KEY", "ok", f"{settings.PROVIDER} takes it, it may send")


def _base_url() -> Check:
    from django.conf import settings

    from mailer.doors import why_unreachable

    why = why_unreachable(settings.BASE_URL)
    if not why:
        return Check("BASE_URL", "ok", f"{settings.BASE_URL} is this installation")
    return Check("BASE_URL", "warning" if settings.PROVIDER_IS_LOCAL else "error", why)
