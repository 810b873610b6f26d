"""The issues that have a page, sent or imported, in SQL: for pages that anybody reads, and that ask for few of many.

Written by hand, because Django took 13 ms to put such a query together from its parts, for each page; the database
takes 1.
"""

from datetime import UTC, date, datetime
from typing import Any

from mailer.models import REHEARSAL

Row = tuple[Any, ...]

_SENT = """
    SELECT s.slug, s.first_request_at AS published, c.corrected_at, CAST(NULL AS timestamptz) AS renewed,
        'sent' AS origin,
        CASE WHEN c.id IS NULL THEN s.subject ELSE c.subject END AS subject,
        CASE WHEN c.id IS NULL THEN s.preheader ELSE c.preheader END AS preheader,
        CASE WHEN c.id IS NULL THEN s.language ELSE c.language END AS language,
        CASE WHEN c.id IS NULL THEN s.day ELSE c.day END AS day,
        CASE WHEN c.id IS NULL THEN s.number ELSE c.number END AS number{article}
    FROM mailer_send s LEFT JOIN mailer_correction c ON c.send_id = s.id
    WHERE s.newsletter = %(newsletter)s AND s.kind = 'issue'
        AND s.provider <> %(rehearsal)s AND s.first_request_at IS NOT NULL
        AND EXISTS (SELECT 1 FROM mailer_batch b WHERE b.send_id = s.id AND b.state = 'accepted')
        AND NOT EXISTS (SELECT 1 FROM mailer_removedpage r WHERE r.newsletter = s.newsletter AND r.slug = s.slug)
"""
_IMPORTED = """
    SELECT i.slug, i.published_at AS published, CAST(NULL AS timestamptz) AS corrected_at, i.updated_at, 'imported',
        i.subject, i.preheader, i.language, i.day, i.number{article}
    FROM mailer_archivedissue i
    WHERE i.newsletter = %(newsletter)s
        AND NOT EXISTS (SELECT 1 FROM mailer_removedpage r WHERE r.newsletter = i.newsletter AND r.slug = i.slug)
        AND NOT EXISTS (
            SELECT 1 FROM mailer_send s WHERE s.newsletter = i.newsletter AND s.slug = i.slug
            AND s.provider <> %(rehearsal)s AND s.first_request_at IS NOT NULL
            AND EXISTS (SELECT 1 FROM mailer_batch b WHERE b.send_id = s.id AND b.state = 'accepted')
        )
"""
# A condition may follow each statement. With the column of its time, and that of its slug.
KINDS = (
    (_SENT.format(article=""), "s.first_request_at", "s.slug"),
    (_IMPORTED.format(article=""), "i.published_at", "i.slug"),
)
WITH_ARTICLE = (
    (_SENT.format(article=", CASE WHEN c.id IS NULL THEN s.article ELSE c.article END AS article"), *KINDS[0][1:]),
    (_IMPORTED.format(article=", i.article"), *KINDS[1][1:]),
)
BOTH = " UNION ALL ".join(rows for rows, _, _ in KINDS)
CHANGED = "COALESCE(corrected_at, renewed, published)"  # of these rows


def parameters(newsletter: str) -> dict[str, Any]:
    """Return what both statements ask for."""
    return {"newsletter": newsletter, "rehearsal": REHEARSAL}


def read(row: Row) -> Row:
    """Return a row with times and days as Django has them, for `mailer.archive.entry_of`."""
    slug, published, corrected, renewed, origin, title, preheader, language, day, number, *more = row
    times = map(time_in, (published, corrected, renewed))
    return slug, *times, origin, title, preheader, language, day_in(day), number, *more


def time_in(value: Any) -> Any:
    """Return a time as Django does: SQLite has it in UTC without saying so, from some queries as text."""
    time = datetime.fromisoformat(value) if isinstance(value, str) else value
    return time.replace(tzinfo=UTC) if time and time.tzinfo is None else time


def day_in(value: Any) -> Any:
    return date.fromisoformat(value) if isinstance(value, str) else value
