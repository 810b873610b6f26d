"""Where the former addresses of imported issues lead. Slugs and these share one namespace in each newsletter."""

import time
from collections.abc import Mapping, Sequence

from django.db.models import Value

from mailer.content.aliases import name_of
from mailer.models import Alias, RemovedPage

REMEMBERED = 60.0  # seconds

Issues = Mapping[str, str]  # newsletter → slug


class _Paths:
    """All former paths, so that robots that try addresses by the thousand do not ask the database each time."""

    known: Mapping[str, Issues] = {}
    until = float("-inf")  # time.monotonic()


def slug_behind(newsletter: str, *addresses: str) -> str | None:
    """Return the slug of the issue that had one of these addresses, or slugs; None if none had."""
    names = [name for address in addresses if (name := name_of(address))]
    found = Alias.objects.filter(newsletter=newsletter, name__in=names)
    return found.values_list("slug", flat=True).first() if names else None


def instead(newsletter: str, slug: str, path: str) -> tuple[bool, str | None]:
    """Return whether the page of this slug was removed, and the slug of the issue that had this slug or path before."""
    names = [name for address in (slug, path) if (name := name_of(address))]
    removed = RemovedPage.objects.filter(newsletter=newsletter, slug=slug.replace("\0", ""))  # PostgreSQL has no NUL
    former = Alias.objects.filter(newsletter=newsletter, name__in=names)
    of_removed, of_former = removed.values_list(Value(0), "slug"), former.values_list(Value(1), "slug")
    found = dict(of_removed.union(of_former, all=True))
    return 0 in found, found.get(1)


def issue_behind(path: str, newsletters: Sequence[str]) -> tuple[str, str] | None:
    """Return newsletter and slug of the issue that had this path on another site, of the first that has one.

    As of a minute ago at most.
    """
    if time.monotonic() > _Paths.until:
        _Paths.until = time.monotonic() + REMEMBERED  # before, so that a database that is down is asked no sooner
        _Paths.known = _paths()
    issues = _Paths.known.get(name_of(path), {})
    return next(((label, issues[label]) for label in newsletters if label in issues), None)


def forget() -> None:
    """Read former paths again when the next one is asked for."""
    _Paths.until = float("-inf")


def _paths() -> Mapping[str, Issues]:
    found: dict[str, dict[str, str]] = {}
    for name, newsletter, slug in Alias.objects.filter(name__startswith="/").values_list("name", "newsletter", "slug"):
        found.setdefault(name, {})[newsletter] = slug
    return found
