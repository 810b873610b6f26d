"""List the issues that have a page, each with its URL; take a page out of the archive."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from urllib.parse import quote
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone

from mailer.archive import Entry, archive_root, entries, indexing, is_removed, page, removing
from mailer.config.newsletter import Newsletter
from mailer.publishing.errors import CorrectRequest
from mailer.store.schema import bring_up_to_date


@dataclass(frozen=True)
class SentIssue:
    entry: Entry
    url: str  # of its page


def sent_issues(newsletter: str) -> Iterator[SentIssue]:
    """Yield the issues of a newsletter that have a page, newest first."""
    for entry in entries(newsletter):
        yield SentIssue(entry, page_address(newsletter, entry.slug))


def find_page(newsletter: str, slug: str) -> Entry | None:
    """Return the issue of that slug, or None if its page was removed before. Raises CorrectRequest if it has none."""
    if found := page(newsletter, slug):
        return found.entry
    if is_removed(newsletter, slug):
        return None
    raise CorrectRequest(f"{newsletter} has no page {slug!r}; `mailer archive list` lists those there are.")


def remove_page(newsletter: str, slug: str) -> None:
    """Take the page of this issue out of archive, feed, sitemap and search; its address answers 410 from now on."""
    removing.remove(newsletter, slug)
    indexing.forget(newsletter, slug)


def in_time_zone_of(newsletter: Newsletter) -> AbstractContextManager[None]:
    """Let issues be dated within the block as the archive of the newsletter dates them."""
    return timezone.override(ZoneInfo(newsletter.timezone))


def sent_by_newsletter() -> dict[str, list[Entry]]:
    """Return the issues that have a page, by the label of their newsletter; bring the database up to date first."""
    bring_up_to_date()
    return {label: entries(label) for label in settings.NEWSLETTERS}


def page_address(newsletter: str, slug: str) -> str:
    """Return the address of an issue's page in the archive."""
    return f"{archive_root(settings.BASE_URL, newsletter, list(settings.NEWSLETTERS))}{quote(slug, safe='')}/"
