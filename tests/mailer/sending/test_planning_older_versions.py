"""A database whose deliveries have constraints for their send and batch is upgraded with a send under way."""

import threading
from importlib import import_module

import psycopg
import pytest
from django.db import connection, connections

from mailer.models import Delivery, Send
from mailer.sending.accounting import count
from mailer.sending.delivering import deliver_next
from mailer.sending.lifecycle import finish_if_done
from mailer.sending.orphans import orphaned_batches
from mailer.sending.steering import pause, resume
from tests.mailer.sending import outgoing
from tests.older import database_of

pytestmark = pytest.mark.django_db(transaction=True)
BEFORE = ("mailer", "0014_detail_of_attempts")
migration = import_module("mailer.migrations.0015_deliveries_without_foreign_keys")


@pytest.fixture
def on_postgresql() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite keeps its constraints")


def constraints() -> set[str]:
    """Return the tables that the database itself looks up for each delivery."""
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, Delivery._meta.db_table).values()
    return {one["foreign_key"][0] for one in found if one["foreign_key"]}


def deliver_all(send: Send) -> None:
    while deliver_next(send.pk):
        pass
    finish_if_done(send.pk)


def test_a_send_paused_before_the_upgrade_goes_on_after_it(two_batches, api):
    assert deliver_next(two_batches.pk)
    pause(two_batches.pk)
    with database_of(BEFORE):
        pass
    resume(two_batches.pk)
    deliver_all(two_batches)
    outgoing.balanced(two_batches)
    assert (two_batches.state, count(two_batches).accepted, len(api.times_mailed)) == (Send.State.FINISHED, 4, 4)
    assert orphaned_batches() == []


def test_postgresql_keeps_the_constraint_on_the_subscriber_alone(on_postgresql):
    assert constraints() == {"subscribers_subscriber"}
    with database_of(BEFORE):
        assert constraints() == {"subscribers_subscriber", "mailer_send", "mailer_batch"}
    assert constraints() == {"subscribers_subscriber"}


def test_an_upgrade_that_was_killed_between_its_steps_is_run_again(on_postgresql):
    with database_of(BEFORE):
        _migrated()
    assert constraints() == {"subscribers_subscriber"}


def test_sqlite_keeps_all_of_its_constraints():
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL loses two")
    assert constraints() == {"subscribers_subscriber", "mailer_send", "mailer_batch"}


def test_the_upgrade_waits_for_a_plan_in_short_steps_and_lets_others_pass(two_batches, on_postgresql, monkeypatch):
    """A long transaction of an older worker holds the tables; claims and pages must not queue behind the upgrade."""
    waited, released = threading.Event(), threading.Event()
    monkeypatch.setattr(migration.time, "sleep", lambda _: (waited.set(), released.wait(60)))
    with database_of(BEFORE):
        parameters = connection.get_connection_params() | {"autocommit": False}
        parameters = {
            name: parameters[name] for name in ("dbname", "user", "password", "host", "port") if name in parameters
        }
        with psycopg.connect(**parameters) as older:
            older.execute("UPDATE mailer_delivery SET facts = facts")
            upgrade = threading.Thread(target=_migrated)
            upgrade.start()
            assert waited.wait(60), "the upgrade met the lock"
            with psycopg.connect(**parameters) as other:
                other.execute("SET statement_timeout = '30s'")
                other.execute("UPDATE mailer_send SET notice = ''")
            older.rollback()
        released.set()
        upgrade.join()
        assert constraints() == {"subscribers_subscriber"}


def _migrated() -> None:
    """Drop the constraints, as the migration does before it is recorded."""
    try:
        migration.locked_shortly(connection, migration.drop_found)
    finally:
        connections.close_all()
