"""`mailer subscribers suppress --lift`: let addresses be mailed again, one or all that an incident suppressed."""

from collections.abc import Collection
from datetime import UTC, date, datetime, time

import click

from mailer.cli.operators import audit
from mailer.cli.subscribers.people import hash_of, parse_address, parse_domain
from mailer.cli.terminal import Exit, Problem, confirm, counted, start


def lift_one(address: str, reason: str) -> None:
    person = parse_address(address)
    start()
    from django.db import transaction

    from mailer.events import outages
    from subscribers import auditing, optin
    from subscribers.auditing import Act, Action

    try:
        with transaction.atomic():
            was = optin.lift(hash_of(person), optin.Origin(how="command", source=reason))
            held_apart = outages.forgive([hash_of(person)])
            if was or held_apart:
                audit(Act(Action.LIFTED, auditing.subject_of(person), reason=reason))
    except optin.Refused as refusal:
        raise Problem(f"{person.email} stays suppressed: {refusal}.") from None
    if was is None and not held_apart:
        click.echo(f"{person.email} is not suppressed; nothing to lift.")
        return
    because = f"it was suppressed: {was}" if was else "it was on hold after a bounce"
    click.echo(f"{person.email} may be emailed again, where they subscribed ({because}).")
    _release([person.email], was or "bounce")


def lift_incident(between: tuple[str, str], domain: str, reason: str, yes: bool) -> None:
    """Lift every bounce of a domain in a span of time, once the user agreed."""
    first, last = _time(between[0], time.min), _time(between[1], time.max)
    if first > last:
        raise Problem(f"--bounced-between: {between[0]} is after {between[1]}.", Exit.USAGE)
    start()
    from mailer.events import outages

    name = parse_domain(domain)
    hashes = sorted(outages.bounced_between(first, last, name))
    span = f"between {first:%Y-%m-%d %H:%M} and {last:%Y-%m-%d %H:%M} UTC"
    if not hashes:
        click.echo(f"Nobody at {name} bounced {span}; nothing to lift.")
        return
    click.echo(f"{counted(len(hashes), 'address')} at {name} bounced {span}.", err=True)
    confirm("Allow emails to them again?", yes)
    lifted = _lift(hashes, reason)
    click.echo(f"{counted(lifted, 'address')} at {name} may be emailed again, where they subscribed.")
    _release(_emails(hashes), "bounce")


def _lift(hashes: Collection[str], reason: str) -> int:
    """Return how many may be mailed now: a complaint, or an operator's own decision, stays."""
    from mailer.events import outages
    from subscribers import optin
    from subscribers.auditing import Act, Action
    from subscribers.models import Suppression

    origin = optin.Origin(how="command", source=reason)
    audit(Act(Action.LIFTED, count=len(hashes), reason=reason))
    outages.forgive(hashes)
    for hash in Suppression.objects.filter(hash__in=hashes, reason=Suppression.Reason.BOUNCE).values_list("hash"):
        optin.lift(hash[0], origin)
    still = Suppression.objects.filter(hash__in=hashes).count()
    return len(hashes) - still


def _emails(hashes: Collection[str]) -> list[str]:
    from subscribers.models import Subscriber, Suppression

    stay = Suppression.objects.filter(hash__in=hashes).values("hash")
    subscribers = Subscriber.objects.filter(suppression_hash__in=hashes).exclude(suppression_hash__in=stay)
    return list(subscribers.values_list("email", flat=True))


def _release(emails: list[str], reason: str) -> None:
    from mailer.providers.current import configured_provider
    from mailer.providers.protocol import NotReleased
    from mailer.worker import releasing

    if not releasing.keeps(reason):
        return
    names = configured_provider().names
    if not configured_provider().key():
        click.echo(
            f"{names.key} is not set: if {names.provider} has a bounce or complaint of theirs on its own "
            "lists (Suppressions), it drops their emails until you delete it there.",
            err=True,
        )
        return
    try:
        releasing.release(emails, reason)
    except NotReleased as why:
        raise Problem(f"lifted here, but not at the provider: {why}.") from None


def _time(text: str, day: time) -> datetime:
    """Read a date, or a date and time; in UTC if no zone is named. `day` completes a date."""
    try:
        if len(text.strip()) == len("2020-12-14"):
            return datetime.combine(date.fromisoformat(text.strip()), day, UTC)
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Problem(
            f"--bounced-between: {text!r} is not a time; write 2020-12-14 or 2020-12-14T21:30 (UTC).", Exit.USAGE
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
