"""The table of settling, through the real client against a provider that fails in each way."""

import json
import socket
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mailer.models import Attempt, Batch, CircuitBreaker, Send
from mailer.providers.answers import Accepted, RecipientsRejected
from mailer.providers.messages import InvalidMessage
from mailer.sending import delivering, statements
from mailer.sending.accounting import count
from mailer.sending.settling import settle
from mailer.sending.steering import resume
from tests import readers
from tests.clocks import StandingClock
from tests.mailer.sending.outgoing import (
    attempts,
    balanced,
    batch_of,
    claimed,
    deliver_all,
    deliver_batch,
    outcomes,
    planned,
    states,
)

pytestmark = pytest.mark.django_db


def deliver(send: Send) -> Batch:
    """Deliver the first batch of the send, and check the equation."""
    deliver_batch(batch_of(send).pk)
    balanced(send)
    return batch_of(send)


@pytest.fixture
def clock(monkeypatch) -> StandingClock:
    """Stop the clock, so that a busy machine does not use up the seconds that `closed_for` returns."""
    return StandingClock(monkeypatch)


def closed_for(send: Send) -> float:
    """Return for how many seconds the circuit breaker stays open."""
    until = CircuitBreaker.objects.values_list("open_until", flat=True).filter(account=send.account_id).first()
    return (until - timezone.now()).total_seconds() if until else 0.0


def test_202_accepts_all_of_the_batch_and_ends_the_send(four, api):
    batch = deliver(four)
    assert (batch.state, batch.settled_by, attempts(four)) == ("accepted", "worker", ["accepted"])
    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.message_id) == (202, api.accepted[0]["message_id"])
    assert api.accepted[0]["attempt"] == str(attempt.pk)
    assert sorted(api.times_mailed) == sorted(outcomes(four))
    assert four.state == Send.State.FINISHED
    assert four.first_request_at <= four.last_request_at <= four.finished_at


def test_the_time_of_the_last_request_is_noted_now_and_then_and_exact_in_the_end(api, db, settings, monkeypatch):
    settings.MAILER_BATCH_SIZE = 1
    monkeypatch.setattr(statements, "NOTED_EVERY", timedelta(hours=1))
    readers.crowd(3)
    send, noted = planned(), []
    for number in range(3):
        settle(claimed(send, number), Accepted("1"))
        send.refresh_from_db()
        noted.append(send.last_request_at)
    ended = list(Attempt.objects.order_by("ended_at").values_list("ended_at", flat=True))
    assert noted == [ended[0], ended[0], ended[2]]


def test_each_reader_gets_a_link_of_their_own(four, api):
    deliver(four)
    links = {one["email"]: one["unsubscribe_url"] for one in api.recipients}
    assert len(set(links.values())) == 4
    assert all(link.startswith("https://news.example.com/unsubscribe/") for link in links.values())
    assert all(one["header"] == f"<{one['unsubscribe_url']}>" for one in api.recipients)


def test_all_requests_of_a_send_say_the_same_whatever_changes_meanwhile(two_batches, api, settings):
    deliver_batch(batch_of(two_batches, 0).pk)
    settings.NEWSLETTERS = {"weekly": replace(settings.NEWSLETTERS["weekly"], name="Renamed", from_email="x@y.example")}
    settings.BASE_URL = "https://elsewhere.example.com"
    settings.MAILER_BATCH_SIZE = 1
    deliver_batch(batch_of(two_batches, 1).pk)
    first, second = api.accepted
    for part in ("subject", "from", "headers", "content"):
        assert first[part] == second[part]
    assert all("//news.example.com/" in one["unsubscribe_url"] for one in api.recipients)


def test_a_connection_that_was_refused_leaves_the_readers_waiting(four, api, clock):
    api.refuse_connections()
    batch = deliver(four)
    assert (batch.state, batch.current_attempt, attempts(four)) == ("planned", None, ["unsent"])
    assert 0 < closed_for(four) <= 2
    assert four.state == Send.State.SENDING
    api.listen()
    deliver_all(four)
    assert set(api.times_mailed.values()) == {1}


def test_a_server_that_does_not_speak_tls_leaves_the_readers_waiting(four, api, settings):
    settings.SENDGRID_API_URL = api.url.replace("http:", "https:")
    assert deliver(four).state == "planned"
    assert attempts(four) == ["unsent"]


def test_429_opens_the_breaker_until_the_reset(four, api, clock):
    api.fail("too many", seconds=30)
    batch = deliver(four)
    assert (batch.state, attempts(four)) == ("planned", ["refused"])
    assert 25 < closed_for(four) <= 30
    deliver(four)
    assert len(api.requests) == 1
    deliver_all(four)
    assert set(api.times_mailed.values()) == {1}


