import threading
import time
import uuid
from datetime import timedelta
from itertools import product

import pytest
from django.db import InterfaceError, OperationalError, connection, connections, transaction
from django.utils import timezone

from mailer.models import REHEARSAL, Attempt, Batch, Delivery, HardBounce, Send
from mailer.sending import circuit_breaker, claiming, statements
from mailer.sending.steering import pause, resume
from mailer.sending.worker_locks import this_worker
from subscribers import optin
from subscribers.models import Subscription, Suppression
from tests import readers
from tests.mailer.sending.outgoing import (
    attempts,
    balanced,
    batch_of,
    claim,
    claimed,
    close_breaker,
    deliver_batch,
    everybody,
    in_thread,
    outcomes,
    planned,
    states,
)

pytestmark = pytest.mark.django_db


def leave(reader):
    optin.unsubscribe(reader.public_id, "weekly", readers.LINK)


@pytest.mark.django_db(transaction=True)
def test_the_attempt_is_committed_before_the_provider_sees_the_request(four, api):
    seen = []

    def look(payload):
        seen.append(
            (
                Attempt.objects.get(pk=payload["custom_args"]["mailer_attempt"]).state,
                batch_of(four).state,
                str(batch_of(four).current_attempt) == payload["custom_args"]["mailer_attempt"],
            )
        )
        connection.close()
        return False

    api.fail("forbidden", when=look)  # never met: only to look from within the request, by another connection
    deliver_batch(batch_of(four).pk)
    assert seen == [("open", "posting", True)]
    assert states(four) == ["accepted"]


def test_a_claim_says_who_is_mailed_and_until_when_it_holds(four, settings):
    settings.MAILER_LEASE = 60
    before, began = timezone.now(), time.monotonic()
    taken = claimed(four)
    attempt = Attempt.objects.get()
    assert list(taken.members.emails) == list(outcomes(four))
    assert (attempt.pk, attempt.worker, attempt.members, attempt.state) == (taken.attempt, this_worker(), 4, "open")
    assert attempt.lease_until == taken.lease_until
    assert before <= taken.lease_until - timedelta(seconds=60) <= timezone.now()
    assert began <= taken.committed <= time.monotonic()
    four.refresh_from_db()
    assert four.first_request_at >= before


def test_a_second_claimant_gets_nothing(four):
    claimed(four)
    assert claim(batch_of(four).pk) is None
    assert len(attempts(four)) == 1


@pytest.mark.django_db(transaction=True)
def test_of_claimants_at_the_same_moment_one_gets_the_batch(four):
    together, got = threading.Barrier(6, timeout=60), []

    def try_it():
        together.wait()
        got.append(claim(batch_of(four).pk))

    for thread in [in_thread(try_it) for _ in range(6)]:
        thread.join(60)
    assert len(got) == 6
    assert sum(one is not None for one in got) == 1
    assert attempts(four) == ["open"]


def test_a_subscriber_who_left_since_the_plan_is_skipped_with_the_reason(db, api):
    people = readers.crowd(6)
    send = planned()
    leave(people[0])
    optin.suppress(people[1].suppression_hash, Suppression.Reason.BOUNCE, readers.LINK)
    optin.suppress(people[2].suppression_hash, Suppression.Reason.COMPLAINT, readers.LINK)
    people[3].delete()
    Subscription.objects.filter(subscriber=people[4]).update(state=Subscription.State.PENDING)
    taken = claimed(send)
    assert taken.members.emails == (people[5].email,)
    assert sorted(outcome for outcome in outcomes(send).values() if outcome[0]) == [
        ("skipped", "erased"),
        ("skipped", "not confirmed"),
        ("skipped", "suppressed: bounce"),
        ("skipped", "suppressed: complaint"),
        ("skipped", "unsubscribed"),
    ]
    assert batch_of(send).skipped == 5
    assert Attempt.objects.get().members == 1
    balanced(send)


WISHES = ["pending", "active", "unsubscribed", "deleted"]
HELD_UNTIL = [None, timedelta(days=-1), timedelta(days=1)]


