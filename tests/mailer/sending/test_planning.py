import threading

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from mailer.models import REHEARSAL, Batch, Delivery, Media, Send
from mailer.sending import planning
from mailer.sending.planning import NobodyToSend, audience_size, plan_send
from subscribers import erasing, optin
from subscribers.models import Subscription, Suppression
from tests import readers
from tests.mailer.sending.outgoing import (
    SKETCH,
    a_plan,
    attempts,
    balanced,
    batches,
    claimed,
    in_thread,
    outcomes,
    planned,
)

pytestmark = pytest.mark.django_db


def test_only_readers_who_confirmed_and_did_not_leave_are_planned():
    readers.everybody()
    assert audience_size("weekly") == 1
    send = planned()
    assert list(outcomes(send)) == [readers.ADA.email]
    assert (send.planned, send.state) == (1, Send.State.SENDING)


def test_readers_of_another_newsletter_are_not_planned():
    readers.confirmed("jianbao")
    readers.confirmed("weekly", readers.BEN)
    assert list(outcomes(planned())) == [readers.BEN.email]


@pytest.mark.parametrize(("readers_", "sizes"), [(1, [1]), (3, [3]), (4, [3, 1]), (6, [3, 3]), (7, [3, 3, 1])])
def test_readers_are_spread_over_batches_of_the_size_that_was_set(settings, readers_, sizes):
    settings.MAILER_BATCH_SIZE = 3
    readers.crowd(readers_)
    send = planned()
    assert [batch.size for batch in batches(send)] == sizes
    assert [batch.deliveries.count() for batch in batches(send)] == sizes
    balanced(send)