def test_readers_whom_the_provider_names_are_rejected_and_the_others_get_it_at_once(four, api):
    api.bad_addresses = {"reader0002@readers.example", "reader0004@readers.example"}
    batch = deliver(four)
    assert (batch.state, batch.rejected, attempts(four)) == ("planned", 2, ["refused"])
    assert outcomes(four)["reader0002@readers.example"] == ("rejected", "Does not contain a valid address.")
    assert outcomes(four)["reader0001@readers.example"] == (None, None)
    assert closed_for(four) == 0
    deliver_all(four)
    assert sorted(api.times_mailed) == ["reader0001@readers.example", "reader0003@readers.example"]
    assert (count(four).accepted, count(four).rejected, four.state) == (2, 2, Send.State.FINISHED)


def test_a_thousand_rejections_hold_the_row_of_the_send_no_longer_than_three(api):
    """One statement per message, and each subscriber keeps the message that the provider gave for them."""
    readers.crowd(40)
    send = planned()
    claim = claimed(send)
    messages = {number: f"reason {number % 3}" for number in range(35)}
    with CaptureQueriesContext(connection) as captured:
        settle(claim, RecipientsRejected(messages, 400))
    rejecting = [query["sql"] for query in captured if query["sql"].startswith('UPDATE "mailer_delivery"')]
    assert len(rejecting) == 3
    balanced(send)
    addresses = claim.members.emails
    assert {email: reason for email, (_, reason) in outcomes(send).items() if reason} == {
        addresses[number]: reason for number, reason in messages.items()
    }


def test_when_every_reader_is_refused_by_name_nothing_is_left_to_send(four, api):
    api.bad_addresses = set(outcomes(four))
    assert deliver(four).state == "empty"
    assert (count(four).rejected, four.state) == (4, Send.State.FINISHED)


def test_the_only_reader_refused_by_name_makes_the_batch_refused(api):
    readers.crowd(1)
    send = planned()
    api.bad_addresses = set(outcomes(send))
    assert deliver(send).state == "refused"
    assert (count(send).rejected, send.state) == (1, Send.State.FINISHED)


@pytest.mark.parametrize("fault", ["unauthorized", "no credits", "forbidden", "redirect"])
def test_a_refusal_of_the_whole_send_pauses_it_with_the_providers_message(four, api, fault):
    api.fail(fault)
    batch = deliver(four)
    assert (batch.state, attempts(four)) == ("planned", ["refused"])
    assert four.state == Send.State.PAUSED
    words = {
        "unauthorized": "401 Unauthorized: The provided authorization grant is invalid, expired, or revoked",
        "no credits": "401 Unauthorized: Maximum credits exceeded",
        "forbidden": "403 Forbidden: The from address does not match a verified Sender Identity. (from)",
        "redirect": "302 Found",
    }
    assert four.reason == words[fault]
    assert api.accepted == []
    resume(four.pk)
    deliver_all(four)
    assert set(api.times_mailed.values()) == {1}


@pytest.mark.parametrize("field", ["content.0.value", "subject", "personalizations.99.to", "from.email"])
def test_a_400_with_any_other_place_pauses_the_send(four, api, field):
    api.fail("answer", status=400, body=json.dumps({"errors": [{"message": "is wrong", "field": field}]}))
    assert deliver(four).state == "planned"
    assert four.state == Send.State.PAUSED
    assert "is wrong" in four.reason
    assert count(four).rejected == 0


@pytest.mark.parametrize(
    ("fault", "options", "status"),
    [
        ("error before accepting", {}, 503),
        ("error before accepting", {"status": 408}, 408),
        ("error after accepting", {}, 500),
        ("200", {}, 200),
        ("close before accepting", {}, None),
        ("close after accepting", {}, None),
        ("hang before accepting", {}, None),
        ("hang after accepting", {}, None),
        ("late", {"seconds": 3}, None),
        ("trickle", {"seconds": 0.5}, None),
        ("cut status line", {}, 202),
        ("cut headers", {}, 202),
    ],
)
def test_what_nobody_can_know_is_unknown_and_not_sent_again(four, api, clock, settings, fault, options, status):
    settings.MAILER_HTTP_TIMEOUT = 0.5
    api.fail(fault, **options)
    batch = deliver(four)
    assert (batch.state, batch.was_unknown, attempts(four)) == ("unknown", True, ["unknown"])
    assert str(batch.current_attempt) == api.requests[0]["attempt"]
    assert Attempt.objects.get().status == status
    assert Attempt.objects.get().detail
    assert (count(four).unknown, four.state) == (4, Send.State.FINISHED)
    assert 0 < closed_for(four) <= 2
    deliver_all(four)
    assert len(api.requests) == 1


