"""`mailer reconcile`: the requests that may or may not have arrived, and what to do about them."""

import json
import sys
from typing import TYPE_CHECKING

import click

from mailer.cli.steering import (
    find,
    json_option,
    newsletter_option,
    print_result,
    send_argument,
    yes_option,
)
from mailer.cli.terminal import Exit, Problem, confirm, on_terminal

if TYPE_CHECKING:
    from mailer.models import Send
    from mailer.sending.reconciling import Unknown


@click.command()
@send_argument
@newsletter_option
@click.option(
    "--resend", is_flag=True, help="Send those requests again; subscribers who already have the email get it twice."
)
@click.option("--assume-sent", is_flag=True, help="Count them as accepted, on your responsibility.")
@click.option(
    "--accept-duplicates",
    metavar="N",
    type=click.IntRange(min=0),
    help="With --resend, for scripts: how many subscribers may get it twice; must be the number shown.",
)
@yes_option
@json_option
def reconcile(
    send: str,
    newsletter: str | None,
    resend: bool,
    assume_sent: bool,
    accept_duplicates: int | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Show the requests whose outcome is unknown, and settle them.

    --yes answers --resend only where events show that nobody has the email. In every other
    case you type the number of subscribers who may get it twice.
    """
    if resend and assume_sent:
        raise Problem("--resend and --assume-sent exclude each other; choose one.", Exit.USAGE)
    if accept_duplicates is not None and not resend:
        raise Problem("--accept-duplicates goes with --resend.", Exit.USAGE)
    found = find(send, newsletter)
    from mailer.publishing.sends import require_provider
    from mailer.sending.expiring import expire_attempts
    from mailer.sending.reconciling import unknown_of

    expire_attempts()
    unknown = unknown_of(found.pk)
    if not (resend or assume_sent) or not unknown:
        _show(found, unknown, as_json)
        sys.exit(Exit.OPEN_ENDS if unknown else Exit.DONE)
    require_provider(found)
    if assume_sent:
        subscribers = sum(one.subscribers for one in unknown)
        confirm(f"Count {subscribers} subscribers of {found.slug} as sent, on your responsibility?", yes)
        _assume(found, as_json)
    else:
        _resend(found, _accepted(found, unknown, accept_duplicates, yes), as_json)


def _show(send: "Send", unknown: "list[Unknown]", as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_as_json(send, unknown), ensure_ascii=False))
    elif not unknown:
        click.echo(f"{send.slug}: nothing is unknown.")
    else:
        _show_unknown(send, unknown)


def _show_unknown(send: "Send", unknown: "list[Unknown]") -> None:
    from mailer.models import Attempt

    subscribers = sum(one.subscribers for one in unknown)
    click.echo(f"{send.slug}: it is unknown whether the provider accepted the email for {subscribers} subscribers.")
    attempts = Attempt.objects.select_related("batch").in_bulk([one.attempt for one in unknown])
    for one in unknown:
        attempt = attempts[one.attempt]
        at = f"{attempt.started_at:%Y-%m-%d %H:%M:%S} UTC"
        click.echo(f"  batch {attempt.batch.number}: {one.subscribers} subscribers, asked at {at}; {attempt.detail}")
        click.echo(f"    {one.doubt.label if one.doubt else 'events show that nobody has it: it can be sent again'}")
    twice = _may_get_it_twice(unknown)
    risk = f"{twice} of them may get it twice; you confirm by typing that number" if twice else "nobody gets it twice"
    click.echo("What to do:")
    click.echo(f"  mailer reconcile {send.slug} --resend         sends them again; {risk}")
    click.echo(f"  mailer reconcile {send.slug} --assume-sent    counts them as accepted, on your responsibility")


def _as_json(send: "Send", unknown: "list[Unknown]") -> dict[str, object]:
    from mailer.models import Attempt
    from mailer.sending.accounting import receipt

    attempts = Attempt.objects.select_related("batch").in_bulk([one.attempt for one in unknown])
    requests = [
        {
            "batch": attempts[one.attempt].batch.number,
            "attempt": str(one.attempt),
            "subscribers": one.subscribers,
            "detail": attempts[one.attempt].detail,
            "doubt": one.doubt and one.doubt.value,
        }
        for one in unknown
    ]
    return {**receipt(send), "unknown_requests": requests, "may_get_it_twice": _may_get_it_twice(unknown)}


def _may_get_it_twice(unknown: "list[Unknown]") -> int:
    return sum(one.may_get_it_twice for one in unknown)


def _accepted(send: "Send", unknown: "list[Unknown]", given: int | None, yes: bool) -> int:
    """Return how many duplicates the user accepts; without an answer end with exit code 4 and nothing changed."""
    twice = _may_get_it_twice(unknown)
    if given is not None and given != twice:
        raise Problem(_not_accepted(twice), Exit.NOT_CONFIRMED)
    if given is not None:
        return given
    if not twice:
        subscribers = sum(one.subscribers for one in unknown)
        confirm(f"Events show that none of {subscribers} subscribers has {send.slug}. Send it to them again?", yes)
        return 0
    if not on_terminal():
        raise Problem(_not_accepted(twice), Exit.NOT_CONFIRMED)
    for reason in dict.fromkeys(one.doubt.label for one in unknown if one.doubt):
        click.echo(f"It is unknown who has {send.slug}: {reason}.", err=True)
    typed = click.prompt(
        f"{twice} subscribers may get it twice. Type that number to send it again",
        err=True,
        default="",
        show_default=False,
    )
    if typed.strip() != str(twice):
        raise Problem("Nothing was done.", Exit.NOT_CONFIRMED)
    return twice


def _not_accepted(twice: int) -> str:
    if not twice:
        return "Nothing was done: events show that nobody would get it twice now; add --yes to send it again."
    return (
        f"Nothing was done: {twice} subscribers may get it twice. Look at `mailer reconcile` without --resend first; "
        f"to send it again anyway, add --accept-duplicates {twice} (--yes is not enough)."
    )


def _resend(send: "Send", accepted: int, as_json: bool) -> None:
    from mailer.cli.watching import carry_out
    from mailer.sending.reconciling import MayGetItTwice, resend_unknown

    def again() -> "Send":
        resend_unknown(send.pk, accepted)
        return send

    try:
        carry_out(again, as_json)
    except MayGetItTwice as other:
        raise Problem(_not_accepted(other.subscribers), Exit.NOT_CONFIRMED) from None


def _assume(send: "Send", as_json: bool) -> None:
    from mailer.sending.reconciling import assume_sent

    assume_sent(send.pk)
    print_result(send, as_json)
