"""`mailer doctor --adopt`: an operator confirms that a restored database is the one to continue with."""

import json
from dataclasses import asdict
from pathlib import Path

import click
from django.conf import settings

from mailer.cli.terminal import Problem, counted
from mailer.publishing.labels import nowhere, require_renames_known
from mailer.sending.clocks import adopt_if_behind
from mailer.sending.restore_guard import Adopted, adopt


def adopt_database(as_json: bool) -> None:
    """Adopt the database, unsubscribe those who left since the backup, and print what was done."""
    try:
        unknown = _labels_unknown()
        behind = adopt_if_behind()
        found = adopt()
    except OSError as error:
        raise Problem(f"{error.filename} cannot be used ({error.strerror}); nothing was adopted.") from error
    if unknown:
        click.echo(
            f"The log of opt-outs has people who left {', '.join(unknown)}, which neither the database nor "
            f"{settings.CONFIG} has. If that is the later label of a newsletter here, they are still subscribed under "
            "the former one: rename its table and run `mailer newsletters rename` before the next send.",
            err=True,
        )
    if as_json:
        click.echo(json.dumps(asdict(found) | {"clock_was_behind": round(behind.total_seconds())}))
        return
    if behind:
        click.echo(
            f"This machine's clock is now accepted as right; it was {str(behind).partition('.')[0]} behind the "
            "last sweep."
        )
    if found.unreadable:
        click.echo(f"The database is adopted; the unreadable file was moved to {found.unreadable}.")
    elif not found.forgotten:
        click.echo("The database knows every request made from here.")
    else:
        click.echo(f"The database is adopted; it is missing {counted(found.forgotten, 'request')} made from here.")
    click.echo(_who_left(found))
    for slug in found.paused:
        click.echo(
            f"Paused: {slug}. Some of its waiting subscribers may already have the email: `mailer resume {slug}` "
            f"sends to all of them, `mailer cancel {slug}` to none."
        )
    if found.unwelcomed:
        waited = counted(found.unwelcomed, "subscriber")
        click.echo(f"No welcome goes to {waited} who waited for it in the backup: they may have got it since.")
    if found.forgotten or found.unreadable:
        click.echo("An issue that was sent after the backup is unknown here: do not send it again.", err=True)


def _labels_unknown() -> list[str]:
    """Return labels in the log that nothing here has. Raises Refused if one may be the new label of a newsletter."""
    log_of_optouts = Path(settings.OPTOUTS)
    require_renames_known(log_of_optouts)
    return nowhere(log_of_optouts)


def _who_left(found: Adopted) -> str:
    log = found.optouts
    if not log.left and not log.suppressed:
        detail = "No unsubscribes are missing"
    else:
        detail = (
            f"Unsubscribed again: {counted(log.left, 'subscriber')}; "
            f"suppressed again: {counted(log.suppressed, 'address')}"
        )
    unreadable = f", {log.unreadable} of them could not be read" if log.unreadable else ""
    return f"{detail} ({counted(log.lines, 'line')} in the log of opt-outs{unreadable})."
