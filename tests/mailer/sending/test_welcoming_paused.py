"""A welcome is paused as a whole, also while nobody waits for it."""

import pytest

from mailer.models import Batch
from mailer.sending import welcoming
from mailer.sending.lifecycle import WrongState, end_formers, finish_if_done
from mailer.sending.steering import pause, pause_welcome, resume
from tests import readers
from tests.mailer.sending.outgoing import states
from tests.mailer.sending.test_welcoming import FIRST, content, deliver, freeze, mailed, plan, state

pytestmark = pytest.mark.django_db


def test_it_is_paused_in_all_languages_although_nobody_waits_and_resumed(api):
    en, de = freeze(content(), content("de"))
    assert pause_welcome(en) == [en, de]
    readers.confirmed()
    assert (plan(FIRST), state(en), state(de)) == (0, "paused", "paused")
    for send in (en, de):
        resume(send.pk)
    plan()
    deliver()
    assert (mailed(api), state(en), state(de)) == (["ada@readers.example"], "finished", "finished")


def test_what_waits_in_a_former_version_is_paused_with_it(api):
    (first,) = freeze(content(lists=1))
    readers.confirmed()
    plan()
    (second,) = freeze(content(lists=1, source="Hello!"))
    assert pause_welcome(second) == [first, second]
    deliver()
    assert (states(first), mailed(api)) == (["planned"], [])


def test_a_rehearsed_welcome_is_not_paused_with_the_real_one(api, settings):
    (real,) = freeze()
    settings.PROVIDER, settings.SENDGRID_API_KEY = "rehearsal", ""
    (rehearsed,) = freeze()
    assert pause_welcome(real) == [real]
    assert (state(real), state(rehearsed)) == ("paused", "finished")


@pytest.mark.parametrize("name", ["in use", "former"])
def test_by_its_name_a_version_is_paused_only_while_it_is_in_use(api, name):
    (first,) = freeze()
    if name == "former":
        freeze(content(source="Hello!"))
        with pytest.raises(WrongState, match="finished"):
            pause(first.pk)
        return
    pause(first.pk)
    readers.confirmed()
    assert (plan(), state(first), first.finished_at) == (0, "paused", None)


def test_a_paused_version_that_is_replaced_or_ended_is_over_unless_somebody_waits_in_it(api):
    (first,) = freeze()
    pause_welcome(first)
    (second,) = freeze(content(source="Hello!"))
    assert (state(first), state(second)) == ("finished", "finished")
    readers.confirmed()
    plan()
    pause_welcome(second)
    welcoming.turn_off("weekly", rehearsal=False)
    assert (state(second), states(second)) == ("paused", ["planned"])
    Batch.objects.update(state="accepted")
    end_formers()
    assert state(second) == "finished"


def test_a_former_version_whose_request_may_never_have_been_made_is_paused_and_stays_so(api):
    (first,) = freeze()
    readers.confirmed()
    plan()
    Batch.objects.update(state="unknown")
    assert finish_if_done(first.pk)
    (second,) = freeze(content(source="Hello!"))
    assert pause_welcome(second) == [first, second]
    freeze(content(source="Hello again!"))
    end_formers()
    assert state(first) == "paused"


def test_a_paused_version_is_not_ended_while_it_is_in_use(api):
    (first,) = freeze()
    pause_welcome(first)
    end_formers()
    assert state(first) == "paused"
