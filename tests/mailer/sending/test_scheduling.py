"""A schedule fires once, for those who may be emailed then."""

import itertools
import threading
from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.utils import timezone

from mailer.models import Batch, Send
from mailer.sending.existing import Action, what_to_do
from mailer.sending.planning import schedule_send
from mailer.sending.scheduling import NOBODY, fire_due
from mailer.sending.steering import cancel, pause, resume
from subscribers import optin
from tests import readers
from tests.mailer.sending.outgoing import a_plan, balanced, batches, deliver_all, in_thread, outcomes, sha256

pytestmark = pytest.mark.django_db


def scheduled(minutes: float) -> Send:
    return schedule_send(a_plan(), timezone.now() + timedelta(minutes=minutes))


def state(send: Send) -> tuple[str, str]:
    send.refresh_from_db()
    return send.state, send.reason


def test_before_its_time_nothing_is_planned(api):
    readers.confirmed()
    send = scheduled(5)
    fire_due()
    assert state(send) == ("scheduled", "")
    assert not batches(send)
    balanced(send)


def test_the_audience_is_chosen_when_it_fires(api, hinted):
    ada = readers.confirmed()
    ben = readers.pending()
    send = scheduled(-1)
    optin.unsubscribe(ada.public_id, "weekly", readers.LINK)
    optin.confirm(ben.public_id, "weekly", readers.LINK)
    fire_due()
    assert state(send) == ("sending", "")
    assert list(outcomes(send)) == [ben.email]
    fire_due()
    deliver_all(send)
    assert [one["email"] for one in api.recipients] == [ben.email]
    assert state(send)[0] == "finished"


def test_a_schedule_missed_by_an_hour_pauses_and_fires_when_it_is_resumed(api):
    readers.confirmed()
    send = scheduled(-61)
    fire_due()
    assert state(send) == ("paused", "schedule missed")
    assert what_to_do(send, sha256("first source")) is Action.HELD
    resume(send.pk)
    assert state(send) == ("sending", "")
    assert send.planned == 1


def test_without_readers_it_pauses_with_the_reason_and_can_be_resumed_later(api):
    send = scheduled(-1)
    fire_due()
    assert state(send) == ("paused", NOBODY)
    resume(send.pk)
    assert state(send) == ("paused", NOBODY)
    readers.confirmed()
    resume(send.pk)
    assert state(send)[0] == "sending"


def test_a_paused_schedule_waits_for_its_time_again(api):
    send = scheduled(5)
    pause(send.pk)
    assert state(send) == ("paused", "")
    resume(send.pk)
    assert state(send) == ("scheduled", "")


def test_a_cancelled_schedule_never_fires(api):
    readers.confirmed()
    send = scheduled(-1)
    cancel(send.pk)
    fire_due()
    assert state(send)[0] == "cancelled"
    assert not batches(send)


def test_a_worker_of_another_provider_lets_it_be(api, settings):
    readers.confirmed()
    send = scheduled(-1)
    settings.PROVIDER = "api.sendgrid.com"
    fire_due()
    assert state(send)[0] == "scheduled"


@pytest.mark.django_db(transaction=True)
def test_of_many_sweeps_at_once_one_fires_it(api):
    readers.crowd(3)
    send = scheduled(-1)
    together = threading.Barrier(4, timeout=60)

    def sweep_now():
        together.wait()
        try:
            fire_due()
        except DatabaseError:
            raise AssertionError("a sweep was disturbed by another") from None

    for thread in [in_thread(sweep_now) for _ in range(4)]:
        thread.join(60)
    assert state(send)[0] == "sending"
    assert Batch.objects.count() == 1
    balanced(send)


def test_max_per_hour_spreads_the_batches_and_a_resume_spreads_what_is_left(api, settings):
    settings.NEWSLETTERS = {"weekly": settings.NEWSLETTERS["weekly"].__class__(**slow(settings.NEWSLETTERS["weekly"]))}
    readers.crowd(5)
    send = schedule_send(a_plan(), timezone.now() - timedelta(minutes=1))
    fire_due()
    assert [batch.size for batch in batches(send)] == [2, 2, 1]
    assert minutes_between(send) == [10, 10]
    Batch.objects.update(not_before=timezone.now() - timedelta(hours=9))
    pause(send.pk)
    resume(send.pk)
    assert minutes_between(send) == [10, 10]


def slow(newsletter):
    return {name: getattr(newsletter, name) for name in newsletter.__dataclass_fields__} | {"max_per_hour": 12}


def minutes_between(send):
    due = [batch.not_before for batch in batches(send)]
    return [round((later - earlier).total_seconds() / 60) for earlier, later in itertools.pairwise(due)]
