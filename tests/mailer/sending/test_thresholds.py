"""Too many bounces or complaints pause a send, or start the next one paused."""

import pytest

from mailer.models import Batch, Delivery, ReceivingDomains, Send
from mailer.sending import thresholds
from mailer.sending.domains import subscribers_by_domain
from mailer.sending.steering import resume
from tests import readers
from tests.mailer.sending.outgoing import planned
from tests.mailer.sending.test_welcoming import content, freeze

pytestmark = pytest.mark.django_db


@pytest.fixture
def thousand(four):
    """Make a send with 1,000 accepted and one batch waiting."""
    Batch.objects.create(send=four, number=1, size=1000, state=Batch.State.ACCEPTED)
    Send.objects.filter(pk=four.pk).update(planned=1004)
    return four


def told(send: Send, **facts: int) -> tuple[str, str]:
    Batch.objects.filter(send=send, number=1).update(**facts)
    thresholds.check([send.pk])
    send.refresh_from_db()
    return send.state, send.reason


@pytest.mark.parametrize(("facts", "state"), [({"bounced_hard": 50}, "sending"), ({"bounced_hard": 51}, "paused")])
def test_more_than_five_in_a_hundred_hard_bounces_pause(thousand, facts, state):
    assert told(thousand, **facts)[0] == state


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({"complained": 2}, "sending"),
        ({"complained": 3}, "paused"),
        ({"size": 3000, "complained": 3}, "sending"),
        ({"size": 3000, "complained": 4}, "paused"),
    ],
)
def test_more_than_one_in_a_thousand_complaints_pause_and_at_least_three(thousand, facts, state):
    Send.objects.filter(pk=thousand.pk).update(planned=facts.get("size", 1000) + 4)
    assert told(thousand, **facts)[0] == state


def test_readers_whose_provider_reports_no_complaints_do_not_thin_out_those_of_others(thousand):
    """3 of 3,000 are just allowed. If 2,000 of them are at Gmail, they are 3 of 1,000."""
    Send.objects.filter(pk=thousand.pk).update(planned=3000)
    assert told(thousand, size=3000, complained=3)[0] == "sending"
    ReceivingDomains.objects.update(readers={"gmail.com": 1500, "googlemail.com": 500, "example.com": 1000})
    state, reason = told(thousand)
    assert (state, reason[:24]) == ("paused", "3 of 1000 subscribers of")


def test_the_domains_of_a_send_are_counted_from_five_readers_on(api):
    readers.crowd(6, domain="gmail.com")
    readers.crowd(5, domain="example.com")
    readers.crowd(4, domain="small.example")
    assert subscribers_by_domain(planned().pk) == {"gmail.com": 6, "example.com": 5}


def test_before_500_were_accepted_nothing_is_concluded(thousand):
    assert told(thousand, size=499, bounced_hard=400)[0] == "sending"


def test_the_reason_says_how_many_and_a_resumed_send_is_not_stopped_again(thousand):
    assert told(thousand, bounced_hard=60)[1].startswith("60 of the 1000 addresses of 2026-11-20 do not exist")
    resume(thousand.pk)
    assert told(thousand, bounced_hard=70) == ("sending", "")
    assert planned(slug="next", source="other").state == "sending"


def test_a_send_that_is_over_makes_the_next_one_start_paused_once(thousand):
    Send.objects.update(state=Send.State.FINISHED)
    assert told(thousand, complained=5)[0] == "finished"
    following = planned(slug="next", source="other")
    assert following.state == "paused"
    assert "marked it as spam" in following.reason
    assert planned(slug="after", source="another").state == "sending"


@pytest.fixture
def welcome(api):
    """Make a welcome that 1,000 got, and for which nobody waits."""
    (send,) = freeze()
    Batch.objects.create(send=send, number=1, size=1000, state=Batch.State.ACCEPTED)
    readers.crowd(1)
    return send


def test_a_welcome_is_paused_itself_although_nobody_waits_for_it(welcome):
    assert told(welcome, complained=5)[0] == "paused"
    assert planned().state == "sending"
    resume(welcome.pk)
    assert told(welcome, complained=6) == ("finished", "")


def test_of_a_welcome_the_domains_are_those_of_all_who_got_it_until_now(welcome):
    """Its first subscribers say nothing about the hundreds of later ones."""
    assert told(welcome, size=3000, complained=3)[0] == "finished"
    later = Batch.objects.create(send=welcome, number=2, size=2000, state=Batch.State.ACCEPTED)
    Batch.objects.filter(send=welcome, number=1).update(size=1000)
    at_gmail = readers.crowd(2000, domain="gmail.com")
    Delivery.objects.bulk_create(Delivery(send=welcome, batch=later, subscriber=one) for one in at_gmail)
    Send.objects.filter(pk=welcome.pk).update(planned=3000)
    state, reason = told(welcome)
    assert (state, reason[:24]) == ("paused", "3 of 1000 subscribers of")


def test_what_a_former_version_of_a_welcome_caused_pauses_the_one_in_use(welcome):
    (now,) = freeze(content(source="Hello!"))
    assert told(welcome, complained=5)[0] == "finished"
    now.refresh_from_db()
    assert (now.state, f"subscribers of {welcome.slug} marked" in now.reason) == ("paused", True)
    resume(now.pk)
    now.refresh_from_db()
    assert (now.state, now.planned) == ("finished", 0)  # never the whole audience


def test_what_an_older_version_notes_of_a_welcome_starts_no_issue_paused(welcome):
    Send.objects.filter(pk=welcome.pk).update(notice="too many", notice_shown=False)
    assert planned().state == "sending"
