"""What mailer asks of an email provider: one `Provider`, of which some parts may be missing.

docs/architecture.md says how to add one, and tests/mailer/providers/test_protocol_conformance.py holds it to this.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, runtime_checkable
from uuid import UUID

from django.core.mail import EmailMessage

from mailer.providers.answers import Answer
from mailer.providers.events import Meaning, ProviderEvent
from mailer.providers.messages import Message, Recipients

# As the provider's own code reads it: nothing else looks into one.
Request = Any


class Unseen(Exception):
    """The provider does not show it to this key; the message is what it answered."""


class NotReleased(Exception):
    """The provider keeps these addresses on its own lists; the message says why and what to do there."""


@dataclass(frozen=True)
class Check:
    """One thing that was checked: `ok`, `warning` (a rehearsal works, or it cannot be seen) or `error`."""

    name: str
    state: str
    detail: str


@dataclass(frozen=True)
class Names:
    """What a provider, its settings and its pages are called in texts for people."""

    provider: str
    path: str  # the last part of the address that its events are posted to
    key: str  # the setting that holds its API key
    url: str  # the setting with the address of its API
    events: str  # the setting by which its events are verified
    # What to do there, and where.
    authenticate: str = "authenticate the domain at your provider"
    tracking: str = "switch the tracking of clicks and opens off at your provider"
    events_page: str = "your provider"

    def fill(self, text: str) -> str:
        """Put the provider's name and what to do there into a text that is written for every provider."""
        return text.format(provider=self.provider, authenticate=self.authenticate)


class Events(Protocol):
    """What a provider reports of the email that it took."""

    def keys(self) -> Sequence[bytes]:
        """Return what posts are verified with; while it is empty all are refused, and silence is not evidence."""

    def verify(self, body: bytes, headers: Mapping[str, str], now: Callable[[], datetime]) -> bytes:
        """Return the key that signed the post. Raises NotSigned."""

    def parse(self, body: bytes) -> list[ProviderEvent]:
        """Return the events of a post, in its order and in neutral kinds. Raises NotEvents."""

    def kind(self, stored: str) -> str:
        """Return the neutral kind of a stored event: an older version stored the first provider's own words."""

    def read(self, kind: str, details: Mapping[str, str]) -> tuple[Meaning, str]:
        """Return what a stored event says of its subscriber, and the key of a policy if a receiver refused us."""


class Account(Protocol):
    """What a provider says of the account that mails, for `mailer doctor`. Keys may be allowed to see little of it."""

    def key(self) -> Check:
        """Check that the provider accepts the key, and that it may send."""

    def senders(self, emails: Collection[str]) -> Iterator[Check]:
        """Check that the provider accepts email from each of these addresses."""

    def credits_left(self) -> int:
        """Return how many emails the plan still allows. Raises Unseen."""

    def webhook(self, url: str) -> Check:
        """Check that events are posted to this address, and signed with a key that is known. Raises Unseen."""

    def scope(self, what: str) -> str:
        """Say what a key needs to show `credits`, `webhook` or `suppressions`."""


class Suppressions(Protocol):
    """The provider's own lists of addresses, whose email it drops after taking it."""

    lists: Mapping[str, str]  # name → the reason why an address stands there, in the words of Suppression.Reason

    def pages(self, name: str) -> Iterator[tuple[list[str], bool]]:
        """Yield the addresses of a list, and whether that is the last page. Raises Unseen."""

    def release(self, emails: Collection[str], reason: str) -> None:
        """Take the addresses off the lists for this reason. Raises NotReleased."""


@runtime_checkable
class Provider(Protocol):
    """One provider, as this installation is configured for it.

    One instance serves all threads of a process, and a forked child inherits it.
    """

    names: Names
    most_recipients: int  # in one request
    dkim_selectors: Sequence[str]  # under which it signs; none where that is not known
    # A missing part is None. Without `events` it can never tell what became of a request whose answer was lost.
    events: Events | None
    account: Account | None
    suppressions: Suppressions | None

    def key(self) -> str:
        """Return the API key, or whatever else tells accounts apart. While it is empty everything is a rehearsal."""

    def prepare(self, message: Message, recipients: Recipients, attempt: UUID | None) -> Request:
        """Build the request. Raises InvalidMessage; an index in an answer counts the recipients in the order given.

        Each email has a List-Unsubscribe header with its recipient's link, besides `message.headers`, and that link
        in place of the placeholder in both parts. The provider's own tracking and footer are off. Without `attempt`
        no row stands behind the request: it carries neither deliveries nor an attempt for events to name.
        """

    def prepare_single(self, mail: EmailMessage) -> Request:
        """Build the request for one of Django's emails. Raises InvalidMessage, for attachments too.

        Its header `From` in `extra_headers` may name another sender; with `bounced_before` of
        `subscribers/mail/composing.py` it goes out although the address is on the provider's own lists.
        """

    def faults(self, request: Request) -> list[str]:
        """Return why the provider would refuse this request: its size, a header, an address; nothing is posted."""

    def get_ready(self) -> None:
        """Import and make what `post` needs: where that fails nothing was posted, and the batch is planned again."""

    def post(self, request: Request, first_byte_by: float | None = None) -> Answer:
        """Post the request once. No byte of it leaves after `first_byte_by`, by time.monotonic().

        It returns within MAILER_HTTP_TIMEOUT, from the look-up to the last byte: a claim may last only three times as
        long. Raises nothing: what happens is an answer. Without one the attempt would be taken for unknown.
        """

    def rewrites(self, link: str) -> bool:
        """Tell whether the provider replaced one of our links by this address, to count clicks or opens."""

    def rehearse(self, folder: Path) -> "Provider":
        """Return a rehearsal of this provider on this machine: it records in `folder`, and nobody receives email."""
