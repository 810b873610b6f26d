"""`mailer subscribers unsubscribe`, `suppress` and `forget`: the editor's hand where a reader asked by another way."""

from typing import TYPE_CHECKING

import click

from mailer.cli.subscribers.people import hash_of, newsletter_option, parse_address, reader_of
from mailer.cli.terminal import Exit, Problem, choose_newsletter, confirm, counted, start

if TYPE_CHECKING:
    from subscribers.addresses import Address


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
    try:
        was = optin.lift(hash_of(person), origin)
    except optin.Refused as refusal:
        raise Problem(f"{person.email} stays suppressed: {refusal}.") from None
    if was is None:
        click.echo(f"{person.email} is not suppressed; nothing to lift.")
    else:
        click.echo(f"{person.email} may be mailed again, where they subscribed (it was suppressed: {was}).")


@click.command()
@click.argument("address")
@click.option("--yes", is_flag=True, help="Erase without asking.")
def forget(address: str, yes: bool) -> None:
    """Erase one reader: name, newsletters, consent and what the provider told of them.

    What stays is a keyed hash of the address, by which no import can bring it back; only the reader can, by confirming
    anew. `show ADDRESS --json` before this is a copy of what was held.
    """
    person = parse_address(address)
    start()
    from subscribers import optin

    _show_what_goes(person)
    confirm("Erase this reader? It cannot be undone.", yes)
    optin.forget(person.key, optin.Origin(how="command"))
    click.echo(f"{person.email} is erased; nobody may mail it until its reader confirms anew.")


def _show_what_goes(person: "Address") -> None:
    from mailer.models import Delivery
    from subscribers.models import Suppression

    reader = reader_of(person)
    standing = Suppression.objects.filter(hash=hash_of(person)).first()
    if reader is None and standing is None:
        raise Problem(f"{person.email} is not known here; there is nothing to erase.")
    newsletters = (
        ", ".join(reader.subscriptions.order_by("newsletter").values_list("newsletter", flat=True)) if reader else ""
    )
    steps = counted(reader.consents.count(), "step") if reader else "no step"
    sends = counted(Delivery.objects.filter(subscriber=reader).count(), "mail") if reader else "no mail"
    stays = f"{standing.reason} since {standing.at:%Y-%m-%d}, without its note" if standing else "erased"
    click.echo(
        f"{person.email}: goes: address, name, newsletters ({newsletters or 'none'}), {steps} of consent.\n"
        f"  stays: a keyed hash of the address ({stays}); {sends} in the ledger, without the reader.\n"
        "  Older backups still hold the reader; after one is put back, the log of opt-outs erases them again.",
        err=True,
    )
