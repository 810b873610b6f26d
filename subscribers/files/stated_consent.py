"""What a file states about people's consent: kept closely enough to answer for it, never taken as our own record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from subscribers import clock
from subscribers.networks import UNKNOWN, network

TIMES = ("requested_at", "confirmed_at", "unsubscribed_at", "suppressed_at")
LONGEST = 500  # characters of one statement


@dataclass
class Dates:
    """The dates of a file. Those that cannot be read are kept as written, and counted here."""

    now: datetime = field(default_factory=lambda: clock.now())
    line: int = 0  # of the row that is being read
    unreadable: int = 0
    first_unreadable: int = 0  # its line
    future: int = 0
    first_future: int = 0

    def past(self, text: str) -> datetime | None:
        """Return the time, if it can be read and is not in the future."""
        at = time_of(text)
        return at if at and at <= self.now else None

    def as_text(self, text: str) -> str:
        """Return the time in UTC, ISO 8601; as written if it cannot be read."""
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
    """Return the consent that a row states, as JSON. `values`: its cells by field. `state`: what it is imported as."""
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
    """Truncate an address as ours are; an export of ours holds truncated ones already."""
    cut = network(text.partition("/")[0])
    return "" if cut == UNKNOWN else cut


def time_of(text: str) -> datetime | None:
    """Return the time, UTC if without a zone. Return None for other notations, because 1/2/24 is two days."""
    try:
        at = datetime.fromisoformat(text.removesuffix(" UTC"))
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
