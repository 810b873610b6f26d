"""Send Django's email (confirmations, notices) through the same provider as the issues."""

from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from mailer.providers.answers import (
    Accepted,
    Answer,
    ConnectFailed,
    DeadlinePassed,
    OutcomeUnknown,
    RateLimited,
    RecipientsRejected,
)
from mailer.providers.current import current_provider
from mailer.providers.messages import InvalidMessage
from subscribers.mail.failures import NotSent


class ProviderBackend(BaseEmailBackend):
    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Return how many the provider accepted. Raises NotSent at the first that it did not, unless fail_silently."""
        accepted = 0
        for message in email_messages:
            if not message.recipients():
                continue
            try:
                _send(message)
            except NotSent:
                if not self.fail_silently:
                    raise
            else:
                accepted += 1
        return accepted


def _send(message: EmailMessage) -> None:
    provider = current_provider()
    try:
        request = provider.prepare_single(message)
    except InvalidMessage as error:
        raise NotSent(str(error), retry=True) from error  # newsletter.toml may be corrected
    answer = provider.post(request)
    if not isinstance(answer, Accepted):
        raise _not_sent(answer)


def _not_sent(answer: Answer) -> NotSent:
    match answer:
        case RateLimited(detail=detail, wait=wait):
            return NotSent(detail, retry=True, wait=wait)
        case DeadlinePassed():
            return NotSent("the deadline for the request had passed", retry=True)
        case OutcomeUnknown(detail=detail, status=status, cause=cause) if status is None or status < 400:
            return NotSent(detail, retry=False, unknown=True, cause=cause)
        case RecipientsRejected(detail=by_subscriber):
            return NotSent("; ".join(by_subscriber.values()), retry=False)
        case ConnectFailed(detail=detail):
            return NotSent(detail, retry=True, cause=detail)
        case _:
            # The provider said that it failed, or refuses the key, the sender or what we wrote. That may be corrected
            # while the email is tried a few times more, and hardly ever makes it a second email.
            status = getattr(answer, "status", None)
            return NotSent(
                getattr(answer, "detail", ""), retry=True, cause=f"the provider answered {status}" if status else ""
            )
