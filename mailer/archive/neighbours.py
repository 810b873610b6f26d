"""The issues before and after one, sent or imported, in one query."""

from datetime import datetime

from django.db import connection

from mailer.archive.statements import KINDS, Row, parameters, read


def _next(rows: str, time: str, slug: str, sign: str, order: str) -> str:
    there = f"({time}, {slug}) {sign} (%(published)s, %(slug)s)"
    return f"SELECT * FROM ({rows} AND {there} ORDER BY {time} {order}, {slug} {order} LIMIT 1) AS one"  # noqa: S608 — of constants


def _around(collation: str) -> str:
    return " UNION ALL ".join(
        _next(rows, time, f"{slug}{collation}", sign, order)
        for rows, time, slug in KINDS
        for sign, order in (("<", "DESC"), (">", "ASC"))
    )


# By code point, as Python and SQLite compare: PostgreSQL may be set to sort "a" before "B".
_AROUND = {"sqlite": _around(""), "postgresql": _around(' COLLATE "C"')}


def around(newsletter: str, published: datetime, slug: str) -> list[Row]:
    """Return up to four rows: of what was sent and of what was imported, the next one in both directions."""
    values = parameters(newsletter) | {
        "published": connection.ops.adapt_datetimefield_value(published),
        "slug": slug,
    }
    with connection.cursor() as cursor:
        cursor.execute(_AROUND[connection.vendor], values)
        return [read(row) for row in cursor.fetchall()]
