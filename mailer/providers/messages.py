"""What a provider is asked to carry: one message and its recipients; and what a caller catches if it did not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class InvalidMessage(ValueError):
    """Something that must not stand in an email; the message names it. No request was made."""


class Recipient(NamedTuple):
    """One subscriber of a request. A tuple, since a frozen dataclass costs twice as much to make."""

    delivery: int
    email: str
    name: str
    unsubscribe_url: str


@dataclass(frozen=True)
class Message:
    """What all subscribers of a send get alike. `unsubscribe_placeholder` stands for each one's link."""

    subject: str
    from_email: str
    from_name: str
    reply_to: str
    html: str
    text: str
    headers: Mapping[str, str]
    unsubscribe_placeholder: str
    custom_args: Mapping[str, str]
