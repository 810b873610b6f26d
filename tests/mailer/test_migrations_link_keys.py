"""Migrate a database from before link keys had rows, with two keys and a subscriber who complained."""

import json
import sqlite3

from mailer.store.installation import fingerprint_of
from subscribers.tokens import suppression_hash
from tests.older import python

FIRST, SECOND = b"1" * 32, b"2" * 32
OLD = """
from django.db.migrations.executor import MigrationExecutor
from django.db import connection
before = [("mailer", "0009_released_bounces"), ("subscribers", "0007_whose_mails_are_due")]
MigrationExecutor(connection).migrate(before)
connection.cursor().execute("UPDATE mailer_installation SET link_keys = %s", [KEYS])
"""
ASKED = """
import json
from mailer.store.schema import bring_up_to_date
bring_up_to_date()
from mailer.store import rotating
from subscribers import signed_links
keys = [one.state.value for one in rotating.listed()]
print(json.dumps([signed_links.suppression_hash("dora@readers.example"), signed_links.signing_key().hex(), keys]))
"""


def test_the_newest_key_signs_and_the_oldest_goes_on_making_the_hashes(tmp_path):
    keys = [FIRST, SECOND]
    python(tmp_path, OLD.replace("KEYS", repr(json.dumps([key.hex() for key in keys]))))
    hashed, signing, states = json.loads(python(tmp_path, ASKED))
    assert hashed == suppression_hash("dora@readers.example", FIRST)
    assert (signing, states) == (SECOND.hex(), ["verifies", "signs"])
    with sqlite3.connect(tmp_path / "mailer.sqlite3") as opened:
        assert opened.execute("SELECT fingerprint FROM mailer_linkkey ORDER BY id").fetchall() == [
            (fingerprint_of(key),) for key in keys
        ]
