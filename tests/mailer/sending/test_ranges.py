# ruff: noqa: F811 — the fixtures are those of in_ranges
"""A send that is planned in ranges: the same subscribers as in one transaction, whoever is killed, and nobody twice."""

import re
import threading
import time

import pytest
from django.db import DatabaseError, connection, transaction

from mailer import concurrency
from mailer.models import REHEARSAL, Batch, Delivery, Planning, Send
from mailer.publishing.reporting import in_words
from mailer.sending import planning, ranges, statements
from mailer.sending.accounting import count, receipt
from mailer.sending.claiming import claim_next
from mailer.sending.existing import Action, discard_unsent, same_source_elsewhere, what_to_do
from mailer.sending.feeding import feed, feed_slots
from mailer.sending.lifecycle import WrongState, finish_if_done
from mailer.sending.planning import schedule_send
from mailer.sending.ranges import plan_next_range
from mailer.sending.restore_guard import adopt
from mailer.sending.scheduling import fire_due
from mailer.sending.steering import cancel, pause, resume
from mailer.store import clock
from subscribers import optin, undoing
from subscribers.models import Subscriber
from subscribers.records import Origin
from tests import readers
from tests.mailer.sending.in_ranges import _ranges_of_four, plan_all, ten  # noqa: F401 — a stage of its own
from tests.mailer.sending.outgoing import (
    a_plan,
    balanced,
    batches,
    deliver_all,
    everybody,
    in_thread,
    outcomes,
    planned,
    sha256,
    states,
)
from tests.older import database_of

pytestmark = pytest.mark.django_db


def addresses(send: Send) -> list[str]:
    return list(outcomes(send))


def test_up_to_the_limit_a_send_is_planned_in_one_transaction(api):
    readers.crowd(5)
    assert planned().state == Send.State.SENDING
    assert not Planning.objects.exists()


def test_sqlite_plans_in_one_transaction_however_many_there_are(monkeypatch):
    monkeypatch.undo()
    assert set(planning.IN_RANGES_ABOVE) == {"postgresql"}
    assert planning.IN_RANGES_ABOVE["postgresql"] == 500_000


def test_nothing_of_a_send_is_claimed_before_all_of_it_is_planned(ten, api):
    assert (ten.state, ten.planned) == (Send.State.PLANNING, 0)
    assert plan_next_range(ten.pk)
    ten.refresh_from_db()
    assert (ten.state, ten.planned, states(ten)) == (Send.State.PLANNING, 4, ["planned", "planned"])
    assert claim_next(ten.pk) is None
    assert not finish_if_done(ten.pk)
    balanced(ten)
    assert plan_all(ten) == 2
    assert (ten.state, ten.planned) == (Send.State.SENDING, 10)
    assert [batch.size for batch in batches(ten)] == [2, 2, 2, 2, 2]
    assert not Planning.objects.exists()
    deliver_all(ten)
    balanced(ten)
    assert set(api.times_mailed.values()) == {1}
    assert len(api.times_mailed) == 10


@pytest.mark.parametrize(("subscribers", "sizes"), [(6, [2, 2, 2]), (8, [2, 2, 2, 2]), (9, [2, 2, 2, 2, 1])])
def test_the_batches_are_those_of_one_transaction(api, subscribers, sizes):
    readers.everybody("jianbao")
    readers.crowd(subscribers)
    send = planned()
    plan_all(send)
    assert [batch.size for batch in batches(send)] == sizes
    assert addresses(send) == [f"reader{number:04}@readers.example" for number in range(1, subscribers + 1)]
    balanced(send)


def test_those_who_join_meanwhile_are_not_in_it_whenever_they_signed_up(api):
    ben = readers.pending()
    readers.crowd(7)
    send = planned()
    optin.confirm(ben.public_id, "weekly", readers.LINK)
    readers.confirmed()
    plan_all(send)
    assert addresses(send) == [f"reader{number:04}@readers.example" for number in range(1, 8)]


def test_those_who_leave_meanwhile_are_not_planned_or_skipped(ten, api):
    first, *_, last = everybody()
    plan_next_range(ten.pk)
    for reader in (first, last):
        optin.unsubscribe(reader.public_id, "weekly", readers.LINK)
    plan_all(ten)
    assert ten.planned == 9
    assert last.email not in addresses(ten)
    deliver_all(ten)
    assert outcomes(ten)[first.email] == ("skipped", "unsubscribed")
    assert not {first.email, last.email} & set(api.times_mailed)
    balanced(ten)


@pytest.mark.parametrize("times", [1, 2])
def test_those_who_undo_their_leaving_meanwhile_are_in_it(times, api):
    readers.crowd(6)
    ada, cleo = readers.confirmed(), readers.confirmed(who=readers.CLEO)
    send = planned()
    for _ in range(times):
        optin.unsubscribe(ada.public_id, "weekly", Origin(how="page"))
        assert undoing.undo(ada.public_id, "weekly", leaving_of(ada), readers.LINK)
    optin.unsubscribe(cleo.public_id, "weekly", Origin(how="page"))
    plan_all(send)
    assert ada.email in addresses(send)
    assert cleo.email not in addresses(send)
    balanced(send)


