"""Correct the web page of a sent issue. What was emailed stays in the Send, unchanged."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from typing import TYPE_CHECKING

from django.db import transaction

from mailer.archive import Page
from mailer.models import Correction, Send
from mailer.store import clock
from mailer.store.media import keep_images

if TYPE_CHECKING:  # rendering loads parsers that the web process never needs
    from mailer.content.rendering import RenderedIssue

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Change:
    """One line that is removed or added: `sign` is "-" or "+"."""

    sign: str
    line: str


def changes(shown: Page, issue: "RenderedIssue") -> list[Change]:
    """Return what a reader of the page would see change, in order; nothing if it already says the same."""
    entry = shown.entry
    before = (entry.title, entry.preheader, entry.language, entry.day, entry.number)
    after = (issue.subject, issue.preheader, issue.language, issue.day, issue.number)
    heads = [
        Change(sign, str(value))
        for old, new in zip(before, after, strict=True)
        if old != new
        for sign, value in (("-", old), ("+", new))
        if value
    ]
    return [*heads, *_differing(shown.article, issue.article)]


def correct(send: Send, issue: "RenderedIssue") -> Correction:
    """Make the page of `send` show the content and images of `issue`, with the date of the correction."""
    with transaction.atomic():
        keep_images(issue.images)
        correction, _ = Correction.objects.update_or_create(
            send=send,
            defaults={
                "subject": issue.subject,
                "preheader": issue.preheader,
                "language": issue.language,
                "day": issue.day,
                "number": issue.number,
                "article": issue.article,
                "source_sha256": issue.source_sha256,
                "corrected_at": clock.now(),
            },
        )
    log.info("web text corrected", extra={"send": send.pk})
    return correction


def _differing(before: str, after: str) -> Iterator[Change]:
    # A paragraph, heading or item is a line of this HTML, so a line is what an editor would call a change.
    for line in list(unified_diff(before.split("\n"), after.split("\n"), n=0, lineterm=""))[2:]:
        if not line.startswith("@@"):
            yield Change(line[0], line[1:])
