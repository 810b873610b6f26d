"""What a provider is asked to carry: one message and its recipients; and what a caller catches where it did not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class InvalidMessage(ValueError):
    """Something that may not stand in a mail; the words name it. No request was made."""


class NotSent(OSError):
    """A mail did not go out, or may not have. The words are the provider's or the network's.

    `retry`: the same mail may go through later. It is False where this mail or address was refused for good, and for
    a mail whose outcome is unknown (`unknown`), where a second try may be a second mail.
    """

    def __init__(self, words: str, *, retry: bool, unknown: bool = False, wait: float | None = None) -> None:
        super().__init__(words)
        self.words = words
        self.retry = retry
        self.unknown = unknown
        self.wait = wait


class Recipient(NamedTuple):
    """One reader of a request. A tuple, since a frozen dataclass costs twice as much to make."""

    delivery: int
    email: str
    name: str
    unsubscribe_url: str


@dataclass(frozen=True)
class Message:
    """What all readers of a send get alike. `unsubscribe_placeholder` stands in html and text for the reader's link."""

    subject: str
    from_email: str
    from_name: str
    reply_to: str
    html: str
    text: str
    headers: Mapping[str, str]
    unsubscribe_placeholder: str
    custom_args: Mapping[str, str]
