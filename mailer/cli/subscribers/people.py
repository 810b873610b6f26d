"""What the commands for subscribers share: their options, and from an address to what is known of it."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from mailer.cli.terminal import Exit, Problem

if TYPE_CHECKING:
    from subscribers.addresses import Address
    from subscribers.models import Subscriber

newsletter_option = click.option("--newsletter", metavar="NAME", help="Which newsletter, if there are several.")
LONGEST_BASIS = 300
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def parse_address(address: str) -> "Address":
    from subscribers.addresses import AddressError, parse

    try:
        return parse(address)
    except AddressError as error:
        raise Problem(f"{address!r}: {error}", Exit.USAGE) from None


def parse_domain(text: str) -> str:
    """Return the value of --domain, as the keys of addresses have it."""
    from subscribers.addresses import AddressError, parse

    try:
        return parse(f"somebody@{text.strip().removeprefix('@')}").key.rpartition("@")[2]
    except AddressError as error:
        raise Problem(f"--domain {text!r}: {error}", Exit.USAGE) from None


def parse_basis(source: str) -> str:
    """Return the value of --source, on one line."""
    basis = " ".join(source.split())
    if len(basis) > LONGEST_BASIS or not basis.isprintable():
        raise Problem(
            f"--source takes one line of at most {LONGEST_BASIS} characters, because it is stored with each "
            "subscriber.",
            Exit.USAGE,
        )
    return basis


def parse_day(text: str) -> datetime:
    """Return the value of --since."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Problem(f"--since {text!r} is not a date; write one such as 2026-11-20.", Exit.USAGE) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def hash_of(person: "Address") -> str:
    from subscribers.signed_links import suppression_hash

    return suppression_hash(person.key)


def subscriber_of(person: "Address") -> "Subscriber | None":
    from subscribers.models import Subscriber

    return Subscriber.objects.filter(email_key=person.key).first()
