"""Requests of strangers by the sign-up form, and the emails that they lead to."""

import secrets

from django.core import mail

from subscribers import limits, optin
from subscribers.addresses import parse
from subscribers.mail import confirmations
from subscribers.optin import Origin


def ask(email: str, network: int, effort: limits.Effort = limits.Effort.NONE) -> None:
    """Ask as `sign_up` does below its page."""
    origin = Origin(how="form", ip=f"10.{network // 250}.{network % 250}.0/24")
    optin.subscribe(parse(email), "weekly", origin=origin, typed=limits.Typed(secrets.token_hex(), effort))


def use_up(network: int) -> None:
    """Cause as many emails from this network as need no effort."""
    for number in range(limits.FREE_A_NETWORK_HOUR):
        ask(f"n{number}-of-{network}@readers.example", network)


def send_all(clock) -> list[str]:
    mail.outbox.clear()
    for due in list(confirmations.due(clock.now)):
        confirmations.send(due)
    return [message.to[0] for message in mail.outbox]
