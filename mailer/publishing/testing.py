"""Send a test: exactly what subscribers would get, to a few people who look at it first.

The subject begins with [TEST], and the unsubscribe link leads to a page that changes nothing. No send, delivery,
subscriber or metric records it; only the images are written, because the email must show them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from django.conf import settings
from django.db import transaction

from mailer.config.newsletter import Newsletter
from mailer.providers.answers import Accepted, Answer, DeadlinePassed, OutcomeUnknown, RecipientsRejected
from mailer.providers.current import current_provider
from mailer.providers.headers import issue_headers
from mailer.providers.messages import InvalidMessage, Message, Recipient, Recipients
from mailer.publishing.errors import CorrectIssue, CorrectRequest, CorrectSettings, Refused
from mailer.store.accounts import UnknownKey, require_account
from mailer.store.installation import public_id
from mailer.store.media import keep_images
from subscribers import signed_links
from subscribers.addresses import Address, AddressError, parse
from subscribers.models import Suppression

if TYPE_CHECKING:  # rendering loads parsers that the rest of this module does not need
    from mailer.content.rendering import RenderedIssue

MARK = "[TEST] "
MOST = 20  # people who look at a test; more are an audience, and need `send issue`


@dataclass(frozen=True)
class Outcome:
    accepted: bool
    detail: str  # why not, as the provider says


def read_recipients(written: Iterable[str]) -> tuple[Address, ...]:
    """Return the addresses in the order given, each once. Raises CorrectRequest, which names the wrong one."""
    found: dict[str, Address] = {}
    for text in written:
        try:
            address = parse(text)
        except AddressError as error:
            raise CorrectRequest(f"{text!r} is not a valid recipient: {error}") from None
        found.setdefault(address.key, address)
    if not found:
        raise CorrectRequest("Give at least one address to send the test to.")
    if len(found) > MOST:
        raise CorrectRequest(f"A test goes to at most {MOST} addresses, but {len(found)} were given.")
    return tuple(found.values())


def send_test(issue: "RenderedIssue", newsletter: Newsletter, to: Sequence[Address]) -> Outcome:
    """Send the issue to everybody in `to`, in one request, and return what the provider answered.

    If one of them complained, was suppressed by hand or asked to be forgotten, nobody gets the test. Addresses that
    bounced do: a test is a way to see whether the mailbox works again. Raises Refused.
    """
    try:
        require_account()
    except UnknownKey as error:
        raise CorrectSettings(str(error)) from None
    _require_not_suppressed(to)
    provider = current_provider()
    try:
        request = provider.prepare(_message(issue, newsletter), _recipients(newsletter, to), None)
    except InvalidMessage as error:
        raise CorrectIssue(str(error)) from None
    # Committed before the request: the email may be opened the moment it is accepted.
    with transaction.atomic():
        keep_images(issue.images)
    return _outcome(provider.post(request), to)


def _require_not_suppressed(to: Sequence[Address]) -> None:
    hashes = {signed_links.suppression_hash(address.key): address.email for address in to}
    refused = Suppression.objects.filter(hash__in=hashes).exclude(reason=Suppression.Reason.BOUNCE).first()
    if refused is None:
        return
    raise Refused(
        f"{hashes[refused.hash]} may not be emailed ({refused.reason}), so nothing was sent; leave the address out, "
        "or see `mailer subscribers suppress --help` for --lift."
    )


def _message(issue: "RenderedIssue", newsletter: Newsletter) -> Message:
    """Return the message without ids: no row stands behind a test, and its events must match none."""
    return Message(
        subject=MARK + issue.subject,
        from_email=newsletter.from_email,
        from_name=newsletter.from_name,
        reply_to=newsletter.reply_to,
        html=issue.html,
        text=issue.text,
        headers=issue_headers(newsletter.label, newsletter.name, newsletter.list_id, settings.BASE_URL),
        unsubscribe_placeholder=issue.placeholders["unsubscribe"],
        custom_args={"mailer_installation": public_id(), "mailer_test": str(uuid4())},
    )


def _recipients(newsletter: Newsletter, to: Sequence[Address]) -> Recipients:
    return Recipients.of(
        Recipient(number, address.email, "", signed_links.unsubscribe_url_of_test(newsletter.label, number))
        for number, address in enumerate(to, 1)
    )


def _outcome(answer: Answer, to: Sequence[Address]) -> Outcome:
    if isinstance(answer, Accepted):
        return Outcome(True, "")
    if isinstance(answer, RecipientsRejected):
        named = [f"{to[index].email}: {detail}" for index, detail in answer.detail.items() if index < len(to)]
        return Outcome(False, "; ".join(named))
    if isinstance(answer, OutcomeUnknown):
        return Outcome(False, f"{answer.detail} (it is unknown whether the test arrives; look before you send another)")
    if isinstance(answer, DeadlinePassed):
        return Outcome(False, "the request could not begin in time; try again")
    return Outcome(False, answer.detail)
