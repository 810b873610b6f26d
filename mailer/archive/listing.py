"""The list of all issues as the archive shows it: with what is special about each, once a worker knows that."""

from dataclasses import dataclass

from mailer.archive import Entry, entries
from mailer.models import IndexedIssue


@dataclass(frozen=True)
class Listed:
    """An issue in the list."""

    entry: Entry
    excerpt: str
    image: str  # the path of one of ours, or ""


def listed(newsletter: str) -> list[Listed]:
    """Return all issues with a page, the last date first."""
    rows = IndexedIssue.objects.filter(newsletter=newsletter).values_list("slug", "excerpt", "image")
    known = {slug: said for slug, *said in rows}
    found = []
    for entry in entries(newsletter):
        excerpt, image = known.get(entry.slug, ("", ""))
        found.append(Listed(entry, excerpt or entry.preheader, image))
    return sorted(found, key=lambda one: one.entry.dated, reverse=True)
