"""An active subscriber who leaves on PostgreSQL costs one statement; it writes what the long way writes."""

import threading
from dataclasses import asdict, dataclass
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, connections, transaction
from django.forms.models import model_to_dict

from subscribers import labels, optin, optouts, records
from subscribers.models import Consent, RenamedNewsletter, Subscriber, Subscription
from subscribers.optin import Origin
from subscribers.optouts import OptOut
from subscribers.undoing import Left
from tests import readers
from tests.readers import ADA, BEN
from tests.subscribers.test_optin_at_once import at_once

ORIGIN = Origin("one-click", "https://x.example/", "shown", "2", "zh-hans", "192.0.2.0/24", "stated", "no mail")
TO_POSTGRESQL = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite always goes the long way")


@dataclass(frozen=True)
class Written:
    """Where a leaving is recorded, without what no two subscribers share."""

    row: dict[str, Any]
    steps: list[dict[str, Any]]
    lines: list[dict[str, Any]]  # of the opt-out log


def written(reader: Subscriber, before: int) -> Written:
    own = ("id", "subscriber")
    row = reader.subscriptions.get()
    steps = [model_to_dict(one, exclude=own) for one in reader.consents.order_by("pk")]
    lines = [asdict(one) for one in lines_of_log()[before:] if one is not None]
    assert all(line.pop("hash") == reader.suppression_hash for line in lines)
    return Written(model_to_dict(row, exclude=own) | {"changed_at": row.changed_at}, steps, lines)


def lines_of_log() -> list[OptOut | None]:
    return list(optouts.read(settings.OPTOUTS))


@pytest.mark.django_db(transaction=True)
def test_one_statement_writes_what_the_long_way_writes(clock, monkeypatch):
    found = []
    for who in (ADA, BEN):
        reader = readers.confirmed(who=who)
        before = len(lines_of_log())
        assert optin.leave(reader.public_id, "weekly", ORIGIN) == Left("active")
        found.append(written(reader, before))
        monkeypatch.setattr(records, "end_active", lambda *_: None)
    assert found[0] == found[1]
    assert found[0].steps[-1]["step"] == "unsubscribed"
    assert [line["newsletter"] for line in found[0].lines] == ["weekly"]


@TO_POSTGRESQL
@pytest.mark.django_db(transaction=True)
def test_an_active_subscriber_leaves_in_one_statement(django_assert_num_queries):
    reader = readers.confirmed()
    with django_assert_num_queries(1):
        assert optin.unsubscribe(reader.public_id, "weekly", ORIGIN)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", ["one-click", "page"])
def test_leaving_twice_at_the_same_moment_is_one_step(how: str):
    reader = readers.confirmed()
    assert at_once(8, lambda _: optin.leave(reader.public_id, "weekly", Origin(how))) == []
    assert readers.history_of(reader).count(("unsubscribed", how)) == 1
    assert readers.state_of(reader) == "unsubscribed"


@pytest.mark.django_db(transaction=True)
def test_a_leaving_that_is_rolled_back_leaves_no_line_in_the_opt_out_log():
    reader = readers.confirmed()
    before = len(lines_of_log())
    with transaction.atomic():
        assert optin.leave(reader.public_id, "weekly", ORIGIN)
        transaction.set_rollback(True)
    assert readers.state_of(reader) == "active"
    assert len(lines_of_log()) == before


@pytest.mark.django_db
def test_what_is_less_usual_goes_the_long_way():
    pending, gone, renamed = readers.pending(), readers.unsubscribed(), readers.confirmed()
    RenamedNewsletter.objects.create(label="weekly", now="monthly")
    assert labels.today("weekly") == "monthly"
    for reader in (pending, gone, renamed):
        assert records.end_active(reader.public_id, "weekly", ORIGIN) is None
    assert Consent.objects.filter(how="one-click", source=ORIGIN.source).count() == 0
    optin.leave(renamed.public_id, "weekly", ORIGIN)
    assert readers.state_of(renamed) == "unsubscribed"
    assert Subscription.objects.filter(state="pending").count() == 1


@TO_POSTGRESQL
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("change", ["UPDATE subscribers_subscription SET newsletter = 'monthly'", "moved"])
def test_a_rename_or_a_move_that_commits_while_it_waits_is_not_overlooked(change: str):
    """The statement waits for the row, finds another label or no subscription, and the long way is gone after it."""
    reader, before = readers.confirmed(), len(lines_of_log())
    done: list[object] = []

    def leave() -> None:
        try:
            done.append(optin.leave(reader.public_id, "weekly", ORIGIN))
        finally:
            connections.close_all()

    thread = threading.Thread(target=leave)
    with transaction.atomic():
        Subscription.objects.select_for_update().get(subscriber=reader)
        thread.start()
        _wait_for_a_lock()
        if change == "moved":
            assert readers.move(reader, "ada@new.example") == "moved"
        else:
            with connection.cursor() as cursor:
                cursor.execute(change)
            RenamedNewsletter.objects.create(label="weekly", now="monthly")
    thread.join()
    assert done == [Left("active")]
    assert Subscription.objects.get(subscriber=reader).state == "unsubscribed"
    assert Consent.objects.filter(subscriber=reader, step="unsubscribed").count() == 1
    assert [line.reason for line in lines_of_log()[before:]].count("unsubscribed") == 1


def _wait_for_a_lock() -> None:
    """Return once another connection waits for a lock of this one."""
    for _ in range(600):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            if cursor.fetchone() is not None:
                return
        threading.Event().wait(0.05)
    raise AssertionError("nobody waits")
