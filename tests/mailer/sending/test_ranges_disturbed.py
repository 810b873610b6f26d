# ruff: noqa: F811 — the fixtures are those of in_ranges
"""Subscribers change, and the editor changes their mind, in the middle of a range that is not committed."""

import pytest
from django.db import DatabaseError, connection, transaction

from mailer.sending import ranges
from mailer.sending.ranges import plan_next_range
from mailer.sending.steering import cancel, pause
from subscribers import erasing
from tests import readers
from tests.mailer.sending.in_ranges import _ranges_of_four, plan_all, ten  # noqa: F401 — the same stage
from tests.mailer.sending.outgoing import balanced, batches, deliver_all, everybody, in_thread, outcomes

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite lets nobody write in the middle of a range"),
]


def in_the_middle_of_a_range(monkeypatch, act):
    """Let `act` happen, once, when the deliveries of a range are written and not yet committed."""
    make_deliveries, once = ranges.make_deliveries, [act]

    def interrupted(*chosen):
        members = make_deliveries(*chosen)
        if once:
            once.pop()()
        return members

    monkeypatch.setattr(ranges, "make_deliveries", interrupted)


def test_a_reader_erased_while_their_range_is_chosen_is_not_in_it(ten):
    with transaction.atomic():
        everybody()[1].delete()
        planner = in_thread(lambda: plan_next_range(ten.pk))
        planner.join(0.5)
        assert planner.is_alive(), "it waits for whoever erases"
    planner.join(60)
    assert [batch.size for batch in batches(ten)] == [2, 2]
    assert "reader0002@readers.example" not in outcomes(ten)
    balanced(ten)
    plan_all(ten)
    assert ten.planned == 9
    assert [batch.size for batch in batches(ten)] == [2, 2, 2, 2, 1]
    balanced(ten)


def test_who_erases_waits_for_no_more_than_the_end_of_one_range(ten, monkeypatch):
    threads, failures = [], []

    def erase():
        try:
            erasing.forget("reader0002@readers.example", readers.LINK)
        except DatabaseError as error:
            failures.append(error)

    def begin():
        threads.append(in_thread(erase))
        threads[0].join(0.3)

    in_the_middle_of_a_range(monkeypatch, begin)
    assert plan_next_range(ten.pk)
    threads[0].join(60)
    assert not threads[0].is_alive(), "the other ranges need not be planned first"
    assert failures == []
    plan_all(ten)
    balanced(ten)
    assert ten.planned == 10


def test_a_reader_who_moves_to_another_address_in_the_middle_of_their_range_stays_in_it(ten, api, monkeypatch):
    reader = everybody()[1]

    def move():
        readers.move(reader, "new@readers.example")

    threads = []
    in_the_middle_of_a_range(monkeypatch, lambda: threads.append(in_thread(move)))
    plan_all(ten)
    threads[0].join(60)
    deliver_all(ten)
    assert ten.planned == 10
    assert "new@readers.example" in api.times_mailed
    balanced(ten)


@pytest.mark.parametrize(("act", "state"), [(pause, "paused"), (cancel, "cancelled")])
def test_who_pauses_or_cancels_waits_for_no_more_than_one_range(ten, monkeypatch, act, state):
    threads = []

    def begin():
        threads.append(in_thread(lambda: act(ten.pk)))
        threads[0].join(0.3)
        assert threads[0].is_alive(), "it waits for the row of the send"

    in_the_middle_of_a_range(monkeypatch, begin)
    assert plan_next_range(ten.pk)
    threads[0].join(60)
    assert not threads[0].is_alive()
    plan_all(ten)
    balanced(ten)
    assert ten.state == state
    assert ten.planned == (10 if act is pause else 4)
