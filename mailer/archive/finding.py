"""The last issues, and one by its slug: sent or imported, in one query each."""

from datetime import datetime
from typing import Any

from django.db import connection

from mailer.archive.statements import BOTH, CHANGED, KINDS, WITH_ARTICLE, Row, parameters, read, time_in

_EXCERPT = """
    (SELECT known.excerpt FROM mailer_indexedissue known
    WHERE known.newsletter = %(newsletter)s AND known.slug = one.slug)
"""
_CARD = """
    (SELECT image.media_id FROM mailer_pageimage image
    WHERE image.newsletter = %(newsletter)s AND image.slug = one.slug AND image.role = 'card')
"""


def _last(kinds: tuple[tuple[str, str, str], ...], more: str = "") -> dict[str, str]:
    """Return the statement for each database: by code point, as Python and SQLite compare."""
    return {
        vendor: " UNION ALL ".join(
            f"SELECT one.*{more} FROM ({rows} ORDER BY {time} DESC, {slug}{collation} DESC LIMIT %(count)s) AS one"  # noqa: S608 — of constants
            for rows, time, slug in kinds
        )
        for vendor, collation in (("sqlite", ""), ("postgresql", ' COLLATE "C"'))
    }


_LAST = _last(KINDS)
_LAST_WITH_EXCERPT = _last(KINDS, f", {_EXCERPT}")
_LAST_WITH_ARTICLE = _last(WITH_ARTICLE)
_ONE = " UNION ALL ".join(
    f"SELECT one.*, {_CARD} FROM ({rows} AND {slug} = %(slug)s) AS one"  # noqa: S608 — of constants
    for rows, _, slug in WITH_ARTICLE
)
_CHANGES = f"""
    SELECT slug, {CHANGED} FROM ({BOTH}) AS issues
    ORDER BY published DESC, slug DESC LIMIT %(count)s
"""  # noqa: S608 — of constants


def changes(newsletter: str, count: int) -> list[tuple[str, datetime]]:
    """Return slug and last change of the last issues, and nothing else: for lists of addresses, which may be long."""
    with connection.cursor() as cursor:
        cursor.execute(_CHANGES, parameters(newsletter) | {"count": count})
        return [(slug, time_in(changed)) for slug, changed in cursor.fetchall()]


def last(newsletter: str, count: int) -> list[Row]:
    """Return the last rows of both kinds, up to the count of each: one list of both would read all of them."""
    return _found(_LAST[connection.vendor], parameters(newsletter) | {"count": count})


def last_with_excerpt(newsletter: str, count: int) -> list[Row]:
    """Return them with the excerpt that lists show, None if no worker has made it yet."""
    return _found(_LAST_WITH_EXCERPT[connection.vendor], parameters(newsletter) | {"count": count})


def last_with_article(newsletter: str, count: int) -> list[Row]:
    return _found(_LAST_WITH_ARTICLE[connection.vendor], parameters(newsletter) | {"count": count})


def one(newsletter: str, slug: str) -> Row | None:
    """Return the row of this issue with its article and the hash of its card."""
    return next(iter(_found(_ONE, parameters(newsletter) | {"slug": slug})), None)


def _found(statement: str, values: dict[str, Any]) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [read(row) for row in cursor.fetchall()]
