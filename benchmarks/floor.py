"""The least that an exact ledger costs: what mailer's own cost is compared with.

python -m benchmarks.floor URL ISSUE.json DATABASE

One process and one table with a row a subscriber, planned by one statement. Each request has two transactions, synced
to the disk: a claim, which looks once more at who may be mailed and is committed before the socket opens, and an
outcome. The request is the one that mailer makes, with the same signed links. What it lacks: an attempt that can be
told from the next, so that a lost answer or a late event is settled; pausing, a second worker, any other answer than
202, addresses that are not ASCII, and everything that mailer shows.
"""

import http.client
import json
import sqlite3
import sys
from collections.abc import Sequence
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SIZE = 1000
KEY = b"k" * 32
SENDGRID_KEY = "SG.benchmark.key"
HEADERS = {"Authorization": f"Bearer {SENDGRID_KEY}", "Content-Type": "application/json"}

PLAN = """
    INSERT INTO floor (subscriber)
    SELECT subscriber_id FROM subscribers_subscription AS subscription
    JOIN subscribers_subscriber AS subscriber ON subscriber.id = subscriber_id
    WHERE newsletter = ? AND state = 'active' AND email IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM subscribers_suppression WHERE hash = suppression_hash)
    ORDER BY subscriber_id"""
CLAIM = "UPDATE floor SET state = 'posting' WHERE id BETWEEN ? AND ? AND state = 'planned'"
LAST_LOOK = """
    SELECT floor.id, public_id, email, name FROM floor
    CROSS JOIN subscribers_subscriber AS subscriber ON subscriber.id = subscriber
    CROSS JOIN subscribers_subscription AS subscription ON subscriber_id = subscriber.id AND newsletter = ?
    WHERE floor.id BETWEEN ? AND ? AND subscription.state = 'active' AND email IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM subscribers_suppression WHERE hash = suppression_hash)"""
SKIP = "UPDATE floor SET state = 'skipped' WHERE id BETWEEN ? AND ? AND id NOT IN (SELECT value FROM json_each(?))"
SETTLE = "UPDATE floor SET state = 'accepted' WHERE id BETWEEN ? AND ? AND state = 'posting'"


class Floor:
    def __init__(self, url: str, issue: dict[str, Any], database: Path) -> None:
        from subscribers import tokens

        self._newsletter = issue["newsletter"]
        self._database = sqlite3.connect(database, isolation_level=None)
        self._database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
        self._database.execute(
            "CREATE TABLE floor (id INTEGER PRIMARY KEY, subscriber INTEGER NOT NULL UNIQUE, "
            "state TEXT NOT NULL DEFAULT 'planned')"
        )
        self._tokens = tokens.Signer(tokens.UNSUBSCRIBE, self._newsletter, KEY).tokens
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc)
        self._envelope = json.dumps(_envelope(issue))[1:]
        self._person = (
            '{"to":[{"email":%s%s}],"headers":{"List-Unsubscribe":"<%s>"},"custom_args":{"mailer_delivery":"%d"},'
            f'"substitutions":{{"{issue["placeholder"]}":"%s"}}}}'
        )

    def send(self) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        planned = self._database.execute(PLAN, [self._newsletter]).rowcount
        self._database.execute("COMMIT")
        for first in range(1, planned + 1, SIZE):
            batch = (first, first + SIZE - 1)
            people = self._claim(batch)
            if people:
                self._post(people)
                self._settle(batch)

    def _claim(self, batch: tuple[int, int]) -> list[tuple[int, str, str, str]]:
        self._database.execute("BEGIN IMMEDIATE")
        claimed = self._database.execute(CLAIM, batch).rowcount
        people = self._database.execute(LAST_LOOK, [self._newsletter, *batch]).fetchall()
        if len(people) < claimed:
            self._database.execute(SKIP, [*batch, json.dumps([person[0] for person in people])])
        self._database.execute("COMMIT")
        return people

    def _post(self, people: Sequence[tuple[int, str, str, str]]) -> None:
        tokens = self._tokens([bytes.fromhex(person[1]) for person in people])
        said = ",".join(map(self._personalization, people, tokens))
        body = f'{{"personalizations":[{said}],{self._envelope}'.encode()
        self._connection.request("POST", "/v3/mail/send", body, HEADERS)
        answer = self._connection.getresponse()
        answer.read()
        if answer.status != 202:
            raise RuntimeError(f"the provider answered {answer.status}")

    def _personalization(self, person: tuple[int, str, str, str], token: str) -> str:
        delivery, _, email, name = person
        link = f"http://127.0.0.1:8000/unsubscribe/{token}/"
        named = f',"name":{quoted(name)}' if name else ""
        return self._person % (quoted(email), named, link, delivery, link)

    def _settle(self, batch: tuple[int, int]) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        self._database.execute(SETTLE, batch)
        self._database.execute("COMMIT")


def _envelope(issue: dict[str, Any]) -> dict[str, Any]:
    parts = (("text/plain", issue["text"]), ("text/html", issue["html"]))
    return {
        "from": {"email": issue["from_email"], "name": issue["from_name"]},
        "subject": issue["subject"],
        "content": [{"type": kind, "value": value} for kind, value in parts],
        "headers": issue["headers"],
        "custom_args": {"mailer_attempt": "00000000-0000-0000-0000-000000000000"},
        "tracking_settings": {"click_tracking": {"enable": False}, "open_tracking": {"enable": False}},
    }


if __name__ == "__main__":
    url, issue, database = sys.argv[1:]
    Floor(url, json.loads(Path(issue).read_text(encoding="utf-8")), Path(database)).send()
