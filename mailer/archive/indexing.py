"""Keep what lists and search know of each issue in step with the issues' pages.

Workers and commands do this, after a page appeared or changed and never in the transaction that made it do so: what
is missing or old is found by comparison, so it does not matter who forgets to. Web processes only read.
"""

import re
import time
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Length

from mailer.archive import Page, articles, entries, page
from mailer.archive.excerpts import Opening, excerpts
from mailer.archive.terms import as_tsvector, terms_of, within_limits
from mailer.models import IndexedIssue, Media

VERSION = 1  # raise it if another text, other terms, or other images should be found in the same page
OURS = re.compile(r"/media/(?P<sha256>[0-9a-f]{64})\.(?P<extension>\w+)")
MOST_IMAGES = 10  # of an issue, that may stand for it
SMALLEST_IMAGE = 240, 120  # pixels; what is smaller is an icon
LARGEST_IMAGE = 600_000  # bytes: a list shows many


def catch_up(seconds: float = float("inf")) -> bool:
    """Index what is missing or old for about as long. Return False if more is left."""
    until = time.monotonic() + seconds
    return all(_catch_up(label, until) for label in settings.NEWSLETTERS)


def _catch_up(newsletter: str, until: float) -> bool:
    pages = {entry.slug: entry for entry in entries(newsletter)}
    rows = IndexedIssue.objects.filter(newsletter=newsletter)
    known = {slug: state for slug, *state in rows.values_list("slug", "updated", "version")}
    gone = [slug for slug in known if slug not in pages]
    stale = [slug for slug, entry in pages.items() if known.get(slug) != [entry.updated, VERSION]]
    for slug in gone:
        forget(newsletter, slug)
    for slug in stale:
        if time.monotonic() > until:
            return False
        if (found := page(newsletter, slug)) is not None:
            index(newsletter, found)
    if gone or stale:
        _choose_excerpts(newsletter)
    return True


def renew(newsletter: str, slug: str) -> None:
    """Let this issue be found by what its page says now, before whatever else is old."""
    if (found := page(newsletter, slug)) is not None:
        index(newsletter, found)
        _choose_excerpts(newsletter)


def index(newsletter: str, found: Page) -> None:
    """Make this issue be found by what its page says now."""
    entry, said = found.entry, articles.read(found.article)
    text = "\n".join(said.lines)
    terms = list(within_limits(terms_of(f"{entry.title}\n{entry.preheader}\n{text}")))
    values = {
        "version": VERSION,
        "updated": entry.updated,
        "dated": entry.dated,
        "language": entry.language,
        "title": entry.title,
        "preheader": entry.preheader,
        "text": text,
        "opening": "\n".join(said.opening),
        "images": _presentable(said.images),
    }
    try:
        with transaction.atomic():
            row, _ = IndexedIssue.objects.update_or_create(newsletter=newsletter, slug=entry.slug, defaults=values)
            _write_terms(row.pk, terms)
    except IntegrityError:
        """Leave it to the process that indexes the same issue now."""


def forget(newsletter: str, slug: str) -> None:
    """Let this issue not be found. If it has a page, the next sweep indexes it anew."""
    _forget(IndexedIssue.objects.filter(newsletter=newsletter, slug=slug))


def forget_newsletter(newsletter: str) -> None:
    """Let nothing of a newsletter be found whose label no longer exists."""
    _forget(IndexedIssue.objects.filter(newsletter=newsletter))


def _forget(rows: QuerySet[IndexedIssue]) -> None:
    with transaction.atomic():
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                keys = [(pk,) for pk in rows.values_list("pk", flat=True)]
                cursor.executemany("DELETE FROM mailer_issueterms WHERE rowid = %s", keys)
        rows.delete()


def _write_terms(row: int, terms: list[str]) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            said = "UPDATE mailer_indexedissue SET terms = %s::tsvector WHERE id = %s"
            cursor.execute(said, [as_tsvector(terms), row])
        else:
            said = "INSERT OR REPLACE INTO mailer_issueterms (rowid, terms) VALUES (%s, %s)"
            cursor.execute(said, [row, " ".join(terms)])


def _presentable(addresses: list[str]) -> list[str]:
    """Return the paths of those images that are ours, still, and neither icons nor large."""
    hosts = {"", urlsplit(settings.BASE_URL).netloc}
    parts = [urlsplit(address) for address in dict.fromkeys(addresses)]
    named = [match for part in parts if part.netloc in hosts and (match := OURS.fullmatch(part.path))]
    wide, high = SMALLEST_IMAGE
    kept = (
        Media.objects.filter(sha256__in=[one["sha256"] for one in named], width__gte=wide, height__gte=high)
        # Long screenshots, and lines that divide.
        .filter(width__lte=5 * F("height"), height__lte=2 * F("width"))
        .exclude(content_type="image/gif")
        .alias(bytes=Length("content"))
        .filter(bytes__lte=LARGEST_IMAGE)
    )
    names = set(kept.values_list("sha256", flat=True))
    return [one[0] for one in named if one["sha256"] in names][:MOST_IMAGES]


def _choose_excerpts(newsletter: str) -> None:
    """Choose them anew for all issues of a newsletter: which sentences repeat is known only from all."""
    rows = list(
        IndexedIssue.objects.filter(newsletter=newsletter)
        .only("preheader", "opening", "images", "excerpt", "image")
        .order_by("pk")
    )
    chosen = excerpts([Opening(row.preheader, row.opening, row.images) for row in rows])
    for row, excerpt in zip(rows, chosen, strict=True):
        if (row.excerpt, row.image) != (excerpt.text, excerpt.image):
            IndexedIssue.objects.filter(pk=row.pk).update(excerpt=excerpt.text, image=excerpt.image)
