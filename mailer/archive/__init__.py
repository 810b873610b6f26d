"""The web pages of issues: which there are, their URLs and their content.

An issue that was sent has a page once the provider has accepted its first request. A schedule, a plan that was paused
or cancelled before, and a request whose outcome is unknown show nothing yet. Rehearsals never do. An issue that was
imported has a page unless one of the same slug was sent. What was removed has none.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from html import unescape
from typing import Any
from urllib.parse import quote

from django.db.models import Case, CharField, DateTimeField, Exists, F, OuterRef, QuerySet, Value, When
from django.db.models.expressions import Combinable
from django.utils import timezone

from mailer.archive import finding
from mailer.archive.neighbours import around
from mailer.models import REHEARSAL, ArchivedIssue, Batch, RemovedPage, Send
from mailer.store import page_images

# What a correction may say otherwise than the send.
_SAID = ("subject", "preheader", "language", "day", "number")
# What `entry_of` reads: the same columns of both kinds, so that one query can ask for both.
Rows = QuerySet[Any, tuple[Any, ...]]


@dataclass(frozen=True)
class Entry:
    """An issue in the list of those that were sent."""

    slug: str
    title: str
    preheader: str
    language: str  # lower case; "" for one sent before this was kept
    day: date | None  # that the issue itself names
    number: str
    published: datetime  # when it was sent, or noon of the day of one that was imported
    corrected: datetime | None
    imported: bool = False
    renewed: datetime | None = None  # when an import last changed it

    @property
    def dated(self) -> date:
        """Return the issue's own date, as its email says; otherwise the day it was sent, in the current time zone."""
        return self.day or timezone.localdate(self.published)

    @property
    def updated(self) -> datetime:
        return self.corrected or self.renewed or self.published

    @property
    def place(self) -> tuple[datetime, str]:
        """Return by what issues are in order of time."""
        return self.published, self.slug


@dataclass(frozen=True)
class Page:
    """An issue with its content, and its neighbours in time."""

    entry: Entry
    article: str  # HTML
    former: Entry | None = None
    next: Entry | None = None
    card: str = ""  # the name of its file; of `page` alone

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
    started = Send.objects.issues().filter(newsletter=newsletter, first_request_at__isnull=False)
    return started.exclude(provider=REHEARSAL).filter(Exists(accepted))


def entries(newsletter: str, count: int | None = None) -> list[Entry]:
    """Return all issues that have a page, or the last ones, newest first, without their content, which is long."""
    both = _sends(newsletter).union(_imports(newsletter), all=True)
    return _newest_first(both if count is None else finding.last(newsletter, count))[:count]


def latest(newsletter: str, count: int) -> list[Entry]:
    """Return the last issues as a list shows them, with their excerpts as preheaders."""
    rows = finding.last_with_excerpt(newsletter, count)
    excerpts = {row[0]: row[-1] for row in rows if row[-1]}
    entries = _newest_first(rows)[:count]
    return [replace(entry, preheader=excerpts.get(entry.slug, entry.preheader)) for entry in entries]


def _newest_first(rows: Iterable[tuple[Any, ...]]) -> list[Entry]:
    return sorted((entry_of(row) for row in rows), key=lambda entry: entry.place, reverse=True)


def before(slug: str, listed: list[Entry]) -> list[Entry]:
    """Return the issues of `listed`, newest first, that are older than this one; all of them if it is not sent yet."""
    own = next((number for number, entry in enumerate(listed) if entry.slug == slug), -1)
    return listed[own + 1 :]


def newest(newsletter: str, count: int) -> list[Page]:
    """Return the last issues with their content, newest first."""
    last = [Page(entry_of(row), row[-1]) for row in finding.last_with_article(newsletter, count)]
    return sorted(last, key=lambda page: page.entry.place, reverse=True)[:count]


def pages(newsletter: str) -> Iterator[Page]:
    """Yield every issue that has a page with its content, one by one, in no particular order."""
    for rows in (_sends(newsletter, "article"), _imports(newsletter, "article")):
        for row in rows.iterator():
            yield Page(entry_of(row), row[-1])


def sources(newsletter: str) -> dict[str, str]:
    """Return the slug of each issue that has a page → the SHA-256 of its source, as `RenderedIssue` has it."""
    both = (_sends(newsletter, "source_sha256"), _imports(newsletter, "source_sha256"))
    return {row[0]: row[-1] for rows in both for row in rows.iterator()}


