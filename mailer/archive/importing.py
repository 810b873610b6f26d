"""Keep an issue that was published elsewhere as a page of the archive. Nobody is mailed, and no send is made of it."""

import hashlib
import json
import logging
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING

from django.db import transaction

from mailer.models import Alias, ArchivedIssue, RemovedPage
from mailer.store import clock
from mailer.store.media import keep_images

if TYPE_CHECKING:  # rendering loads parsers that the web process never needs
    from mailer.content.rendering import RenderedIssue

log = logging.getLogger(__name__)


def noon(day: date) -> datetime:
    """Return by which time an issue of that day stands among those that were sent."""
    return datetime.combine(day, time(12), UTC)


def content_of(issue: "RenderedIssue") -> str:
    """Return a hash of all that the page of the issue shows."""
    said = [issue.subject, issue.preheader, issue.language, str(issue.day), issue.number, issue.article]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def keep(newsletter: str, issue: "RenderedIssue", aliases: Sequence[str], anew: Collection[str] = ()) -> None:
    """Let the archive have the issue's page as it is now, with its images and former addresses; also a removed one.

    `anew` are the slugs of issues imported with it, which give up what it asks for. Raises IntegrityError
    if another issue has one of the addresses.
    """
    if issue.day is None:
        raise ValueError("a page needs a day")
    content, now = content_of(issue), clock.now()
    rows = ArchivedIssue.objects.filter(newsletter=newsletter, slug=issue.slug)
    said = {
        "subject": issue.subject,
        "preheader": issue.preheader,
        "language": issue.language,
        "day": issue.day,
        "number": issue.number,
        "article": issue.article,
        "published_at": noon(issue.day),
        "source_sha256": issue.source_sha256,
        "content_sha256": content,
    }
    with transaction.atomic():
        keep_images(issue.images)
        row, is_new = rows.get_or_create(newsletter=newsletter, slug=issue.slug, defaults=said | {"imported_at": now})
        if not is_new:
            rows.update(**said, **({"updated_at": now} if row.content_sha256 != content else {}))
        RemovedPage.objects.filter(newsletter=newsletter, slug=issue.slug).delete()
        _give_up(newsletter, issue.slug, aliases, anew)
        _name(newsletter, issue.slug, aliases)
    log.info("issue imported", extra={"newsletter": newsletter, "issue": issue.slug, "new": is_new})


def _give_up(newsletter: str, slug: str, aliases: Sequence[str], anew: Collection[str]) -> None:
    """Take from issues that are imported with this one what it asks for: few, of perhaps ten thousand."""
    held = Alias.objects.filter(newsletter=newsletter, name__in=aliases).exclude(slug=slug)
    given_up = [pk for pk, holder in held.values_list("pk", "slug") if holder in anew]
    Alias.objects.filter(pk__in=given_up).delete()


def _name(newsletter: str, slug: str, aliases: Sequence[str]) -> None:
    own = Alias.objects.filter(newsletter=newsletter, slug=slug)
    own.exclude(name__in=aliases).delete()
    known = set(own.values_list("name", flat=True))
    Alias.objects.bulk_create(
        Alias(newsletter=newsletter, name=name, slug=slug) for name in aliases if name not in known
    )
