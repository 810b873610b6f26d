"""What a file says of its readers' consent: kept word for word enough to answer for it, and never taken for our own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from subscribers import clock
from subscribers.networks import UNKNOWN, network

TIMES = ("requested_at", "confirmed_at", "unsubscribed_at", "suppressed_at")
LONGEST = 500  # characters of one thing that is claimed


@dataclass
class Dates:
    """The dates of a file. Those that prove nothing are kept as they are written, and counted here."""

    now: datetime = field(default_factory=lambda: clock.now())
    line: int = 0  # of the row that is being read
    unreadable: int = 0
    first_unreadable: int = 0  # its line
    future: int = 0
    first_future: int = 0

    def past(self, text: str) -> datetime | None:
        """The moment, where it can be read and has come."""
        at = time_of(text)
        return at if at and at <= self.now else None

    def as_text(self, text: str) -> str:
        """The moment in UTC, ISO 8601; one that is written in another way, as it is written."""
        at = time_of(text)
        if at is None:
            self.unreadable += 1
            self.first_unreadable = self.first_unreadable or self.line
            return text[:64]
        if at > self.now:
            self.future += 1
            self.first_future = self.first_future or self.line
        if len(text) == 20 and text[10] == "T" and text[19] == "Z":
            return f"{text[:19]}+00:00"  # how most services write it; a file holds a million
        return at.isoformat(timespec="seconds")


def claims(values: Mapping[str, str], state: str, dates: Dates) -> str:
    """The claims of a row as JSON. `values` are its cells by field, `state` is what the reader is taken in as."""
    found = {"state": state}
    if (said := values.get("state", "")) and said != state:
        found["said"] = said[:LONGEST]
    for name in TIMES:
        if text := values.get(name):
            found[name] = dates.as_text(text)
    if source := values.get("source"):
        found["source"] = source[:LONGEST]
    if (address := values.get("network")) and (cut := _network(address)):
        found["network"] = cut
    return orjson.dumps(found).decode()


def _network(text: str) -> str:
    """An address cut as ours are; an export of ours holds networks that are cut already."""
    cut = network(text.partition("/")[0])
    return "" if cut == UNKNOWN else cut


def time_of(text: str) -> datetime | None:
    """The moment; without a zone it is taken for UTC. None for other ways of writing, because 1/2/24 is two days."""
    try:
        at = datetime.fromisoformat(text.removesuffix(" UTC"))
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
