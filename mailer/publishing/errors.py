"""Why a use case did nothing, named by what the caller must do. Messages say what, where and what to do.

The terminal turns them into exit codes (mailer.cli.terminal); HTTP would turn them into statuses.
"""

from collections.abc import Sequence

from mailer.content.findings import Finding
from mailer.content.issues import IssueError


class Refused(Exception):
    """Nothing was done, and the same request again would be refused again until what the message names is different."""


class CorrectRequest(Refused):
    """The request names something that does not exist, or contradicts itself: make another request."""


class CorrectIssue(Refused):
    """The issue has mistakes that block: correct the file. `findings` are those mistakes, if rules found them."""

    def __init__(self, message: str, findings: Sequence[Finding] = ()) -> None:
        super().__init__(message)
        self.findings = tuple(findings)


def of_issue(error: IssueError) -> CorrectIssue:
    """Return the refusal of a file of which no email can be made."""
    return CorrectIssue(str(error), [error.finding])


class CorrectSettings(Refused):
    """This process's settings contradict what it was asked for: an operator corrects them."""


class ConfirmRepeat(Refused):
    """Subscribers would get the same content twice: let a person confirm, then ask again."""


class ConfirmOldDate(Refused):
    """The issue is dated long ago, or before the one that was sent last: let a person confirm, then ask again."""


class RunAgain(Refused):
    """Somebody else changed it meanwhile: look again, then decide again."""


class TryLater(Refused):
    """Workers, the broker or the public address are unavailable: ask again when they are back."""