def test_a_202_whose_body_was_cut_off_is_a_202(four, api):
    api.fail("cut body")
    assert deliver(four).state == "accepted"


def test_a_worker_that_was_stopped_before_the_first_byte_does_not_post(four, api, monkeypatch):
    monkeypatch.setattr(delivering, "FIRST_BYTE_WITHIN", -1.0)
    batch = deliver(four)
    assert (batch.state, attempts(four), api.requests) == ("planned", ["unsent"], [])
    assert closed_for(four) == 0
    monkeypatch.undo()
    deliver_all(four)
    assert set(api.times_mailed.values()) == {1}


def test_a_request_that_cannot_be_built_pauses_the_send_and_loses_nobody(four, api):
    Send.objects.update(subject="two\nlines")
    with pytest.raises(InvalidMessage):
        deliver_batch(batch_of(four).pk)
    balanced(four)
    assert (states(four), attempts(four)) == (["planned"], ["unsent"])
    assert four.state == Send.State.PAUSED
    assert "InvalidMessage" in four.reason


@pytest.mark.django_db(transaction=True)
def test_losing_the_database_between_claim_and_request_does_not_pause_the_send(four, api, monkeypatch):
    read = delivering._frozen.__wrapped__

    def lost(send):
        monkeypatch.setattr(delivering, "_frozen", read)
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(delivering, "_frozen", lost)
    deliver(four)
    assert (states(four), attempts(four), api.requests) == (["planned"], ["unsent"], [])
    assert four.state == Send.State.SENDING


@pytest.mark.django_db(transaction=True)
def test_an_answer_is_written_although_the_database_is_away_for_a_moment(four, api, monkeypatch):
    real = connections["default"]
    commit, failures = real._commit, []

    def fail_once_accepted():
        if api.accepted and len(failures) < 2:
            failures.append(1)
            real.connection.rollback()
            raise OperationalError("the database system is shutting down")
        commit()

    monkeypatch.setattr(real, "_commit", fail_once_accepted)
    assert deliver(four).state == "accepted"
    assert len(failures) == 2
    assert len(api.requests) == 1


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_was_written_as_the_connection_broke_is_not_taken_for_a_second_one(
    four, api, monkeypatch, caplog
):
    real = connections["default"]
    commit, failures = real._commit, []

    def break_after_commit():
        commit()
        if api.accepted and not failures:
            failures.append(1)
            raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(real, "_commit", break_after_commit)
    assert deliver(four).state == "accepted"
    assert "twice" not in caplog.text


def test_the_log_names_no_reader(four, api, caplog, settings):
    settings.MAILER_HTTP_TIMEOUT = 0.5
    caplog.set_level("DEBUG")
    api.bad_addresses = {"reader0001@readers.example"}
    deliver(four)
    api.fail("error after accepting")
    deliver(four)
    assert "readers.example" not in caplog.text
    assert api.key not in caplog.text


def test_a_request_after_a_long_pause_opens_a_new_connection(two_batches, api):
    deliver_batch(batch_of(two_batches, 0).pk)
    api.close_connections()
    deliver_batch(batch_of(two_batches, 1).pk)
    assert states(two_batches) == ["accepted", "accepted"]


def test_a_provider_that_does_not_listen_is_asked_once_each_time_the_breaker_closes(four, clock, settings):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        settings.SENDGRID_API_URL = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        for _ in range(3):
            deliver(four)
    assert attempts(four) == ["unsent"]
    assert CircuitBreaker.objects.get().streak == 1
    assert CircuitBreaker.objects.get().open_until <= timezone.now() + timedelta(seconds=2)


def test_the_log_names_the_cause_of_an_unknown_outcome_and_quotes_nobody(four, api, caplog):
    api.fail("answer", status=503, body="ada@readers.example is busy")
    deliver(four)
    (line,) = [record for record in caplog.records if record.message == "outcome unknown"]
    assert (line.send, line.issue, line.batch, line.because) == (four.pk, four.slug, 0, "the provider answered 503")
    assert "ada@readers.example" not in caplog.text


def test_the_log_names_a_lost_answer(four, api, caplog):
    api.fail("close after accepting")
    deliver(four)
    (line,) = [record for record in caplog.records if record.message == "outcome unknown"]
    assert line.because.startswith("no answer came")