def test_batches_are_filled_in_the_order_of_subscribers_however_they_joined(settings):
    settings.MAILER_BATCH_SIZE = 3
    crowd = readers.crowd(8, "jianbao")
    for one in (crowd[number] for number in (5, 2, 7, 0, 3, 6, 1, 4)):
        Subscription.objects.create(subscriber=one, newsletter="weekly", state="active")
    send = planned()
    found = Delivery.objects.order_by("pk").values_list("subscriber", "batch__number")
    assert list(found) == [(one.pk, place // 3) for place, one in enumerate(crowd)]
    balanced(send)


@pytest.mark.parametrize(("suppressed", "sizes"), [(1, [3, 3]), (2, [3, 2]), (4, [3]), (7, [])])
def test_no_batch_is_planned_for_subscribers_whose_address_is_suppressed(settings, suppressed, sizes):
    settings.MAILER_BATCH_SIZE = 3
    crowd = readers.crowd(7)
    for one in crowd[:suppressed]:
        optin.suppress(one.suppression_hash, Suppression.Reason.BOUNCE, readers.LINK)
    if not sizes:
        with pytest.raises(NobodyToSend):
            planned()
        assert not Send.objects.exists()
        return
    send = planned()
    assert [batch.size for batch in batches(send)] == [batch.deliveries.count() for batch in batches(send)] == sizes
    assert list(outcomes(send)) == [one.email for one in crowd[suppressed:]]
    balanced(send)


def test_a_plan_with_too_few_batches_fails_and_leaves_nobody_out(settings, monkeypatch):
    settings.MAILER_BATCH_SIZE = 2
    readers.crowd(5)
    make_batches = planning.make_batches
    monkeypatch.setattr(planning, "make_batches", lambda send, members: make_batches(send, members - 1))
    with pytest.raises(IntegrityError), transaction.atomic():
        planned()
    assert not Send.objects.exists()


def test_all_that_a_request_needs_is_frozen():
    readers.confirmed()
    plan = a_plan()
    send = plan_send(plan)
    send.refresh_from_db()
    assert (send.subject, send.html, send.text, send.article) == (
        plan.issue.subject,
        plan.issue.html,
        plan.issue.text,
        plan.issue.article,
    )
    assert (send.from_email, send.from_name, send.reply_to) == (
        "editor@news.example.com",
        "The Weekly",
        "reply@news.example.com",
    )
    assert send.headers == dict(plan.headers)
    assert send.headers["List-ID"] == "The Weekly <weekly.news.example.com>"
    assert (send.base_url, send.placeholders) == ("https://news.example.com", dict(plan.issue.placeholders))
    assert (send.source_sha256, send.content_sha256) == (plan.issue.source_sha256, plan.issue.content_sha256)


def test_images_are_kept_once_each():
    readers.confirmed()
    planned(images=(SKETCH,))
    planned(slug="2026-11-27", images=(SKETCH,))
    kept = Media.objects.get()
    assert (kept.sha256, bytes(kept.content)) == (SKETCH.sha256, SKETCH.content)


def test_without_a_reader_nothing_is_written():
    readers.pending()
    with pytest.raises(NobodyToSend):
        planned(images=(SKETCH,))
    assert not Send.objects.exists()
    assert not Media.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_plan_that_fails_half_way_leaves_nothing(monkeypatch):
    readers.crowd(3)

    def power_cut(send, *chosen):
        raise KeyboardInterrupt

    monkeypatch.setattr(planning, "make_deliveries", power_cut)
    with pytest.raises(KeyboardInterrupt):
        planned()
    assert not Send.objects.exists()
    assert not Batch.objects.exists()


def test_a_second_real_send_of_an_issue_is_refused_by_the_database(api):
    readers.crowd(2)
    first = planned()
    with pytest.raises(IntegrityError), transaction.atomic():
        planned()
    with pytest.raises(IntegrityError), transaction.atomic():
        planned(provider="api.sendgrid.com")
    assert Send.objects.get() == first
    assert Delivery.objects.count() == 2


def test_a_rehearsal_gives_way_to_the_next_one():
    readers.crowd(2)
    first = planned(provider=REHEARSAL)
    readers.confirmed()
    second = planned(provider=REHEARSAL)
    assert Send.objects.get() == second
    assert second.pk != first.pk
    assert Delivery.objects.count() == 3


def test_a_rehearsal_without_a_reader_leaves_its_predecessor():
    reader = readers.confirmed()
    first = planned(provider=REHEARSAL)
    reader.delete()
    with pytest.raises(NobodyToSend):
        planned(provider=REHEARSAL)
    assert Send.objects.get() == first


def test_a_rehearsal_is_never_in_the_way_of_a_real_send():
    readers.confirmed()
    real = planned(provider="api.sendgrid.com")
    rehearsal = planned(provider=REHEARSAL)
    again = planned(provider=REHEARSAL)
    assert rehearsal.pk != again.pk
    assert set(Send.objects.all()) == {real, again}


@pytest.mark.django_db(transaction=True)
def test_a_rehearsal_gives_way_although_a_worker_is_at_it(settings):
    settings.MAILER_BATCH_SIZE = 1
    readers.crowd(2)
    first = planned()
    failures = []

    def settle_slowly(at_it, may_end):
        with transaction.atomic():
            Send.objects.select_for_update().get(pk=first.pk)
            claimed(first)
            at_it.set()
            may_end.wait(60)

    def replace():
        try:
            planned()
        except DatabaseError as error:
            failures.append(error)

    at_it, may_end = threading.Event(), threading.Event()
    worker = in_thread(lambda: settle_slowly(at_it, may_end))
    assert at_it.wait(60)
    editor = in_thread(replace)
    editor.join(0.5)
    may_end.set()
    worker.join(60)
    editor.join(60)
    assert failures == []
    assert Send.objects.get().pk != first.pk
    assert attempts(Send.objects.get()) == []


@pytest.mark.django_db(transaction=True)
def test_lanes_are_woken_once_the_plan_is_committed(settings, monkeypatch):
    settings.MAILER_BATCH_SIZE = 2
    readers.crowd(4)
    seen = []
    monkeypatch.setattr(
        "mailer.broker.enqueue", lambda task, row: seen.append((row, connection.in_atomic_block)) or True
    )
    send = planned()
    assert seen == [(send.pk, False)] * 2, "one for each batch, as many slots may take them"


@pytest.mark.django_db(transaction=True)
def test_readers_who_join_while_a_send_is_planned_come_in_whole_or_not_at_all(settings, monkeypatch):
    settings.MAILER_BATCH_SIZE = 2
    readers.crowd(4)
    make_batches = planning.make_batches

    def somebody_joins_meanwhile(send, *members):
        # SQLite lets nobody write meanwhile, so there is nothing to see.
        if connection.vendor == "postgresql":
            in_thread(readers.confirmed).join(60)
        return make_batches(send, *members)

    monkeypatch.setattr(planning, "make_batches", somebody_joins_meanwhile)
    send = planned()
    assert send.planned == Delivery.objects.count() == 4
    balanced(send)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL checks foreign keys by triggers, always")
@pytest.mark.django_db(transaction=True)
def test_a_plan_refers_to_rows_that_exist_although_sqlite_does_not_check_it(monkeypatch):
    readers.crowd(5)
    make_deliveries, checked = planning.make_deliveries, []

    def foreign_keys():
        with connection.cursor() as cursor:
            return cursor.execute("PRAGMA foreign_keys").fetchone()[0]

    def look(send, *chosen):
        checked.append(foreign_keys())
        return make_deliveries(send, *chosen)

    monkeypatch.setattr(planning, "make_deliveries", look)
    send = planned()
    connection.check_constraints()
    assert Delivery.objects.filter(send=send).count() == 5
    assert (checked, foreign_keys()) == ([0], 1)


def erased(email, failures):
    """Let somebody else erase the subscriber."""

    def forget():
        try:
            erasing.forget(email, readers.LINK)
        except DatabaseError as error:
            failures.append(error)

    return in_thread(forget)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite lets nobody write while a send is planned")
@pytest.mark.django_db(transaction=True)
def test_a_reader_who_is_erased_while_a_send_is_planned_is_not_in_it(monkeypatch):
    readers.crowd(3)
    make_batches, failures, goes = planning.make_batches, [], ["reader0002@readers.example"]

    def somebody_is_erased_meanwhile(send, *members):
        while goes:
            erased(goes.pop(), failures).join(60)
        return make_batches(send, *members)

    monkeypatch.setattr(planning, "make_batches", somebody_is_erased_meanwhile)
    send = planned()
    assert failures == []
    assert list(outcomes(send)) == ["reader0001@readers.example", "reader0003@readers.example"]
    balanced(send)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite lets nobody write while a send is planned")
@pytest.mark.django_db(transaction=True)
def test_erasing_waits_for_a_plan_that_is_being_committed(monkeypatch):
    """The commit checks every subscriber and locks them until it ends, a second for 100,000."""
    readers.crowd(3)
    make_deliveries, failures, threads = planning.make_deliveries, [], []

    def commit_slowly(send, *chosen):
        members = make_deliveries(send, *chosen)
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        threads.append(erased("reader0002@readers.example", failures))
        threads[0].join(0.3)
        return members

    monkeypatch.setattr(planning, "make_deliveries", commit_slowly)
    send = planned()
    threads[0].join(60)
    assert failures == []
    assert list(outcomes(send)) == ["reader0001@readers.example", None, "reader0003@readers.example"]
    balanced(send)


@pytest.mark.django_db(transaction=True)
def test_of_editors_who_plan_the_same_issue_at_once_one_succeeds_and_the_others_are_told(api):
    readers.crowd(3)
    together, results = threading.Barrier(5, timeout=60), []

    def plan():
        together.wait()
        try:
            results.append(planned(images=(SKETCH,)).pk)
        except IntegrityError:
            results.append("exists")

    for thread in [in_thread(plan) for _ in range(5)]:
        thread.join(60)
    assert sorted(map(str, results))[1:] == ["exists"] * 4
    assert Delivery.objects.count() == 3