def alone(newsletter: str, slug: str) -> Page | None:
    """Return the page of an issue without its neighbours, or None."""
    # PostgreSQL cannot hold NUL, and a URL may.
    row = None if "\0" in slug else finding.one(newsletter, slug)
    return Page(entry_of(row), row[-2], card=page_images.file_of(row[-1])) if row else None


def page(newsletter: str, slug: str) -> Page | None:
    """Return the page of an issue with its neighbours, or None."""
    found = alone(newsletter, slug)
    if found is None:
        return None
    older, younger = _neighbours(newsletter, found.entry)
    return replace(found, former=older, next=younger)


def shown(newsletter: str, slug: str) -> Page | None:
    """Return what the page of a sent issue says, whether or not it was removed; None if it was not sent."""
    row = _rows(sent(newsletter).filter(slug=slug), _of_send("article")).first()
    return Page(entry_of(row), row[-1]) if row else None


def is_removed(newsletter: str, slug: str) -> bool:
    """Tell whether somebody removed the page of this issue."""
    return "\0" not in slug and RemovedPage.objects.filter(newsletter=newsletter, slug=slug).exists()


def archive_root(base_url: str, newsletter: str, newsletters: list[str]) -> str:
    """Return the URL of a newsletter's archive, with a slash at its end.

    The first newsletter keeps the bare path.
    """
    label = "" if newsletters[:1] == [newsletter] else f"{quote(newsletter)}/"
    return f"{base_url}/{label}archive/"


def _neighbours(newsletter: str, entry: Entry) -> tuple[Entry | None, Entry | None]:
    """Return the issue before this one and the one after it: sent or imported."""
    rows = around(newsletter, *entry.place)
    beside = sorted((entry_of(row) for row in rows), key=lambda one: one.place)
    older = [one for one in beside if one.place < entry.place]
    younger = [one for one in beside if one.place > entry.place]
    return (older[-1] if older else None), (younger[0] if younger else None)


def _sends(newsletter: str, *more: str) -> Rows:
    removed = RemovedPage.objects.filter(newsletter=newsletter, slug=OuterRef("slug"))
    return _rows(sent(newsletter).exclude(Exists(removed)), _of_send(*more))


def _imports(newsletter: str, *more: str) -> Rows:
    removed = RemovedPage.objects.filter(newsletter=newsletter, slug=OuterRef("slug"))
    imported = ArchivedIssue.objects.filter(newsletter=newsletter)
    hidden = Exists(removed) | Exists(sent(newsletter).filter(slug=OuterRef("slug")))
    return _rows(imported.exclude(hidden), _of_import(*more))


def _rows(found: QuerySet[Any], columns: dict[str, Combinable]) -> Rows:
    rows: Rows = found.order_by().annotate(**columns).values_list("slug", *columns)
    return rows


def _of_send(*more: str) -> dict[str, Combinable]:
    """Return what the page of a send says, by the names that it has for both kinds: a correction says all of it."""
    said: dict[str, Combinable] = {
        f"said_{name}": Case(When(correction__isnull=False, then=F(f"correction__{name}")), default=F(name))
        for name in (*_SAID, *more)
    }
    none = Value(None, output_field=DateTimeField())
    return {
        "published": F("first_request_at"),
        "corrected": F("correction__corrected_at"),
        "renewed": none,
        "origin": Value("sent", output_field=CharField()),
        **said,
    }


def _of_import(*more: str) -> dict[str, Combinable]:
    said: dict[str, Combinable] = {f"said_{name}": F(name) for name in (*_SAID, *more)}
    none = Value(None, output_field=DateTimeField())
    return {
        "published": F("published_at"),
        "corrected": none,
        "renewed": F("updated_at"),
        "origin": Value("imported", output_field=CharField()),
        **said,
    }


def entry_of(row: tuple[Any, ...]) -> Entry:
    """Return the issue that a row is about, of a query here or of `statements`."""
    slug, published, corrected, renewed, origin, title, preheader, language, day, number, *_ = row
    return Entry(
        slug=slug,
        title=title,
        preheader=preheader,
        language=language,
        day=day,
        number=number,
        published=published,
        corrected=corrected,
        imported=origin == "imported",
        renewed=renewed,
    )
