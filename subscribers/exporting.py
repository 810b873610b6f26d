"""Readers as a file that a spreadsheet opens safely and `importing` reads back unchanged."""

import csv
import json
from collections.abc import Iterator
from typing import Any, TextIO

from django.db.models import Max, OuterRef, Q, Subquery

from subscribers.csvfiles import formula_safe as formula_safe
from subscribers.models import Consent, Subscription, Suppression

COLUMNS = (
    "email",
    "state",
    "newsletter",
    "name",
    "language",
    "suppressed",
    "requested_at",
    "confirmed_at",
    "unsubscribed_at",
    "source",
)


def rows(newsletter: str | None) -> Iterator[dict[str, str]]:
    """Every reader of the newsletter, or of all, in the order they came. Times are UTC, ISO 8601."""
    found = Subscription.objects.order_by("pk") if newsletter is None else _of(newsletter)
    steps = Consent.Step
    imported = Consent.objects.filter(
        subscriber=OuterRef("subscriber"), newsletter=OuterRef("newsletter"), step__in=[steps.IMPORTED, steps.REQUESTED]
    )
    found = found.annotate(
        suppressed=Subquery(Suppression.objects.filter(hash=OuterRef("subscriber__suppression_hash")).values("reason")),
        requested_at=_last(steps.REQUESTED),
        confirmed_at=_last(steps.CONFIRMED, steps.IMPORTED),
        unsubscribed_at=_last(steps.UNSUBSCRIBED),
        source=Subquery(imported.order_by("-at", "-pk").values("source")[:1]),
    )
    names = {"email": "subscriber__email", "name": "subscriber__name", "language": "subscriber__language"}
    for values in found.values_list(*(names.get(column, column) for column in COLUMNS)).iterator(chunk_size=2000):
        row = dict(zip(COLUMNS, map(_text, values), strict=True))
        if row["state"] == Subscription.State.PENDING:
            row["confirmed_at"] = ""
        yield row


def _of(newsletter: str) -> Any:
    return Subscription.objects.order_by("pk").filter(newsletter=newsletter)


def _last(*steps: str) -> Subquery:
    taken = Consent.objects.filter(
        Q(step__in=steps), subscriber=OuterRef("subscriber"), newsletter=OuterRef("newsletter")
    )
    return Subquery(taken.order_by().values("subscriber").annotate(last=Max("at")).values("last"))


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value.isoformat(timespec="seconds")) if hasattr(value, "isoformat") else str(value)


def write_csv(file: TextIO, newsletter: str | None) -> int:
    """The readers are in the file, under a heading; how many."""
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    count = 0
    for row in rows(newsletter):
        writer.writerow([formula_safe(cell) for cell in row.values()])
        count += 1
    return count


def write_jsonl(file: TextIO, newsletter: str | None) -> int:
    """The readers are in the file, one JSON object a line; how many."""
    count = 0
    for row in rows(newsletter):
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
        count += 1
    return count
