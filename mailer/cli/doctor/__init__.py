"""`mailer doctor`: what stands between this installation and a real send, and three repairs."""

import json
import sys
from collections.abc import Iterable, Iterator

import click

from mailer.cli.doctor.check import guarded
from mailer.cli.terminal import Exit, Problem, set_up, start
from mailer.providers.protocol import Check


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
@click.option("--adopt", is_flag=True, help="Accept a restored database or a corrected clock.")
@click.option("--read-suppressions", is_flag=True, help="Suppress the subscribers on the provider's suppression lists.")
@click.option(
    "--adopt-key",
    "account",
    is_flag=False,
    flag_value="",
    metavar="[ACCOUNT]",
    help="Assign the provider's key to an account.",
)
@click.option("--fingerprint", metavar="HEX", help="Adopt the key with this fingerprint, before it is set here.")
@click.option("--received", metavar="FILE.eml", help="Check a test email that you saved from a real inbox.")
@click.option("--forget-missing", is_flag=True, help="Give up on web processes that are missing for good.")
@click.option("--security", is_flag=True, help="Check security instead: open files, weak secrets, unused accounts.")
@click.option("--yes", is_flag=True, help="Do not ask with --read-suppressions.")
def doctor(
    as_json: bool,
    adopt: bool,
    read_suppressions: bool,
    account: str | None,
    fingerprint: str | None,
    received: str | None,
    forget_missing: bool,
    security: bool,
    yes: bool,
) -> None:
    """Check settings, disk, database, clock, worker, backups, the provider's account, webhook, DNS, BASE_URL.

    The exit code is 1 if a check fails. Warnings mark what a rehearsal does not need or the key may not see.
    --received checks an email instead: signed and aligned (DKIM, SPF, DMARC), one-click unsubscribe, no tracking.
    """
    acts = {
        "--adopt": adopt,
        "--adopt-key": account is not None,
        "--read-suppressions": read_suppressions,
        "--received": bool(received),
        "--forget-missing": forget_missing,
        "--security": security,
    }
    given = [name for name, is_given in acts.items() if is_given]
    if len(given) > 1:
        raise Problem(f"{' and '.join(given)} are different commands; choose one.", Exit.USAGE)
    if fingerprint and account is None:
        raise Problem("--fingerprint goes with --adopt-key ACCOUNT.", Exit.USAGE)
    if given and not (received or security):
        start()
    else:
        set_up()  # wherever it runs: saying what is missing is its job
    if adopt:
        from mailer.cli.doctor.adopting import adopt_database

        adopt_database(as_json)
    elif account is not None:
        from mailer.cli.doctor.keys import adopt_key

        adopt_key(account, fingerprint or "", as_json)
    elif read_suppressions:
        from mailer.cli.doctor.suppressions import read_in

        read_in(as_json, yes)
    elif forget_missing:
        from mailer.cli.doctor.forgetting import forget

        forget(as_json)
    elif received:
        from mailer.cli.doctor.received import judge

        _say(judge(received), as_json)
    elif security:
        from mailer.cli.doctor.security import checks

        _say(checks(), as_json)
    else:
        _say(_checks(), as_json)


def _say(found: Iterable[Check], as_json: bool) -> None:
    checks = []
    marks = {"ok": "ok     ", "warning": "warning", "error": "ERROR  "}
    for check in found:
        checks.append(check)
        if not as_json:
            click.echo(f"{marks[check.state]}  {check.name}: {check.detail}")
    if as_json:
        click.echo(json.dumps([_as_json(check) for check in checks], ensure_ascii=False))
    sys.exit(Exit.FAILED if any(check.state == "error" for check in checks) else Exit.DONE)


def _checks() -> Iterator[Check]:
    from mailer.cli.doctor import account, cards, domains, here, welcomes
    from mailer.providers.current import configured_provider

    yield here.newsletters()
    yield from here.languages()
    yield from here.misnamed()
    yield from here.exposed()
    yield guarded("disk", here.disk)
    database = guarded("database", here.database)
    yield database
    yield guarded("broker", here.broker)
    if database.state == "ok":
        yield from here.orphans()
        yield guarded("restore guard", here.restore_guard)
        yield guarded("deliveries", here.deliveries)
        yield guarded("link keys", here.link_keys)
        yield guarded("clock", here.clock)
        yield guarded("worker", here.worker)
        yield guarded("proxies", here.proxies)
        yield guarded("leavings", here.leavings)
        yield from here.refusals()
        yield guarded("account", here.account)
        yield from here.waiting_for_others()
        yield from welcomes.checks()
    yield from cards.checks(database.state == "ok")
    key = guarded(configured_provider().names.url, account.key)
    yield key
    if key.state == "ok":
        yield from account.checks(database.state == "ok")
        yield from domains.checks()
    if database.state == "ok":
        yield guarded("BASE_URL", here.base_url)


def _as_json(check: Check) -> dict[str, str]:
    return {"name": check.name, "state": check.state, "words": check.detail}
