"""Keep what lists and search know of each issue in step with the issues' pages.

Workers and commands do this, after a page appeared or changed and never in the transaction that made it do so: what
is missing or old is found by comparison, so it does not matter who forgets to. Web processes only read.
"""

import re
import time
from collections.abc import Sequence, Set
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Length
from django.utils import timezone

from mailer.archive import Page, alone, articles
from mailer.archive.excerpts import Opening, excerpts
from mailer.archive.statements import BOTH, CHANGED, parameters, time_in
from mailer.archive.terms import as_tsvector, for_fts5, terms_of, within_limits
from mailer.models import IndexedIssue, Media

VERSION = 3  # raise it if another text, other terms, or other images should be found in the same page
# By what its file is called, wherever it is served: newsletter.toml may name a host for images.
OURS = re.compile(r"/(?P<sha256>[0-9a-f]{64})\.(?P<extension>\w+)$")
MOST_IMAGES = 10  # of an issue, that may stand for it
SMALLEST_IMAGE = 240, 120  # pixels; what is smaller is an icon
LARGEST_IMAGE = 600_000  # bytes: a list shows many
COMPARED = 100  # issues in a row whose excerpts are chosen together, beside as many before them

# What is old is found in the database, every half a minute by each worker: reading ten thousand issues to compare them
# here takes 180 ms of CPU.
_STALE = f"""
    SELECT issues.slug, {CHANGED}, known.updated, known.version FROM ({BOTH}) AS issues
    LEFT JOIN mailer_indexedissue known ON known.newsletter = %(newsletter)s AND known.slug = issues.slug
    WHERE known.id IS NULL OR known.version <> %(version)s OR known.updated <> {CHANGED}
    ORDER BY issues.published DESC
"""  # noqa: S608 — of constants
_GONE = f"""
    SELECT slug FROM mailer_indexedissue
    WHERE newsletter = %(newsletter)s AND slug NOT IN (SELECT slug FROM ({BOTH}) AS issues)
"""  # noqa: S608 — of constants
_PLACES = f"SELECT published, slug FROM ({BOTH}) AS issues"  # noqa: S608 — of constants


def catch_up(seconds: float = float("inf")) -> bool:
    """Index what is missing or old for about as long. Return False if more is left.

    Each newsletter has an equal share. At least one of its issues is indexed, however long it takes to list them, so
    that repeated calls come to an end on any machine.
    """
    share = seconds / max(1, len(settings.NEWSLETTERS))
    complete = [_catch_up(label, share) for label in settings.NEWSLETTERS]  # each has its turn
    return all(complete)


def _catch_up(newsletter: str, seconds: float) -> bool:
    stale = _stale(newsletter)
    for (slug,) in _rows(_GONE, newsletter):
        forget(newsletter, slug)
    until = time.monotonic() + seconds
    done: list[str] = []
    for slug in stale:
        if done and time.monotonic() > until:
            break
        if (found := alone(newsletter, slug)) is not None:
            index(newsletter, found)
        done.append(slug)
    _choose_excerpts(newsletter, done)
    return len(done) == len(stale)


def _stale(newsletter: str) -> list[str]:
    """Return the slugs of issues that are not indexed as they are now, newest first."""
    rows = _rows(_STALE, newsletter, version=VERSION)
    # SQLite compares times as text, and one of them may be written with zeros at its end.
    return [slug for slug, new, old, version in rows if version != VERSION or time_in(new) != time_in(old)]


def _rows(statement: str, newsletter: str, **values: object) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters(newsletter) | values)
        return list(cursor.fetchall())


def renew(newsletter: str, slug: str) -> None:
    """Let this issue be found by what its page says now, before whatever else is old."""
    if (found := alone(newsletter, slug)) is not None:
        index(newsletter, found)
        _choose_excerpts(newsletter, [slug])


def index(newsletter: str, found: Page) -> None:
    """Make this issue be found by what its page says now."""
    entry, said = found.entry, articles.read(found.article)
    text = "\n".join(said.lines)
    terms = within_limits(terms_of(f"{entry.title}\n{entry.preheader}\n{text}"))
    with timezone.override(ZoneInfo(settings.NEWSLETTERS[newsletter].timezone)):
        dated = entry.dated
    values = {
        "version": VERSION,
        "updated": entry.updated,
        "dated": dated,
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
            cursor.execute(said, [row, for_fts5(terms)])


def _presentable(addresses: list[str]) -> list[str]:
    """Return the paths of those images that are ours, still, and neither icons nor large."""
    named = {match["sha256"]: f"/media{match[0]}" for address in addresses if (match := OURS.search(address))}
    wide, high = SMALLEST_IMAGE
    kept = (
        Media.objects.filter(sha256__in=list(named), width__gte=wide, height__gte=high)
        # Long screenshots, and lines that divide.
        .filter(width__lte=5 * F("height"), height__lte=2 * F("width"))
        .exclude(content_type="image/gif")
        .alias(bytes=Length("content"))
        .filter(bytes__lte=LARGEST_IMAGE)
    )
    sizes_fit = set(kept.values_list("sha256", flat=True))
    return [path for sha256, path in named.items() if sha256 in sizes_fit][:MOST_IMAGES]


def _choose_excerpts(newsletter: str, changed: Sequence[str]) -> None:
    """Choose the excerpts of the changed issues and of those around them.

    Which sentences repeat is known only from other issues. Those of the same time suffice, and reading the openings of
    ten thousand would take five seconds.
    """
    if not changed:
        return
    slugs = [slug for _, slug in sorted((time_in(published), slug) for published, slug in _rows(_PLACES, newsletter))]
    at = {slug: number for number, slug in enumerate(slugs)}
    for block in sorted({at[slug] // COMPARED for slug in changed if slug in at}):
        first = block * COMPARED
        own = set(slugs[first : first + COMPARED])
        _choose_among(newsletter, own, [*slugs[max(0, first - COMPARED) : first], *own])


def _choose_among(newsletter: str, own: Set[str], compared: Sequence[str]) -> None:
    rows = list(
        IndexedIssue.objects.filter(newsletter=newsletter, slug__in=compared)
        .only("slug", "preheader", "opening", "images", "excerpt", "image")
        .order_by("pk")
    )
    chosen = excerpts([Opening(row.preheader, row.opening, row.images) for row in rows])
    for row, excerpt in zip(rows, chosen, strict=True):
        if row.slug in own and (row.excerpt, row.image) != (excerpt.text, excerpt.image):
            IndexedIssue.objects.filter(pk=row.pk).update(excerpt=excerpt.text, image=excerpt.image)
