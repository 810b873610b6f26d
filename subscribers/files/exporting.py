"""Export subscribers as a file that a spreadsheet opens safely and `importing` reads back unchanged."""

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any, TextIO

from django.db.models import OuterRef, Subquery

from subscribers.files.csv_records import formula_safe
from subscribers.files.stated_consent import time_of
from subscribers.models import Consent, Subscription, Suppression

COLUMNS = (
    "email",
    "state",
    "newsletter",
    "name",
    "language",
    "suppressed",
    "suppressed_at",
    "requested_at",
    "confirmed_at",
    "unsubscribed_at",
    "source",
)
CHUNK = 1000
Step, State = Consent.Step, Subscription.State


def rows(newsletter: str | None) -> Iterator[dict[str, str]]:
    """Return every subscriber of the newsletter, or of all, in the order they came. Times are UTC, ISO 8601."""
    found = Subscription.objects.order_by("pk") if newsletter is None else _of(newsletter)
    suppression = Suppression.objects.filter(hash=OuterRef("subscriber__suppression_hash"))
    found = found.select_related("subscriber").annotate(
        suppressed=Subquery(suppression.values("reason")), suppressed_at=Subquery(suppression.values("at"))
    )
    everybody = found.iterator(chunk_size=CHUNK)
    while chunk := list(islice(everybody, CHUNK)):
        histories = _histories(chunk)
        for wish in chunk:
            yield _row(wish, histories[wish.subscriber_id, wish.newsletter])


def count_of(newsletter: str | None) -> int:
    """Return how many rows there are."""
    found = Subscription.objects.all() if newsletter is None else _of(newsletter)
    return int(found.count())


def _of(newsletter: str) -> Any:
    return Subscription.objects.order_by("pk").filter(newsletter=newsletter)


def _histories(wishes: Iterable[Subscription]) -> dict[tuple[int, str], dict[str, str]]:
    """Return what the steps of each of these subscriptions tell; later steps win. A history may be long."""
    told: dict[tuple[int, str], dict[str, str]] = defaultdict(dict)
    subscribers = {wish.subscriber_id for wish in wishes}
    steps = Consent.objects.filter(subscriber__in=subscribers).exclude(step=Step.CHANGED).defer("wording")
    for step in steps.order_by("at", "pk").iterator(chunk_size=CHUNK):
        told[step.subscriber_id, step.newsletter] |= _told(step)
    return told


def _row(wish: Subscription, told: dict[str, str]) -> dict[str, str]:
    subscriber = wish.subscriber
    row = dict.fromkeys(COLUMNS, "") | {
        "email": subscriber.email,
        "state": wish.state,
        "newsletter": wish.newsletter,
        "name": subscriber.name,
        "language": subscriber.language,
        "suppressed": getattr(wish, "suppressed", None) or "",
        "suppressed_at": _text(getattr(wish, "suppressed_at", None)),
    }
    row |= told
    if wish.state == State.PENDING:
        row["confirmed_at"] = ""
    if row["unsubscribed_at"] and wish.state == State.ACTIVE and time_of(row["unsubscribed_at"]) is None:
        row["unsubscribed_at"] = ""  # the file cannot say that they came back after that day
    return row


def _told(step: Consent) -> dict[str, str]:
    """Return what a step says of when and where. The date that a file stated wins over the day it was imported."""
    at, claimed = _text(step.at), step.claimed or {}
    if step.step == Step.REQUESTED:
        return {"requested_at": at, "source": step.source}
    if step.step == Step.CONFIRMED:
        return {"confirmed_at": at}
    told = {name: claimed[name] for name in ("requested_at", "confirmed_at", "unsubscribed_at") if name in claimed}
    if step.step == Step.UNSUBSCRIBED:
        source = {"source": claimed["source"]} if "source" in claimed else {}
        return {"unsubscribed_at": at} | told | source
    # The day of an import, or of the command that added them, is not the day on which they agreed.
    return told | {"source": claimed.get("source") or step.basis or step.source}


def _text(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else ""


def write_csv(file: TextIO, newsletter: str | None) -> int:
    """Write the subscribers under a heading; return how many."""
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    count = 0
    for row in rows(newsletter):
        writer.writerow([formula_safe(cell) for cell in row.values()])
        count += 1
    return count


def write_jsonl(file: TextIO, newsletter: str | None) -> int:
    """Write the subscribers, one JSON object a line; return how many."""
    count = 0
    for row in rows(newsletter):
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
        count += 1
    return count
