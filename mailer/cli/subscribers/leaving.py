"""`mailer subscribers unsubscribe` and `suppress`: the editor's hand where a reader asked by another way."""

import click

from mailer.cli.subscribers.people import hash_of, newsletter_option, parse_address, reader_of
from mailer.cli.terminal import Exit, Problem, choose_newsletter, start


@click.command()
@click.argument("address")
@newsletter_option
def unsubscribe(address: str, newsletter: str | None) -> None:
    """Unsubscribe one reader from one newsletter."""
    person = parse_address(address)
    start()
    from subscribers import optin

    label = choose_newsletter(newsletter)
    reader = reader_of(person)
    if reader is None or not reader.subscriptions.filter(newsletter=label).exists():
        raise Problem(f"{person.email} does not read {label}; `mailer subscribers show {person.email}` tells more.")
    changed = optin.unsubscribe(reader.public_id, label, optin.Origin(how="command"))
    click.echo(f"{person.email} {'is' if changed else 'was already'} unsubscribed from {label}.")


@click.command()
@click.argument("address")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept.")
@click.option("--lift", is_flag=True, help="The address may be mailed again.")
def suppress(address: str, reason: str, lift: bool) -> None:
    """Let nobody mail an address, in any newsletter, whether or not it is known here; or lift that."""
    if not reason.strip():
        raise Problem('--reason needs words, such as --reason "asked by phone".', Exit.USAGE)
    person = parse_address(address)
    start()
    from subscribers import optin

    origin = optin.Origin(how="command", source=reason)
    if not lift:
        optin.suppress(hash_of(person), "manual", origin, note=reason)
        click.echo(f"{person.email} is suppressed: nobody may mail it.")
        return
    was = optin.lift(hash_of(person), origin)
    if was is None:
        click.echo(f"{person.email} is not suppressed; nothing to lift.")
    else:
        click.echo(f"{person.email} may be mailed again, where they subscribed (it was suppressed: {was}).")
