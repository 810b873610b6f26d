"""What settles an unknown request: evidence that it never arrived, or a person.

Silence alone emails nobody twice.
"""

import base64
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from mailer.events import processing
from mailer.models import Attempt, Batch, Event, ProviderAccount, Send
from mailer.sending.evidence import Doubt, full_wait
from mailer.sending.outcomes import plan_unknown_again
from mailer.sending.reconciling import (
    MayGetItTwice,
    doubts_of,
    resend_unknown,
    resend_what_never_arrived,
    unknown_of,
)
from mailer.sending.settling import settle
from mailer.worker import sweeping
from tests import readers
from tests.mailer.sending.listening import (
    KEYS,
    LOST,
    OK,
    OTHERS,
    OURS,
    junk,
    report_evidence,
    report_evidence_of,
    requests,
    started,
)
from tests.mailer.sending.outgoing import batch_of, claimed, close_breaker, planned, states

pytestmark = pytest.mark.django_db

DAY = timedelta(hours=25, minutes=1)
HOUR = timedelta(hours=1, minutes=5)
HEARD = (OK, LOST, OK)


@pytest.fixture(autouse=True)
def _our_key(settings):
    settings.SENDGRID_WEBHOOK_KEYS = OURS


@pytest.fixture
def send(db, settings, api) -> Send:
    """Make a send to four subscribers in single batches, with the policy `resend`."""
    settings.MAILER_BATCH_SIZE = 1
    readers.crowd(4)
    send = planned()
    Send.objects.update(on_unknown="resend")
    send.refresh_from_db()
    return send


def doubts(send: Send) -> list[Doubt | None]:
    return [one.doubt for one in unknown_of(send.pk)]


def heard(send: Send, ago: timedelta) -> list:
    """Make three requests of which the middle one loses its answer, and report events of the others."""
    taken = requests(send, *HEARD, ago=ago)
    assert {report_evidence_of(taken[0]), report_evidence_of(taken[2])} == {204}
    return taken


def nobody_twice(send: Send) -> None:
    before = states(send)
    assert resend_what_never_arrived() == 0
    with pytest.raises(MayGetItTwice) as refused:
        resend_unknown(send.pk)
    assert refused.value.subscribers == before.count("unknown")
    assert states(send) == before


# ---------------------------------------------------------------- what is no evidence


def test_with_the_webhook_key_of_another_account_silence_is_not_evidence(send):
    taken = requests(send, OK, LOST, LOST, OK, ago=DAY)
    assert [report_evidence_of(one, OTHERS) for one in taken] == [403] * 4, "each event of the account is refused"
    assert junk(KEYS) == 204, "and the other account posts here too"
    nobody_twice(send)
    assert doubts_of(send) == {Doubt.REFUSED: 2}


def test_with_the_web_process_down_or_another_address_silence_is_not_evidence(send):
    requests(send, OK, LOST, OK, ago=timedelta(days=9))
    nobody_twice(send)
    assert doubts_of(send) == {Doubt.UNHEARD: 1}


@pytest.mark.parametrize("ahead", [timedelta(hours=25), timedelta(hours=-25), timedelta(hours=3)])
def test_a_worker_whose_clock_is_wrong_sends_nothing_again(send, monkeypatch, ahead):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has the clock of its machine")
    heard(send, timedelta(minutes=5))
    right = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: right() + ahead)
    nobody_twice(send)
    assert doubts_of(send) == {Doubt.EARLY: 1}


@pytest.mark.parametrize("ahead", [timedelta(hours=25), timedelta(hours=3)])
def test_a_clock_that_leaps_is_not_taken_for_silence(send, monkeypatch, ahead):
    requests(send, OK, LOST, OK, ago=timedelta(minutes=5))
    right = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: right() + ahead)
    nobody_twice(send)


def test_a_send_of_one_request_always_waits_for_a_person(send, settings):
    settings.MAILER_BATCH_SIZE = 1000
    single = planned(slug="single", source="another")
    Send.objects.update(on_unknown="resend")
    single.refresh_from_db()
    lost = claimed(single)
    close_breaker()
    others = requests(send, OK, OK, ago=DAY)
    report_evidence_of(others[0])
    report_evidence_of(others[1])
    settle(lost, LOST)
    started(lost, DAY - timedelta(seconds=30))
    assert resend_what_never_arrived() == 0
    assert doubts_of(single) == {Doubt.SINGLE: 4}
    with pytest.raises(MayGetItTwice):
        resend_unknown(single.pk)
    assert resend_unknown(single.pk, 4) == 1


@pytest.mark.parametrize("silent", [0, 2])
def test_events_on_one_side_of_the_request_are_not_enough(send, silent):
    taken = requests(send, *HEARD, ago=DAY)
    report_evidence_of(taken[2 - silent])
    nobody_twice(send)
    assert doubts_of(send) == {Doubt.UNHEARD: 1}


def test_events_that_came_before_the_request_say_nothing_of_what_was_heard_after_it(send):
    taken = heard(send, DAY)
    lost_at = Attempt.objects.get(pk=taken[1].attempt).started_at
    assert doubts(send) == [None]
    Event.objects.filter(attempt=taken[0].attempt).update(received_at=lost_at - timedelta(seconds=1))
    nobody_twice(send)


def test_events_of_another_account_are_not_enough(send):
    taken = requests(send, *HEARD, ago=DAY)
    other = planned(slug="other", source="other")
    close_breaker()
    claims = requests(other, OK, OK, ago=DAY)
    Send.objects.filter(pk=other.pk).update(account=ProviderAccount.objects.create(name="other", host=other.provider))
    for claim in claims:
        report_evidence_of(claim)
        report_evidence(claim.attempt, Attempt.objects.get(pk=taken[2].attempt).started_at)
    nobody_twice(send)


