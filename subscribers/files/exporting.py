"""Export subscribers as a file that a spreadsheet opens safely and `importing` reads back unchanged."""

import csv
import json
from collections import defaultdict
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any, TextIO

import orjson
from django.db.models import OuterRef, QuerySet, Subquery, TextField
from django.db.models.functions import Cast

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
    suppression = Suppression.objects.filter(hash=OuterRef("subscriber__suppression_hash"))
    found = _of(newsletter).values_list(
        "subscriber",
        "subscriber__email",
        "state",
        "newsletter",
        "subscriber__name",
        "subscriber__language",
        Subquery(suppression.values("reason")),
        Subquery(suppression.values(told_at=_as_text("at"))),
    )
    everybody = found.iterator(chunk_size=CHUNK)
    while chunk := list(islice(everybody, CHUNK)):
        histories = _histories({subscriber for subscriber, *_ in chunk})
        for subscription in chunk:
            yield _row(subscription, histories)


def _as_text(field: str) -> Cast:
    """Ask for a value as the database writes it: making times and objects of it took half the time of a million."""
    return Cast(field, TextField())


def count_of(newsletter: str | None) -> int:
    """Return how many rows there are."""
    return int(_of(newsletter).count())


def _of(newsletter: str | None) -> QuerySet[Subscription]:
    everybody = Subscription.objects.order_by("pk")
    return everybody if newsletter is None else everybody.filter(newsletter=newsletter)


Told = dict[tuple[int, str], dict[str, str]]  # by subscriber and newsletter


def _histories(subscribers: Collection[int]) -> Told:
    """Return what the steps of each of these subscribers tell; later steps win. A history may be long."""
    told: Told = defaultdict(dict)
    steps = Consent.objects.filter(subscriber__in=subscribers).exclude(step=Step.CHANGED).order_by("at", "pk")
    at, claimed = _as_text("at"), _as_text("claimed")
    found = steps.values_list("subscriber", "newsletter", "step", at, "source", "basis", claimed)
    for subscriber, newsletter, *step in found.iterator(chunk_size=CHUNK):
        told[subscriber, newsletter] |= _told(*step)
    return told


def _row(subscription: tuple[Any, ...], histories: Told) -> dict[str, str]:
    subscriber, email, state, newsletter, name, language, suppressed, suppressed_at = subscription
    row = dict.fromkeys(COLUMNS, "") | {
        "email": email,
        "state": state,
        "newsletter": newsletter,
        "name": name,
        "language": language,
        "suppressed": suppressed or "",
        "suppressed_at": _in_iso(suppressed_at) if suppressed_at else "",
    }
    row |= histories.get((subscriber, newsletter), {})
    if state == State.PENDING:
        row["confirmed_at"] = ""
    if row["unsubscribed_at"] and state == State.ACTIVE and time_of(row["unsubscribed_at"]) is None:
        row["unsubscribed_at"] = ""  # the file cannot say that they came back after that day
    return row


def _told(step: str, told_at: str, source: str, basis: str, claims: str | None) -> dict[str, str]:
    """Return what a step says of when and where. The date that a file stated wins over the day it was imported."""
    at, claimed = _in_iso(told_at), orjson.loads(claims or "null") or {}
    if step == Step.REQUESTED:
        return {"requested_at": at, "source": source}
    if step == Step.CONFIRMED:
        return {"confirmed_at": at}
    told = {name: claimed[name] for name in ("requested_at", "confirmed_at", "unsubscribed_at") if name in claimed}
    if step == Step.UNSUBSCRIBED:
        stated = {"source": claimed["source"]} if "source" in claimed else {}
        return {"unsubscribed_at": at} | told | stated
    # The day of an import, or of the command that added them, is not the day on which they agreed.
    return told | {"source": claimed.get("source") or basis or source}


def _in_iso(at: str) -> str:
    """Return a time that the database wrote, which is in UTC, in ISO 8601 and to the second."""
    return f"{at[:10]}T{at[11:19]}+00:00"


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
    encode, count = json.JSONEncoder(ensure_ascii=False).encode, 0
    for row in rows(newsletter):
        file.write(encode(row) + "\n")
        count += 1
    return count
