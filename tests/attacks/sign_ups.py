"""Send strangers' requests through the sign-up form, and collect the emails that they cause."""

import secrets

from django.core import mail

from subscribers import limits, optin
from subscribers.addresses import parse
from subscribers.mail import confirmations
from subscribers.optin import Origin


def ask(email: str, network: int, effort: limits.Effort = limits.Effort.NONE) -> None:
    """Post what the form below the page of `sign_up` posts."""
    origin = Origin(how="form", ip=f"10.{network // 250}.{network % 250}.0/24")
    optin.subscribe(parse(email), "weekly", origin=origin, typed=limits.Typed(secrets.token_hex(), effort))


def use_up(network: int) -> None:
    """Cause as many emails from this network as are possible without proof of work."""
    for number in range(limits.FREE_A_NETWORK_HOUR):
        ask(f"n{number}-of-{network}@readers.example", network)


def send_all(clock) -> list[str]:
    mail.outbox.clear()
    for due in list(confirmations.due(clock.now)):
        confirmations.send(due)
    return [message.to[0] for message in mail.outbox]
