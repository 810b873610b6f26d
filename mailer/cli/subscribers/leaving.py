"""`mailer subscribers unsubscribe`, `suppress` and `forget`: act for a subscriber who asked in another way."""

from typing import TYPE_CHECKING

import click

from mailer.cli.operators import audit, audit_look
from mailer.cli.subscribers.lifting import lift_incident, lift_one
from mailer.cli.subscribers.people import hash_of, newsletter_option, parse_address, subscriber_of
from mailer.cli.terminal import Exit, Problem, confirm, counted, start

if TYPE_CHECKING:
    from subscribers.addresses import Address


@click.command()
@click.argument("address")
@newsletter_option
def unsubscribe(address: str, newsletter: str | None) -> None:
    """Unsubscribe one subscriber from one newsletter."""
    person = parse_address(address)
    start()
    from django.db import transaction

    from mailer.publishing.newsletters import choose_newsletter
    from subscribers import optin
    from subscribers.auditing import Act, Action

    label = choose_newsletter(newsletter).label
    subscriber = subscriber_of(person)
    if subscriber is None or not subscriber.subscriptions.filter(newsletter=label).exists():
        raise Problem(
            f"{person.email} is not subscribed to {label}; `mailer subscribers show {person.email}` says more."
        )
    with transaction.atomic():
        if changed := optin.unsubscribe(subscriber.public_id, label, optin.Origin(how="command")):
            audit(Act(Action.UNSUBSCRIBED, str(subscriber.public_id), detail=label))
    click.echo(f"{person.email} {'is' if changed else 'was already'} unsubscribed from {label}.")


@click.command()
@click.argument("address", required=False)
@click.option("--reason", metavar="TEXT", help="Why; the reason is stored.")
@click.option("--lift", is_flag=True, help="Allow the address to be emailed again.")
@click.option("--bounced-between", "between", nargs=2, metavar="A B", help="Lift all bounces within this time (UTC).")
@click.option("--domain", metavar="DOMAIN", help="With --bounced-between: the receiving domain that failed.")
@click.option("--yes", is_flag=True, help="Lift an incident without asking.")
def suppress(
    address: str | None, reason: str | None, lift: bool, between: tuple[str, str] | None, domain: str | None, yes: bool
) -> None:
    """Suppress an address in all newsletters, known here or not; or lift the suppression.

    --lift --bounced-between A B --domain D undoes an incident in which a domain refused valid mailboxes for a while.
    """
    if between or domain:
        if address or not (lift and between and domain):
            raise Problem("an incident needs --lift --bounced-between A B --domain D, and no ADDRESS.", Exit.USAGE)
        lift_incident(between, domain, (reason or "").strip() or f"bounced in an incident at {domain}", yes)
        return
    if not address:
        raise Problem("name the address, or an incident: --lift --bounced-between A B --domain D.", Exit.USAGE)
    if not reason or not reason.strip():
        raise Problem('--reason needs a text, such as --reason "asked by phone".', Exit.USAGE)
    if lift:
        lift_one(address, reason)
        return
    person = parse_address(address)
    start()
    from django.db import transaction

    from subscribers import auditing, optin
    from subscribers.auditing import Act, Action

    with transaction.atomic():
        audit(Act(Action.SUPPRESSED, auditing.subject_of(person), reason=reason))
        optin.suppress(hash_of(person), "manual", optin.Origin(how="command", source=reason), optin.Why(reason))
    click.echo(f"{person.email} is suppressed: it will not be emailed.")


@click.command()
@click.argument("address")
@click.option("--yes", is_flag=True, help="Erase without asking.")
def forget(address: str, yes: bool) -> None:
    """Erase one subscriber: name, newsletters, consent and what the provider reported about them.

    A keyed hash of the address stays, so that no import can bring it back; only the subscriber can, by confirming
    again. For a copy of the data, run `show ADDRESS --json` first. One last email confirms the erasure, unless the
    address never confirmed or is suppressed: `suppress` it first to erase without an email.
    """
    person = parse_address(address)
    start()
    from django.db import transaction

    from subscribers import auditing, erasing, optin
    from subscribers.auditing import Act, Action

    _show_what_goes(person)
    audit_look(Act(Action.SHOWN, auditing.subject_of(person)))  # also if they then do not erase
    confirm("Erase this subscriber? This cannot be undone.", yes)
    with transaction.atomic():
        audit(Act(Action.ERASED, auditing.subject_of(person)))
        erasing.forget(person.key, optin.Origin(how="command"))
    click.echo(f"{person.email} is erased; it will not be emailed until the subscriber confirms again.")


def _show_what_goes(person: "Address") -> None:
    from mailer.models import Delivery
    from subscribers.models import Suppression

    subscriber = subscriber_of(person)
    suppression = Suppression.objects.filter(hash=hash_of(person)).first()
    if subscriber is None and suppression is None:
        raise Problem(f"{person.email} is not known here; there is nothing to erase.")
    newsletters = (
        ", ".join(subscriber.subscriptions.order_by("newsletter").values_list("newsletter", flat=True))
        if subscriber
        else ""
    )
    steps = counted(subscriber.consents.count(), "step") if subscriber else "no step"
    sends = counted(Delivery.objects.filter(subscriber=subscriber).count(), "email") if subscriber else "no email"
    stays = f"{suppression.reason} since {suppression.at:%Y-%m-%d}, without its note" if suppression else "erased"
    click.echo(
        f"{person.email}: removed: address, name, newsletters ({newsletters or 'none'}), {steps} of consent.\n"
        f"  kept: a keyed hash of the address ({stays}); {sends} in the ledger, without the subscriber.\n"
        "  Older backups still contain the subscriber; after one is restored, the log of opt-outs erases them again.",
        err=True,
    )
