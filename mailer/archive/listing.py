"""The list of issues as the archive shows it: the last years on its first page, each year before them on its own.

With what is special about each issue, once a worker knows that.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.db import connection
from django.utils import timezone

from mailer.archive import Entry, entry_of
from mailer.archive.statements import KINDS, day_in, parameters, read, time_in

ENOUGH = 200  # issues on the first page; the year that completes them is its last


@dataclass(frozen=True)
class Years:
    """The slugs of all issues with a page, by year. Years and issues are in order, the last date first."""

    slugs: Mapping[int, tuple[str, ...]]

    @property
    def recent(self) -> tuple[int, ...]:
        """Return the years that the first page shows: whole ones, until there are enough issues."""
        shown: list[int] = []
        for year in self.slugs:
            if sum(len(self.slugs[one]) for one in shown) >= ENOUGH:
                break
            shown.append(year)
        return tuple(shown)

    @property
    def earlier(self) -> tuple[int, ...]:
        """Return the years that have a page of their own."""
        return tuple(self.slugs)[len(self.recent) :]


@dataclass(frozen=True)
class Listed:
    """An issue in the list."""

    entry: Entry
    excerpt: str
    image: str  # the path of one of ours, or ""


# Little of each issue, since it is of all: a year is that of the issue's own date, which only we know how to read.
_PLACES = f"SELECT slug, published, day FROM ({' UNION ALL '.join(rows for rows, _, _ in KINDS)}) AS issues"  # noqa: S608 — of constants


def _issues(among: str) -> str:
    rows = " UNION ALL ".join(f"{rows} AND {slug} {among}" for rows, _, slug in KINDS)
    return f"""
        SELECT issues.*, known.excerpt, known.image FROM ({rows}) AS issues
        LEFT JOIN mailer_indexedissue known ON known.newsletter = %(newsletter)s AND known.slug = issues.slug
    """  # noqa: S608 — of constants


_ISSUES = {
    "sqlite": _issues("IN (SELECT value FROM json_each(%(slugs)s))"),
    "postgresql": _issues("= ANY(%(slugs)s)"),
}


def years_of(newsletter: str) -> Years:
    """Return the years of the newsletter's issues, in the current time zone."""
    with connection.cursor() as cursor:
        cursor.execute(_PLACES, parameters(newsletter))
        places = [(slug, time_in(published), day_in(day)) for slug, published, day in cursor.fetchall()]
    dated = [(day or timezone.localdate(published), published, slug) for slug, published, day in places]
    dated.sort(reverse=True)
    by_year = groupby(dated, lambda one: one[0].year)
    return Years({year: tuple(slug for _, _, slug in found) for year, found in by_year})


def listed(newsletter: str, slugs: Sequence[str]) -> list[Listed]:
    """Return these issues in this order, without those that have no page any more."""
    among = json.dumps(slugs) if connection.vendor == "sqlite" else list(slugs)
    with connection.cursor() as cursor:
        cursor.execute(_ISSUES[connection.vendor], parameters(newsletter) | {"slugs": among})
        found = {one.entry.slug: one for one in map(_listed, cursor.fetchall())}
    return [found[slug] for slug in slugs if slug in found]


def _listed(row: tuple[Any, ...]) -> Listed:
    *said, excerpt, image = row
    entry = entry_of(read(tuple(said)))
    return Listed(entry, excerpt or entry.preheader, image or "")
