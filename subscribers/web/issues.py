"""What a newsletter's pages show of its issues: the latest ones, and how often they come."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise
from statistics import median
from urllib.parse import quote
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone
from django.utils.module_loading import import_string
from django.utils.translation import gettext, gettext_noop

from subscribers.languages import language_tag
from subscribers.offline import AWAY
from subscribers.web.pages import Shown

COUNTED = 12  # issues whose days tell how often they come
FEWEST = 3
MOST = 0.6  # of the gaps between issues must be of one kind
LATE = 3  # gaps without an issue: then nothing is said
# Days from one issue to the next: the fewest, the most, and what that is called.
RHYTHMS = (
    (1, 1, gettext_noop("About once a day")),
    (2, 5, gettext_noop("About twice a week")),
    (6, 9, gettext_noop("About once a week")),
    (12, 17, gettext_noop("About every two weeks")),
    (26, 36, gettext_noop("About once a month")),
    (80, 100, gettext_noop("About every three months")),
)


@dataclass(frozen=True)
class Issue:
    """An issue as a list names it."""

    title: str
    opening: str  # its preheader, or the line it begins with
    day: date
    language: str  # as HTML writes it; "" if unknown
    path: str


def latest(newsletter: Shown, count: int = COUNTED) -> list[Issue]:
    """Return the last issues in the archive, newest first; none without the database: sign-up shows without them."""
    configured = settings.NEWSLETTERS.get(newsletter.label)
    if configured is None:
        return []
    try:
        with timezone.override(ZoneInfo(configured.timezone)):
            return [
                Issue(
                    title=entry.title,
                    opening=entry.preheader,
                    day=entry.dated,
                    language=language_tag(entry.language),
                    path=f"{newsletter.root}archive/{quote(entry.slug, safe='')}/",
                )
                for entry in import_string(settings.ISSUES)(newsletter.label, count)
            ]
    except AWAY:
        return []


def how_often(issues: Sequence[Issue]) -> str:
    """Say how often the issues came, in the active language; "" if they are too few, irregular, or have ended."""
    days = sorted({issue.day for issue in issues})
    if len(days) < FEWEST:
        return ""
    gaps = [(later - earlier).days for earlier, later in pairwise(days)]
    usual = median(gaps)
    since = (datetime.now(UTC).date() - days[-1]).days  # noqa: TID251 — needs no database
    for fewest, most, name in RHYTHMS:
        regular = sum(fewest <= gap <= most for gap in gaps) >= MOST * len(gaps)
        if fewest <= usual <= most and regular and since <= LATE * most:
            return gettext(name)
    return ""
