"""Invented active subscribers, put into the configured database without the cost of an import.

python -m benchmarks.audience COUNT NEWSLETTER
"""

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

CHUNK = 20_000


@dataclass(frozen=True)
class Reader:
    public_id: UUID
    email: str
    name: str


def readers(count: int) -> Iterator[Reader]:
    """Return the same subscribers for every way of sending; every second one gave a name."""
    for number in range(1, count + 1):
        name = "" if number % 2 else f"Reader {number}"
        yield Reader(UUID(int=number), f"reader{number:07}@readers.example", name)


def fill(count: int, newsletter: str) -> None:
    """Write `count` subscribers, numbered from 1, who confirmed `newsletter`, to the database."""
    from django.db import connection, transaction
    from django.utils import timezone

    now = connection.ops.adapt_datetimefield_value(timezone.now())
    everybody = enumerate(readers(count), start=1)
    while chunk := list(islice(everybody, CHUNK)):
        with transaction.atomic():
            _put("subscribers_subscriber", [_subscriber(number, reader, now) for number, reader in chunk])
            _put("subscribers_subscription", [_subscription(number, newsletter, now) for number, _ in chunk])


def _subscriber(number: int, reader: Reader, now: Any) -> dict[str, Any]:
    return {
        "id": number,
        "public_id": reader.public_id.hex,
        "email": reader.email,
        "email_key": reader.email,
        "suppression_hash": hashlib.sha256(reader.email.encode()).hexdigest(),
        "name": reader.name,
        "language": "",
        "created_at": now,
    }


def _subscription(number: int, newsletter: str, now: Any) -> dict[str, Any]:
    wish = {"id": number, "subscriber_id": number, "newsletter": newsletter, "state": "active"}
    return {**wish, "confirmation_tries": 0, "created_at": now, "changed_at": now}


def _put(table: str, rows: list[dict[str, Any]]) -> None:
    from django.db import connection

    columns = ", ".join(rows[0])
    values = [tuple(row.values()) for row in rows]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for row in values:
                    copy.write_row(row)
            return
        marks = ", ".join(["%s"] * len(rows[0]))
        cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", values)  # noqa: S608 — names of ours


if __name__ == "__main__":
    from mailer.cli.terminal import start

    start()
    fill(int(sys.argv[1]), sys.argv[2])
