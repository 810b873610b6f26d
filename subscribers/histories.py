"""The history of one subscriber as `/admin/` shows it: page by page, because it may be very long."""

from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator

from subscribers import clock
from subscribers.models import Consent, Subscriber

ON_A_PAGE = 50
COLUMNS = (
    "when",
    "newsletter",
    "step",
    "how",
    "source",
    "basis",
    "wording",
    "version",
    "language",
    "network",
    "claimed in the file",
)


@dataclass(frozen=True)
class Shown:
    columns: tuple[str, ...]
    page: "Page[Consent]"
    rows: list[tuple[Any, ...]]


def page_of(subscriber: Subscriber, number: str | None) -> Shown:
    """Return this page of the subscriber's steps, newest first; the nearest page if there is none with this number."""
    page = Paginator(subscriber.consents.order_by("-at", "-pk"), ON_A_PAGE).get_page(number)
    return Shown(COLUMNS, page, [_row(step) for step in page])


def _row(step: Consent) -> tuple[Any, ...]:
    claims = ", ".join(f"{name} {value}" for name, value in (step.claimed or {}).items())
    return (
        clock.in_utc(step.at),
        step.newsletter,
        step.get_step_display(),
        step.how,
        step.source,
        step.basis,
        step.wording,
        step.wording_version,
        step.language,
        step.ip,
        claims,
    )
