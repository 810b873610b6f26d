"""The web pages of sent issues: which there are, their URLs and their content.

An issue has a page once the provider has accepted its first request. A schedule, a plan that was paused or cancelled
before, and a request whose outcome is unknown show nothing yet. Rehearsals never do.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime
from html import unescape
from urllib.parse import quote

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from mailer.models import REHEARSAL, Batch, Send

# What a correction may say otherwise than the send.
_SAID = ("subject", "preheader", "language", "day", "number")
_CORRECTED = tuple(f"correction__{said}" for said in _SAID)
_LISTED = ("slug", "first_request_at", "correction__corrected_at", *_SAID, *_CORRECTED)


@dataclass(frozen=True)
class Entry:
    """An issue in the list of those that were sent."""

    slug: str
    title: str
    preheader: str
    language: str  # lower case; "" for one sent before this was kept
    day: date | None  # that the issue itself names
    number: str
    published: datetime
    corrected: datetime | None

    @property
    def dated(self) -> date:
        """Return the issue's own date, as its email says; otherwise the day it was sent, in the current time zone."""
        return self.day or timezone.localdate(self.published)

    @property
    def updated(self) -> datetime:
        return self.corrected or self.published


@dataclass(frozen=True)
class Page:
    """An issue with its content, and its neighbours in time."""

    entry: Entry
    article: str  # HTML
    former: Entry | None = None
    next: Entry | None = None

    @property
    def neighbours(self) -> list[tuple[str, Entry]]:
        """Return the existing neighbours, by HTML's `rel` for the link."""
        return [(way, entry) for way, entry in (("prev", self.former), ("next", self.next)) if entry]

    @property
    def image(self) -> tuple[str, str] | None:
        """Return address and description of the first image that other sites may load too."""
        found = re.search(r'<img\s(?:[^>]*?\s)?src="(https://[^"]+)"[^>]*>', self.article)
        if found is None:
            return None
        described = re.search(r'\salt="([^"]*)"', found[0])
        return unescape(found[1]), unescape(described[1]) if described else ""


def sent(newsletter: str) -> QuerySet[Send]:
    """Return the real sends that some subscribers have received."""
    accepted = Batch.objects.filter(send=OuterRef("pk"), state=Batch.State.ACCEPTED)
    started = Send.objects.filter(newsletter=newsletter, first_request_at__isnull=False)
    return started.exclude(provider=REHEARSAL).filter(Exists(accepted))


def entries(newsletter: str, count: int | None = None) -> list[Entry]:
    """Return all sent issues, or the last ones, newest first, without their content, which is long."""
    return [_entry(send) for send in _newest_first(newsletter).only(*_LISTED)[:count]]


def before(slug: str, listed: list[Entry]) -> list[Entry]:
    """Return the issues of `listed`, newest first, that are older than this one; all of them if it is not sent yet."""
    own = next((number for number, entry in enumerate(listed) if entry.slug == slug), -1)
    return listed[own + 1 :]


def newest(newsletter: str, count: int) -> list[Page]:
    """Return the last issues with their content, newest first."""
    return [Page(_entry(send), _article(send)) for send in _with_words(newsletter)[:count]]


def page(newsletter: str, slug: str) -> Page | None:
    """Return the page of a sent issue, or None."""
    # PostgreSQL cannot hold NUL, and a URL may.
    send = None if "\0" in slug else _with_words(newsletter).filter(slug=slug).first()
    if send is None:
        return None
    around = _newest_first(newsletter).only(*_LISTED)
    older = around.filter(first_request_at__lt=send.first_request_at).first()
    younger = around.filter(first_request_at__gt=send.first_request_at).last()
    return Page(_entry(send), _article(send), _entry(older) if older else None, _entry(younger) if younger else None)


def archive_root(base_url: str, newsletter: str, newsletters: list[str]) -> str:
    """Return the URL of a newsletter's archive, with a slash at its end.

    The first newsletter keeps the bare path.
    """
    label = "" if newsletters[:1] == [newsletter] else f"{quote(newsletter)}/"
    return f"{base_url}/{label}archive/"


def _newest_first(newsletter: str) -> QuerySet[Send]:
    return sent(newsletter).select_related("correction").order_by("-first_request_at", "-pk")


def _with_words(newsletter: str) -> QuerySet[Send]:
    return _newest_first(newsletter).only(*_LISTED, "article", "correction__article")


def _entry(send: Send) -> Entry:
    said = getattr(send, "correction", None)
    shown = said or send
    assert send.first_request_at is not None
    return Entry(
        slug=send.slug,
        title=shown.subject,
        preheader=shown.preheader,
        language=shown.language,
        day=shown.day,
        number=shown.number,
        published=send.first_request_at,
        corrected=said.corrected_at if said else None,
    )


def _article(send: Send) -> str:
    said = getattr(send, "correction", None)
    return str(said.article if said else send.article)
