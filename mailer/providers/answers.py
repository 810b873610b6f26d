"""What a provider's answer to one request means for the subscribers in it, in neutral words.

A request that may have arrived must never be repeated blindly, and few providers know an idempotency key. So every
answer is one of these, each named by what is known afterwards; a provider's client tries nothing twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Accepted:
    """The provider took the whole request. `message_id` is its own name for it, empty if it gives none."""

    message_id: str
    status: int = 202


@dataclass(frozen=True)
class RecipientsRejected:
    """Nothing was accepted, and each fault is one subscriber's: index in the request → the provider's message."""

    detail: Mapping[int, str]
    status: int


@dataclass(frozen=True)
class UnlocatedRefusal:
    """Nothing was accepted, and no place is named (or it was too large): only splitting finds the subscriber."""

    detail: str
    status: int


@dataclass(frozen=True)
class Refused:
    """Nothing was accepted, nor would be for other subscribers: key, account, sender or a bug of ours.

    The status is 401 or 403 where key, account or sender are refused: single emails wait until that is corrected.
    """

    detail: str
    status: int


@dataclass(frozen=True)
class RateLimited:
    """Nothing was accepted; the same request may be tried after `wait` seconds."""

    detail: str
    wait: float
    status: int = 429


@dataclass(frozen=True)
class ConnectFailed:
    """There was no connection (name, refusal, TLS); no byte was written."""

    detail: str


@dataclass(frozen=True)
class Exhausted(ConnectFailed):
    """This machine had no descriptor, memory or port for a connection, which is not the provider's fault."""


@dataclass(frozen=True)
class DeadlinePassed:
    """`first_byte_by` had passed before the first byte; no byte was written."""


@dataclass(frozen=True)
class OutcomeUnknown:
    """A byte was written, and nothing that came back tells whether the email goes out."""

    detail: str
    status: int | None
    cause: str = field(default="", compare=False)  # for logs: never the provider's text, which may quote an address


Answer = (
    Accepted
    | RecipientsRejected
    | UnlocatedRefusal
    | Refused
    | RateLimited
    | ConnectFailed
    | DeadlinePassed
    | OutcomeUnknown
)


class Unreachable(ConnectionError):
    """A question to the provider got no answer; the message says why."""