def test_those_who_leave_and_join_anew_are_not_in_it_even_if_they_undo_a_leaving_after_that(api):
    readers.crowd(6)
    ada = readers.confirmed()
    send = planned()
    optin.unsubscribe(ada.public_id, "weekly", Origin(how="page"))
    readers.confirmed()
    optin.unsubscribe(ada.public_id, "weekly", Origin(how="page"))
    assert undoing.undo(ada.public_id, "weekly", leaving_of(ada), readers.LINK)
    plan_all(send)
    assert ada.email not in addresses(send)


def leaving_of(reader: Subscriber) -> str:
    return str(reader.consents.filter(step="unsubscribed").latest("pk").pk)


def test_if_everybody_left_before_their_range_the_send_ends(ten):
    for reader in everybody():
        optin.unsubscribe(reader.public_id, "weekly", readers.LINK)
    pause(ten.pk)
    assert plan_all(ten) == 1
    assert (ten.state, ten.planned, batches(ten)) == (Send.State.FINISHED, 0, [])


def test_a_worker_killed_in_the_middle_of_a_range_leaves_nothing_of_it(ten, monkeypatch):
    plan_next_range(ten.pk)
    make_deliveries = ranges.make_deliveries

    def power_cut(*chosen):
        make_deliveries(*chosen)
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(ranges, "make_deliveries", power_cut)
        with pytest.raises(KeyboardInterrupt), transaction.atomic():
            plan_next_range(ten.pk)
    ten.refresh_from_db()
    assert (ten.planned, Batch.objects.count(), Delivery.objects.count()) == (4, 2, 4)
    plan_all(ten)
    assert [batch.size for batch in batches(ten)] == [2, 2, 2, 2, 2]
    balanced(ten)


@pytest.mark.django_db(transaction=True)
def test_of_any_number_of_workers_at_once_each_range_is_planned_by_one(api, monkeypatch):
    monkeypatch.setattr(ranges, "RANGE", 2)
    readers.crowd(41)
    send = planned()
    together, failures = threading.Barrier(6, timeout=60), []

    def work():
        together.wait()
        try:
            while Planning.objects.exists():
                plan_next_range(send.pk)
        except DatabaseError as error:
            failures.append(error)

    for thread in [in_thread(work) for _ in range(6)]:
        thread.join(60)
    assert failures == []
    balanced(send)
    assert (send.state, send.planned, Delivery.objects.count()) == (Send.State.SENDING, 41, 41)
    assert [batch.number for batch in batches(send)] == list(range(21))
    assert [batch.size for batch in batches(send)] == [2] * 20 + [1]


@pytest.mark.django_db(transaction=True)
def test_a_hint_lets_a_worker_plan_and_then_send(ten, api):
    feed(ten.pk)
    balanced(ten)
    assert (ten.state, len(api.times_mailed)) == (Send.State.FINISHED, 10)


@pytest.mark.django_db(transaction=True)
def test_without_hints_the_sweep_goes_on_where_a_worker_was_killed(ten, api):
    plan_next_range(ten.pk)
    feed_slots()
    assert concurrency.issues.wait_until_idle(time.monotonic() + 60) == 0
    balanced(ten)
    assert (ten.state, len(api.times_mailed)) == (Send.State.FINISHED, 10)


def test_a_schedule_to_many_is_planned_in_ranges_when_it_fires(api):
    readers.crowd(6)
    send = schedule_send(a_plan(), clock.now())
    fire_due()
    send.refresh_from_db()
    assert send.state == Send.State.PLANNING
    plan_all(send)
    assert (send.state, send.planned) == (Send.State.SENDING, 6)


def test_max_per_hour_counts_from_the_end_of_the_plan(ten):
    Send.objects.update(max_per_hour=24)
    plan_next_range(ten.pk)
    before = clock.now()
    plan_all(ten)
    due = [batch.not_before for batch in batches(ten)]
    assert due[0] > before
    assert [round((later - due[0]).total_seconds() / 60) for later in due] == [0, 5, 10, 15, 20]


def test_a_worker_of_another_provider_lets_it_be(ten, settings):
    settings.PROVIDER = "api.sendgrid.com"
    assert not plan_next_range(ten.pk)
    assert Delivery.objects.count() == 0


# -------------------------------------------------------------- pause, resume, cancel, hold


def test_a_pause_takes_effect_when_the_plan_is_whole(ten, api):
    plan_next_range(ten.pk)
    pause(ten.pk)
    assert claim_next(ten.pk) is None
    plan_all(ten)
    assert (ten.state, ten.reason, ten.planned) == (Send.State.PAUSED, "", 10)
    resume(ten.pk)
    deliver_all(ten)
    balanced(ten)
    assert len(api.times_mailed) == 10


