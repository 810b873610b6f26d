"""List the issues that were sent, each with the URL of its page."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from django.conf import settings

from mailer.archive import Entry, archive_root, entries
from mailer.store.schema import bring_up_to_date


@dataclass(frozen=True)
class SentIssue:
    entry: Entry
    url: str  # of its page


def sent_issues(newsletter: str) -> Iterator[SentIssue]:
    """Yield the issues of a newsletter that have a page, newest first."""
    for entry in entries(newsletter):
        yield SentIssue(entry, page_address(newsletter, entry.slug))


def sent_by_newsletter() -> dict[str, list[Entry]]:
    """Return the issues that have a page, by the label of their newsletter; bring the database up to date first."""
    bring_up_to_date()
    return {label: entries(label) for label in settings.NEWSLETTERS}


def page_address(newsletter: str, slug: str) -> str:
    """Return the address of an issue's page in the archive."""
    return f"{archive_root(settings.BASE_URL, newsletter, list(settings.NEWSLETTERS))}{quote(slug, safe='')}/"
