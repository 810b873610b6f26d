"""The issues before and after one, sent or imported, in one query.

Written by hand, because Django took 13 ms to put it together from its parts, for each page that anybody reads; the
database takes 1.
"""

from datetime import UTC, date, datetime
from typing import Any

from django.db import connection

from mailer.models import REHEARSAL

Row = tuple[Any, ...]

_SENT = """
    SELECT s.slug, s.first_request_at AS published, c.corrected_at, CAST(NULL AS timestamptz) AS renewed,
        'sent' AS origin,
        CASE WHEN c.id IS NULL THEN s.subject ELSE c.subject END,
        CASE WHEN c.id IS NULL THEN s.preheader ELSE c.preheader END,
        CASE WHEN c.id IS NULL THEN s.language ELSE c.language END,
        CASE WHEN c.id IS NULL THEN s.day ELSE c.day END,
        CASE WHEN c.id IS NULL THEN s.number ELSE c.number END
    FROM mailer_send s LEFT JOIN mailer_correction c ON c.send_id = s.id
    WHERE s.newsletter = %(newsletter)s AND s.kind = 'issue'
        AND s.provider <> %(rehearsal)s AND s.first_request_at IS NOT NULL
        AND EXISTS (SELECT 1 FROM mailer_batch b WHERE b.send_id = s.id AND b.state = 'accepted')
        AND NOT EXISTS (SELECT 1 FROM mailer_removedpage r WHERE r.newsletter = s.newsletter AND r.slug = s.slug)
"""
_IMPORTED = """
    SELECT i.slug, i.published_at AS published, CAST(NULL AS timestamptz) AS corrected_at, i.updated_at, 'imported',
        i.subject, i.preheader, i.language, i.day, i.number
    FROM mailer_archivedissue i
    WHERE i.newsletter = %(newsletter)s
        AND NOT EXISTS (SELECT 1 FROM mailer_removedpage r WHERE r.newsletter = i.newsletter AND r.slug = i.slug)
        AND NOT EXISTS (
            SELECT 1 FROM mailer_send s WHERE s.newsletter = i.newsletter AND s.slug = i.slug
            AND s.provider <> %(rehearsal)s AND s.first_request_at IS NOT NULL
            AND EXISTS (SELECT 1 FROM mailer_batch b WHERE b.send_id = s.id AND b.state = 'accepted')
        )
"""


def _next(rows: str, time: str, slug: str, sign: str, order: str) -> str:
    there = f"({time}, {slug}) {sign} (%(published)s, %(slug)s)"
    return f"SELECT * FROM ({rows} AND {there} ORDER BY {time} {order}, {slug} {order} LIMIT 1) AS one"  # noqa: S608 — of constants


def _around(collation: str) -> str:
    return " UNION ALL ".join(
        _next(rows, time, f"{slug}{collation}", sign, order)
        for rows, time, slug in (
            (_SENT, "s.first_request_at", "s.slug"),
            (_IMPORTED, "i.published_at", "i.slug"),
        )
        for sign, order in (("<", "DESC"), (">", "ASC"))
    )


# By code point, as Python and SQLite compare: PostgreSQL may be set to sort "a" before "B".
_AROUND = {"sqlite": _around(""), "postgresql": _around(' COLLATE "C"')}


def around(newsletter: str, published: datetime, slug: str) -> list[Row]:
    """Return up to four rows: of what was sent and of what was imported, the next one in both directions."""
    values = {
        "newsletter": newsletter,
        "rehearsal": REHEARSAL,
        "published": connection.ops.adapt_datetimefield_value(published),
        "slug": slug,
    }
    with connection.cursor() as cursor:
        cursor.execute(_AROUND[connection.vendor], values)
        return [_read(row) for row in cursor.fetchall()]


def _read(row: Row) -> Row:
    slug, published, corrected, renewed, origin, title, preheader, language, day, number = row
    times = map(_time, (published, corrected, renewed))
    return slug, *times, origin, title, preheader, language, _day(day), number


def _time(value: Any) -> Any:
    """Return a time as Django does: SQLite has it in UTC without saying so, from some queries as text."""
    time = datetime.fromisoformat(value) if isinstance(value, str) else value
    return time.replace(tzinfo=UTC) if time and time.tzinfo is None else time


def _day(value: Any) -> Any:
    return date.fromisoformat(value) if isinstance(value, str) else value