def test_a_pause_is_taken_back_while_planning(ten):
    pause(ten.pk)
    resume(ten.pk)
    plan_all(ten)
    assert ten.state == Send.State.SENDING


def test_what_is_planned_and_not_paused_cannot_be_resumed(ten):
    with pytest.raises(WrongState, match="planning"):
        resume(ten.pk)


def test_a_cancel_acts_between_two_ranges(ten):
    plan_next_range(ten.pk)
    cancel(ten.pk)
    assert not plan_next_range(ten.pk)
    balanced(ten)
    assert (ten.state, states(ten)) == (Send.State.CANCELLED, ["cancelled", "cancelled"])
    assert what_to_do(ten, sha256("second source")) is Action.REPLACE
    assert discard_unsent(ten)


def test_the_notice_of_the_last_send_lets_it_start_paused(api):
    readers.crowd(6)
    deliver_all(former := planned(slug="2026-11-13", source="former"))
    plan_all(former)
    Send.objects.update(notice="too many bounces")
    send = planned()
    plan_all(send)
    assert (send.state, send.reason) == (Send.State.PAUSED, "too many bounces")


def test_a_restored_backup_with_a_half_planned_send_is_paused_once_it_is_planned(ten, settings):
    plan_next_range(ten.pk)
    (settings.HOME / "attempts.json").write_text("unreadable")
    assert adopt().paused == (ten.slug,)
    plan_all(ten)
    assert ten.is_held


# -------------------------------------------------------------- what others see


def test_it_counts_as_sent_for_whoever_sends_the_same_again(ten):
    assert what_to_do(ten, sha256("first source")) is Action.ATTACH
    assert what_to_do(ten, sha256("second source")) is Action.REFUSE
    assert same_source_elsewhere("weekly", "renamed", sha256("first source")) == ten
    assert not discard_unsent(ten)


def test_a_rehearsal_gives_way_to_the_next_one_in_the_middle_of_a_plan(settings):
    settings.PROVIDER = REHEARSAL
    readers.crowd(6)
    former = planned()
    plan_next_range(former.pk)
    send = planned()
    assert not plan_next_range(former.pk)
    plan_all(send)
    assert Planning.objects.count() == 0
    assert Delivery.objects.count() == 6


def test_its_progress_is_told(ten):
    plan_next_range(ten.pk)
    ten.refresh_from_db()
    said = list(in_words(ten))
    assert said[0] == "weekly/2026-11-20: planning, 4 of ~10"
    assert "planned 4 = accepted 0" in said[1]
    assert any("No email has gone out yet" in one for one in said)
    assert (receipt(ten)["state"], receipt(ten)["planned"], receipt(ten)["expected"]) == ("planning", 4, 10)
    pause(ten.pk)
    assert any(f"mailer resume {ten.slug}" in one for one in in_words(ten))
    plan_all(ten)
    assert receipt(ten)["expected"] is None


def test_the_equation_holds_for_one_who_read_the_send_before_the_last_range(ten):
    plan_next_range(ten.pk)
    seen = Send.objects.get()
    plan_next_range(ten.pk)
    sums = count(seen)
    assert sums.planned == sums.waiting == 8


# -------------------------------------------------------------- older versions


def test_the_statement_by_which_older_workers_claim_passes_it_by(ten):
    """Version 0.2.0 claims, finishes and feeds only what is `sending`; so does this one, by the same statement."""
    plan_next_range(ten.pk)
    assert "state = 'sending'" in statements._RUNNING_SEND
    assert statements.share_running_send(ten.pk) is None


@pytest.mark.django_db(transaction=True)
def test_the_migration_is_not_reversed_while_a_send_is_half_planned(ten):
    plan_next_range(ten.pk)
    with (
        pytest.raises(RuntimeError, match=f"{ten.slug} is being planned; wait"),
        database_of(("mailer", "0016_next_batch")),
    ):
        raise AssertionError("it was reversed")
    plan_all(ten)
    with database_of(("mailer", "0016_next_batch")):
        assert Delivery.objects.count() == 10
    balanced(ten)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="it is about a plan of PostgreSQL")
def test_a_range_reads_no_subscriber_before_it(api):
    """A merge join read all of them again for each range."""
    readers.crowd(60)
    send = planned()
    Planning.objects.update(position=everybody()[49].pk)
    left = ranges._not_yet_planned(send, Planning.objects.get())
    sql, parameters = left.values("subscriber_id")[:4].query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL enable_nestloop = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_seqscan = off"
        )
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", parameters)
        plan = str(cursor.fetchone()[0])
    assert "Merge Join" in plan
    assert max(float(rows) for rows in re.findall(r"'Actual Rows': ([0-9.]+)", plan)) <= 10
