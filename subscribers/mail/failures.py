"""How delivering a single email to the provider failed: `NotSent` says whether to try again.

An email whose answer was lost is not repeated, so it may be lost to its subscriber. A provider that hangs must meet few
of them: after each this process makes no such request for a while, longer each time.
"""

import time
from dataclasses import dataclass

from django.core.mail import EmailMessage

SHORTEST, LONGEST = 10.0, 300.0  # seconds without a request after one lost answer, and after many


class NotSent(OSError):
    """An email was not sent, or its outcome is unknown. The message is the provider's or the network's.

    `retry`: the same email may go through later. It is False where this email or address was refused for good, and for
    an email whose outcome is unknown (`unknown`), where a second try may be a second email. `cause` is for logs, in
    words of ours: the provider's may quote an address.
    """

    def __init__(
        self, detail: str, *, retry: bool, unknown: bool = False, wait: float | None = None, cause: str = ""
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry = retry
        self.unknown = unknown
        self.wait = wait
        self.cause = cause


def may_be_retried(error: Exception) -> bool:
    """Tell whether a second try may succeed and cannot be a second email. Of a foreign error nothing is known."""
    return not isinstance(error, NotSent) or error.retry


@dataclass
class _Backoff:
    lost: int = 0  # answers in a row
    until: float = 0.0  # by time.monotonic()


_backoff = _Backoff()


def backs_off() -> bool:
    """Tell whether this process makes no request for a single email now. What is due stays due."""
    return time.monotonic() < _backoff.until


def hand_over(message: EmailMessage) -> None:
    """Send the email. Raises what the mail backend raises; a lost answer makes this process back off."""
    try:
        message.send()
    except NotSent as error:
        if error.unknown:
            _backoff.until = time.monotonic() + min(LONGEST, SHORTEST * 2**_backoff.lost)
            _backoff.lost = min(_backoff.lost + 1, 10)
        raise
    end_backoff()


def end_backoff() -> None:
    """Make requests again immediately."""
    _backoff.lost, _backoff.until = 0, 0.0
