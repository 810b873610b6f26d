"""Sends that were planned: which one is meant, and whether this process may continue it."""

from pathlib import Path

from django.conf import settings

from mailer.content.issues import IssueError, read_issue
from mailer.models import Send
from mailer.providers.current import configured_provider
from mailer.publishing.errors import CorrectRequest, Refused, of_issue
from mailer.store.elsewhere import why_not_from_here


def find_send(name: str, newsletter: str | None) -> Send:
    """Return the send of a slug or of an issue's file; a real one before a rehearsal.

    Raises CorrectRequest if there is none, or one in each of several newsletters, and CorrectIssue.
    """
    slug = _slug_of(Path(name)) if Path(name).is_file() else name
    sends = Send.objects.select_related("account").defer("html", "text", "article").filter(slug=slug).order_by("-pk")
    if newsletter:
        sends = sends.filter(newsletter=newsletter)
    found = list(sends)
    real = [send for send in found if not send.is_rehearsal] or found
    if not real:
        raise CorrectRequest(f"there is no send {slug!r}; `mailer status` lists them.")
    if len({send.newsletter for send in real}) > 1:
        names = ", ".join(send.newsletter for send in real)
        raise CorrectRequest(f"{slug!r} was sent in several newsletters; choose one with --newsletter: {names}.")
    return real[0]


def _slug_of(file: Path) -> str:
    try:
        return read_issue(file, settings.CONFIG).slug
    except IssueError as error:
        raise of_issue(error) from error


def require_provider(send: Send) -> None:
    """Raise Refused unless this process may continue the send: with its provider, account and newsletter."""
    names = configured_provider().names
    if send.provider != settings.PROVIDER:
        raise Refused(
            f"{send.slug} was planned for {send.provider}, but this process sends through {settings.PROVIDER}; "
            f"set {names.key} and {names.url} as they were."
        )
    require_own(send)


def require_own(send: Send) -> None:
    """Raise Refused if the send waits for a process with another account or newsletter."""
    if why := why_not_from_here(send):
        raise Refused(f"{send.slug} cannot be sent from here: {why}.")
