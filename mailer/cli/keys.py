"""`mailer keys`: the keys that subscribers' links are signed with. No command shows one."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

import click

from mailer.cli.terminal import Exit, Problem, confirm, counted, start

if TYPE_CHECKING:
    from mailer.store.rotating import Listed, Signed

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@json_option
@click.pass_context
def keys(context: click.Context, as_json: bool) -> None:
    """List, rotate and retire the keys that sign subscribers' links."""
    if context.invoked_subcommand is None:
        context.invoke(show, as_json=as_json)


@keys.command("list")
@json_option
def show(as_json: bool) -> None:
    """List the keys: number, when they were made, and what they do. `mailer keys` alone does the same."""
    start()
    from mailer.store import rotating

    found = rotating.listed()
    if as_json:
        click.echo(json.dumps([_as_json(one) for one in found]))
        return
    for one in found:
        click.echo(f"{one.number}  made {_time(one.created_at)}  {_state(one)}")


@keys.command()
@json_option
def rotate(as_json: bool) -> None:
    """Create a new key. It signs after 10 minutes; links in earlier emails keep working."""
    start()
    from mailer.store import rotating

    try:
        new = rotating.rotate()
    except rotating.Refused as refused:
        raise Problem(f"{refused}; nothing was done.") from None
    if as_json:
        click.echo(json.dumps(_as_json(new)))
        return
    click.echo(f"Key {new.number} is stored; it signs links from {_time(new.signs_from)} on.")
    click.echo(
        "Older keys still verify links. If one leaked, retire it after that with `mailer keys retire NUMBER "
        "--break-links`."
    )


@keys.command()
@click.argument("number", type=int)
@click.option("--break-links", is_flag=True, help="Retire the key although links in emails will stop working.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def retire(number: int, break_links: bool, yes: bool, as_json: bool) -> None:
    """Retire a leaked key: links that it signed, unsubscribe links included, stop working.

    A key that has signed links needs --break-links, which says how many links would break and asks.
    """
    start()
    from mailer.store import rotating

    try:
        key, signed = rotating.require_retirable(number), rotating.signed_by(number)
        if key.state is rotating.State.VERIFIES:
            _agree(number, signed, break_links, yes)
        done = rotating.retire(number)
    except rotating.NoSuchKey as refused:
        raise Problem(f"{refused}.", Exit.USAGE) from None
    except rotating.Refused as refused:
        raise Problem(f"{refused}; nothing was done.") from None
    if as_json:
        click.echo(json.dumps(_as_json(done) | {"broken": asdict(signed)}))
    else:
        click.echo(f"Key {number} is retired; within a minute no process accepts its links.")


def _agree(number: int, signed: "Signed", break_links: bool, yes: bool) -> None:
    mails, subscribers = counted(signed.mails, "email"), counted(signed.subscribers, "subscriber")
    broken = (
        f"key {number} signed the links in {mails} to {subscribers}, as far as this database shows; "
        f"{signed.without_newer} of them have had no email with a newer key since"
    )
    if not break_links:
        raise Problem(
            f"{broken}. Unsubscribing from those emails would no longer work, not even with one click. Nothing was "
            "done; use --break-links to retire it anyway.",
            Exit.NOT_CONFIRMED,
        )
    click.echo(f"{broken[0].upper()}{broken[1:]}.", err=True)
    click.echo("Links in other emails (to confirm, to change data) that it signed stop working too.", err=True)
    confirm("Unsubscribing from those emails will no longer work, not even with one click. Retire the key?", yes)


def _state(one: "Listed") -> str:
    if one.retired_at:
        return f"retired {_time(one.retired_at)}"
    return f"waits until {_time(one.signs_from)}, then signs" if one.state == "waits" else one.state.value


def _time(at: datetime) -> str:
    from mailer.store.clock import in_utc

    return in_utc(at)


def _as_json(one: "Listed") -> dict[str, object]:
    times = ("created_at", "signs_from", "retired_at")
    return asdict(one) | {name: value.isoformat() if (value := getattr(one, name)) else None for name in times}