def test_both_ways_of_the_last_look_mail_the_same_people(db):
    """Of every kind of subscriber there is, each with all others in the same batch."""
    kinds = list(product(WISHES, [None, *Suppression.Reason.values], HELD_UNTIL, [False, True], [False, True]))
    people = readers.crowd(len(kinds))
    earlier, send = planned(slug="earlier", source="earlier"), planned()
    for reader, (wish, suppressed, held, forgiven, erased) in zip(people, kinds, strict=True):
        subscription = Subscription.objects.filter(subscriber=reader)
        subscription.delete() if wish == "deleted" else subscription.update(state=wish)
        if suppressed:
            Suppression.objects.create(hash=reader.suppression_hash, reason=suppressed)
        HardBounce.objects.create(
            delivery=Delivery.objects.get(send=earlier, subscriber=reader),
            send=earlier,
            hash=reader.suppression_hash,
            domain="readers.example",
            at=timezone.now(),
            dropped=False,
            held_until=held and timezone.now() + held,
            forgiven=forgiven,
        )
        if erased:
            reader.delete()
    batch, now = batch_of(send).pk, timezone.now()
    at_once = statements.mailable_members(batch, "weekly", now)
    assert len(at_once) == len([kind for kind in kinds if kind[0] == "active" and not (kind[1] or kind[4])]) - 1
    assert claiming._skip_who_left(batch, "weekly", now) == at_once
    # Nobody else is left in the batch, so from now on the database decides alone.
    assert statements.take_next_batch(send.pk, uuid.uuid4(), now) == (batch, len(at_once))


def test_a_batch_that_everybody_left_is_empty_and_makes_no_request(two_batches, api):
    for reader in everybody()[:2]:
        leave(reader)
    deliver_batch(batch_of(two_batches).pk)
    assert states(two_batches) == ["empty", "planned"]
    assert api.requests == []
    assert attempts(two_batches) == []
    balanced(two_batches)


def test_a_send_that_everybody_left_is_finished_without_a_request(four, api):
    for reader in everybody():
        leave(reader)
    deliver_batch(batch_of(four).pk)
    four.refresh_from_db()
    assert (four.state, four.first_request_at, api.requests) == (Send.State.FINISHED, None, [])


def test_an_empty_batch_does_not_take_the_way_of_the_one_claimant(two_batches):
    circuit_breaker.failed(two_batches.account_id, timezone.now(), "refused")
    close_breaker()
    for reader in everybody()[:2]:
        leave(reader)
    assert claim(batch_of(two_batches, 0).pk) is None
    assert claim(batch_of(two_batches, 1).pk) is not None


@pytest.mark.parametrize("provider", [REHEARSAL, "api.sendgrid.com"])
def test_batches_of_another_provider_are_left_alone(api, provider):
    readers.crowd(2)
    send = planned(provider=provider)
    assert claim(batch_of(send).pk) is None
    assert (states(send), attempts(send)) == (["planned"], [])


@pytest.mark.parametrize("state", ["scheduled", "paused", "cancelled", "finished"])
def test_a_send_that_does_not_run_is_not_claimed(four, state):
    Send.objects.update(state=state)
    assert claim(batch_of(four).pk) is None
    assert states(four) == ["planned"]


def test_a_batch_is_not_claimed_before_its_time(four):
    Batch.objects.update(not_before=timezone.now() + timedelta(minutes=1))
    assert claim(batch_of(four).pk) is None