def test_events_of_another_installation_are_not_enough(send):
    """They are verified, but the key may be another account's, and they name no request of ours."""
    taken = requests(send, *HEARD, ago=DAY)
    for claim in taken:
        report_evidence(uuid4(), Attempt.objects.get(pk=claim.attempt).started_at)
    nobody_twice(send)


def test_without_a_webhook_key_silence_is_not_evidence(send, settings):
    heard(send, DAY)
    settings.SENDGRID_WEBHOOK_KEYS = ()
    nobody_twice(send)
    assert doubts_of(send) == {Doubt.NO_WEBHOOK: 1}


def test_a_stored_event_that_is_not_applied_yet_breaks_the_silence(send, monkeypatch):
    taken = heard(send, DAY)
    monkeypatch.setattr("mailer.events.processing.apply", lambda ids: None)
    report_evidence_of(taken[1])
    nobody_twice(send)
    assert doubts_of(send) == {Doubt.REPORTED: 1}


def test_once_events_are_deleted_by_age_nothing_is_left_to_go_by(send, settings):
    heard(send, DAY)
    assert processing.prune(timezone.now() + timedelta(days=91)) == 2
    nobody_twice(send)


def test_what_was_sent_again_on_a_persons_word_is_not_sent_again_by_evidence_of_the_second_request_alone(send):
    taken = requests(send, OK, LOST, OK, ago=DAY + timedelta(hours=2))
    assert resend_unknown(send.pk, 1) == 1
    close_breaker()
    again = claimed(send, 1)
    settle(again, LOST)
    started(again, DAY)
    for minutes in (-1, 1):
        report_evidence(taken[0].attempt, timezone.now() - DAY + timedelta(minutes=minutes))
    assert doubts(send) == [Doubt.UNHEARD], "the first ones may have arrived"


# ---------------------------------------------------------------- what is evidence


def test_where_events_around_it_came_a_day_of_silence_sends_again_alone(send):
    heard(send, DAY)
    assert doubts_of(send) == {None: 1}
    assert resend_what_never_arrived() == 1
    assert states(send) == ["accepted", "planned", "accepted", "planned"]
    assert resend_what_never_arrived() == 0


def test_the_sweep_looks_for_evidence_now_and_then(send, monkeypatch):
    """Finding none is the most expensive result, and there is time: a worker has waited for 25 hours."""
    looks = []
    monkeypatch.setattr(sweeping._Evidence, "looked_at", float("-inf"))
    monkeypatch.setattr(sweeping, "resend_what_never_arrived", lambda: looks.append(resend_what_never_arrived()))
    heard(send, DAY)
    for _ in range(3):
        sweeping.sweep()
    assert looks == [1]
    assert states(send)[1] == "planned"


def test_an_hour_is_enough_to_ask_plainly_and_not_to_act_alone(send):
    heard(send, HOUR)
    assert resend_what_never_arrived() == 0
    assert doubts_of(send) == {Doubt.EARLY: 1}
    assert doubts(send) == [None]
    with pytest.raises(MayGetItTwice):
        resend_unknown(send.pk, 1)
    assert resend_unknown(send.pk) == 1


def test_before_an_hour_a_person_types_the_number(send):
    heard(send, timedelta(minutes=58))
    assert doubts(send) == [Doubt.EARLY]
    with pytest.raises(MayGetItTwice):
        resend_unknown(send.pk, 2)
    assert resend_unknown(send.pk, 1) == 1


def test_the_setting_scales_the_waits(send, settings):
    heard(send, timedelta(minutes=5))
    settings.MAILER_EVIDENCE_WAIT = 25
    assert resend_what_never_arrived() == 1
    assert full_wait() == timedelta(seconds=25)


def test_with_the_policy_hold_nothing_goes_out_again_by_itself(send):
    Send.objects.update(on_unknown="hold")
    heard(send, DAY)
    assert resend_what_never_arrived() == 0
    assert doubts_of(Send.objects.get()) == {None: 1}


def test_what_was_not_judged_is_not_sent_again(send):
    heard(send, DAY)
    (judged,) = unknown_of(send.pk)
    Batch.objects.filter(pk=judged.batch).update(current_attempt="00000000-0000-0000-0000-000000000001")
    assert not plan_unknown_again(judged.batch, judged.attempt)
    assert batch_of(send, 1).state == "unknown"


# ---------------------------------------------------------------- refused posts


def test_a_refused_post_suspends_evidence_until_a_later_one_is_taken(send):
    taken = heard(send, HOUR)
    assert doubts(send) == [None]
    assert report_evidence_of(taken[1], OTHERS) == 403
    nobody_twice(send)
    assert doubts(send) == [Doubt.REFUSED]
    assert junk(KEYS) == 204
    assert doubts(send) == [None]


def test_a_post_by_the_key_of_another_account_does_not_end_it(send, settings):
    taken = heard(send, HOUR)
    settings.SENDGRID_WEBHOOK_KEYS = (base64.b64decode(OTHERS.public),)
    assert report_evidence_of(taken[1]) == 403
    assert junk(OTHERS) == 204
    assert doubts(send) == [Doubt.REFUSED]


def test_junk_posted_every_minute_does_not_delay_it_indefinitely(send):
    taken = heard(send, DAY)
    junk()
    assert doubts_of(send) == {Doubt.REFUSED: 1}, "SendGrid's own post may be among those refused"
    report_evidence_of(taken[0])
    for _ in range(3):
        junk()
    assert doubts_of(send) == {None: 1}, "nothing that SendGrid repeats for 24 h can be refused any more"
    assert resend_what_never_arrived() == 1
