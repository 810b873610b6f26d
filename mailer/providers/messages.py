"""What a provider is asked to carry: one message and its recipients; and what a caller catches if it did not."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class InvalidMessage(ValueError):
    """Something that must not stand in an email; the message names it. No request was made."""


class Recipient(NamedTuple):
    """One subscriber of a request."""

    delivery: int
    email: str
    name: str
    unsubscribe_url: str


@dataclass(frozen=True)
class Recipients:
    """The subscribers of a request, in the order by which answers name them.

    As columns: to make an object for each took as long as to write a third of the request.
    """

    deliveries: Sequence[int]
    emails: Sequence[str]
    names: Sequence[str]
    unsubscribe_urls: Sequence[str]

    @classmethod
    def of(cls, recipients: Iterable[Recipient]) -> "Recipients":
        some = list(recipients)
        return cls(
            [one.delivery for one in some],
            [one.email for one in some],
            [one.name for one in some],
            [one.unsubscribe_url for one in some],
        )

    def __len__(self) -> int:
        return len(self.deliveries)

    def __iter__(self) -> Iterator[Recipient]:
        return map(Recipient, self.deliveries, self.emails, self.names, self.unsubscribe_urls)


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
