"""What a provider reports of an email, in neutral words. The database stores the kinds."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID


class Kind(StrEnum):
    PROCESSED = "processed"  # the provider is about to send it
    DELIVERED = "delivered"  # the receiving server took it
    DEFERRED = "deferred"  # the receiving server asked to wait
    BOUNCED = "bounced"  # the receiving server refused it
    DROPPED = "dropped"  # the provider did not try
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"  # through the provider's own link
    RESUBSCRIBED = "resubscribed"
    OPENED = "opened"
    CLICKED = "clicked"


class Meaning(StrEnum):
    """What an event says of its subscriber."""

    HARD = "hard"  # nobody is there
    SOFT = "soft"  # not now
    POLICY = "policy"  # because of us
    COMPLAINT = "complaint"
    LEFT = "left"  # through the provider's own unsubscribe
    NOTHING = "nothing"


class NotSigned(ValueError):
    """The provider did not sign this, or too long ago; the message says what is wrong and names no secret."""


class NotEvents(ValueError):
    """The body contains no events."""


class ProviderEvent(NamedTuple):
    """One event. A tuple: a dataclass would cost twice as much, and there are millions."""

    kind: str  # a Kind, or a provider's own word, from which nothing follows
    attempt: UUID | None
    delivery: int | None
    at: datetime
    installation: str | None  # whose mail it is about: the account may belong to other programs too
    # What a bounce, drop, complaint or deferral says: `reason` in the receiver's words, `email` where no delivery is
    # named, and whatever else the provider's own `read` looks at. None for all others.
    details: dict[str, str] | None
    id_hash: int
    fact_hash: int
