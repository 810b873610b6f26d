"""How handing a single email to the provider failed: a mail backend raises `NotSent` to say whether to try again."""


class NotSent(OSError):
    """An email did not go out, or may not have. The words are the provider's or the network's.

    `retry`: the same email may go through later. It is False where this email or address was refused for good, and for
    an email whose outcome is unknown (`unknown`), where a second try may be a second email.
    """

    def __init__(self, detail: str, *, retry: bool, unknown: bool = False, wait: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry = retry
        self.unknown = unknown
        self.wait = wait


def may_be_retried(error: Exception) -> bool:
    """Tell whether a second try may succeed and cannot be a second email. Of a foreign error nothing is known."""
    return not isinstance(error, NotSent) or error.retry