def test_the_next_batch_is_found_in_an_index_however_many_went_out_before(four):
    Batch.objects.bulk_create(
        Batch(send=four, number=number, size=0, state=Batch.State.ACCEPTED if number < 900 else Batch.State.PLANNED)
        for number in range(1, 1000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE mailer_batch")
        on_postgres = connection.vendor == "postgresql"
        explain, skip = ("EXPLAIN", " FOR UPDATE SKIP LOCKED") if on_postgres else ("EXPLAIN QUERY PLAN", "")
        take = statements._TAKE_NEXT.format(skip=skip)
        cursor.execute(f"{explain} {take}", [uuid.uuid4().hex, four.pk, "2100-01-01 00:00:00"])
        plan = str(cursor.fetchall())
    assert "batch_next" in plan, plan


def test_a_batch_that_is_gone_is_ignored(four):
    gone = batch_of(four).pk
    four.delete()
    assert claim(gone) is None
    deliver_batch(gone)


def test_nothing_is_claimed_while_the_breaker_is_open(four):
    circuit_breaker.rate_limited(four.account_id, timezone.now(), 30, "too many requests")
    assert claim(batch_of(four).pk) is None
    assert (states(four), attempts(four)) == (["planned"], [])


def test_after_a_failure_one_claimant_at_a_time_has_the_way(two_batches):
    circuit_breaker.failed(two_batches.account_id, timezone.now(), "no connection")
    close_breaker()
    assert claim(batch_of(two_batches, 0).pk) is not None
    assert claim(batch_of(two_batches, 1).pk) is None
    assert states(two_batches) == ["posting", "planned"]
    assert outcomes(two_batches)["reader0003@readers.example"] == (None, None)


# -------------------------------------------------------------- the database is lost


@pytest.fixture
def lose_the_database(monkeypatch):
    """Break the next commit of an attempt, before or after the server got it, and keep the server down for a while."""

    def lose(error, heard, away=0):
        real = connections["default"]
        commit, connect = real._commit, real.connect
        left = [away]

        def break_once():
            if not Attempt.objects.exists():
                return commit()
            monkeypatch.setattr(real, "_commit", commit)
            monkeypatch.setattr(real, "connect", reconnect)
            if heard:
                commit()
            raise error("server closed the connection unexpectedly")

        def reconnect():
            if left[0]:
                left[0] -= 1
                raise OperationalError("the database system is starting up")
            connect()

        monkeypatch.setattr(real, "_commit", break_once)

    return lose


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
@pytest.mark.parametrize("away", [0, 1])
def test_a_claim_that_was_committed_while_the_connection_broke_is_given_back(four, lose_the_database, error, away):
    lose_the_database(error, heard=True, away=away)
    with pytest.raises(error):
        claim(batch_of(four).pk)
    assert (states(four), attempts(four)) == (["planned"], ["unsent"])
    assert batch_of(four).current_attempt is None
    assert claim(batch_of(four).pk) is not None


@pytest.mark.django_db(transaction=True)
def test_a_claim_that_was_not_committed_when_the_connection_broke_never_was(four, lose_the_database):
    lose_the_database(OperationalError, heard=False)
    with pytest.raises(OperationalError):
        claim(batch_of(four).pk)
    assert (states(four), attempts(four)) == (["planned"], [])


@pytest.mark.django_db(transaction=True)
def test_a_claim_given_back_frees_the_way_of_the_one_claimant(four, lose_the_database):
    circuit_breaker.failed(four.account_id, timezone.now(), "no connection")
    close_breaker()
    lose_the_database(OperationalError, heard=True)
    with pytest.raises(OperationalError):
        claim(batch_of(four).pk)
    assert claim(batch_of(four).pk) is not None


# -------------------------------------------------------------- pause and claim


@pytest.mark.django_db(transaction=True)
def test_a_claim_waits_for_a_pause_that_was_first(four):
    """The second one sees what the first did, also if that is of a version that knows only the lock of the row."""
    got, locked = [], threading.Event()

    def take():
        locked.wait(60)
        got.append(claim(batch_of(four).pk))

    thread = in_thread(take)
    with transaction.atomic():
        Send.objects.select_for_update().get(pk=four.pk)
        locked.set()
        time.sleep(0.2)
        Send.objects.filter(pk=four.pk).update(state=Send.State.PAUSED)
    thread.join(60)
    assert got == [None]
    assert attempts(four) == []


def test_what_was_paused_and_resumed_is_claimed(four):
    pause(four.pk)
    resume(four.pk)
    assert claim(batch_of(four).pk) is not None
