"""`mailer doctor`: what stands between this installation and a real send, and two cures."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict

import click

from mailer.cli.doctor.check import Check, guarded
from mailer.cli.terminal import Exit, Problem, set_up, start


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
@click.option("--adopt", is_flag=True, help="Go on with a restored database, or a corrected clock.")
@click.option("--read-suppressions", is_flag=True, help="Mail nobody any more whom SendGrid would not mail anyway.")
@click.option("--received", metavar="FILE.eml", help="Judge a test mail that you saved from a real inbox.")
@click.option("--yes", is_flag=True, help="Do what --read-suppressions would ask for.")
def doctor(as_json: bool, adopt: bool, read_suppressions: bool, received: str | None, yes: bool) -> None:
    """Check settings, database, clock, worker, restored backups, SendGrid's key, senders and webhook, DNS and BASE_URL.

    Exit code 1 when something is wrong. A warning stands where a rehearsal works, or where the key may not look.
    --received judges a mail instead: signed and aligned (DKIM, SPF, DMARC), one-click unsubscribe, nothing tracked.
    """
    if adopt + read_suppressions + bool(received) > 1:
        commands = "--adopt, --read-suppressions and --received"
        raise Problem(f"{commands} are different commands; give one of them.", Exit.USAGE)
    if adopt or read_suppressions:
        start()
    else:
        set_up()  # wherever it is: to say what is missing is its work
    if adopt:
        from mailer.cli.doctor.adopting import adopt_database

        adopt_database(as_json)
    elif read_suppressions:
        from mailer.cli.doctor.suppressions import read_in

        read_in(as_json, yes)
    elif received:
        from mailer.cli.doctor.received import judge

        _say(judge(received), as_json)
    else:
        _say(list(_checks()), as_json)


def _say(checks: list[Check], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks], ensure_ascii=False))
    else:
        marks = {"ok": "ok     ", "warning": "warning", "error": "ERROR  "}
        for check in checks:
            click.echo(f"{marks[check.state]}  {check.name}: {check.words}")
    sys.exit(Exit.FAILED if any(check.state == "error" for check in checks) else Exit.DONE)


def _checks() -> Iterator[Check]:
    from mailer.cli.doctor import account, domains, here

    yield here.newsletters()
    database = guarded("database", here.database)
    yield database
    yield here.broker()
    if database.state == "ok":
        yield guarded("restore guard", here.restore_guard)
        yield guarded("clock", here.clock)
        yield guarded("worker", here.worker)
        yield from here.refusals()
    key = account.key()
    yield key
    if key.state == "ok":
        yield from account.checks(database.state == "ok")
        yield from domains.checks()
    if database.state == "ok":
        yield guarded("BASE_URL", here.base_url)
