"""What every provider must do: faults × providers. A new provider is added to `grounds` and passes everything."""

import time
from uuid import uuid4

import pytest
from django.core.mail import EmailMessage

from mailer.providers.answers import Accepted, DeadlinePassed, RecipientsRejected
from mailer.providers.events import NotEvents, NotSigned
from mailer.providers.messages import InvalidMessage, Recipients
from mailer.providers.protocol import Provider
from mailer.store import clock
from tests.mailer.providers.conformance.grounds import FAULTS, GROUNDS, stand_on
from tests.mailer.providers.letters import PLACEHOLDER, issue, reader, readers

PAIRS = [(name, fault) for name, kind in GROUNDS.items() for fault in FAULTS if fault in kind.faults]


@pytest.fixture(params=GROUNDS)
def ground(request, settings, tmp_path):
    with stand_on(request.param, settings, tmp_path) as here:
        yield here


def prepared(provider: Provider, people=None, **changes):
    return provider.prepare(issue(**changes), Recipients.of(people or readers(2)), uuid4())


def test_it_has_every_part_of_the_protocol(ground):
    assert isinstance(ground.provider, Provider)
    assert ground.provider.most_recipients >= 1
    assert ground.provider.names.provider


def test_it_can_get_ready_before_a_request(ground):
    ground.provider.get_ready()
    assert ground.mailed() == []


def test_what_it_accepts_reaches_each_recipient_once(ground):
    assert isinstance(ground.provider.post(prepared(ground.provider)), Accepted)
    assert ground.mailed() == ["reader1@example.com", "reader2@example.com"]


def test_each_recipient_gets_their_own_link_in_the_header_and_in_both_parts(ground):
    ground.provider.post(prepared(ground.provider))
    links = {one.email: one.unsubscribe_url for one in readers(2)}
    assert [one.email for one in ground.received()] == list(links)
    for one in ground.received():
        assert one.list_unsubscribe == f"<{links[one.email]}>"
        for part in (one.text, one.html):
            assert links[one.email] in part
            assert PLACEHOLDER not in part
            assert not [other for other in links.values() if other != links[one.email] and other in part]


def test_nothing_leaves_after_the_time_for_the_first_byte(ground):
    answer = ground.provider.post(prepared(ground.provider), first_byte_by=time.monotonic() - 0.001)
    assert answer == DeadlinePassed()
    assert ground.mailed() == []


def test_an_address_that_it_refuses_is_named_by_its_index_and_nobody_is_mailed(ground):
    ground.refuse("no address")
    request = prepared(ground.provider, [reader(1), reader(2, "no address")])
    answer = ground.provider.post(request)
    assert isinstance(answer, RecipientsRejected)
    assert set(answer.detail) == {1}
    assert ground.mailed() == []


@pytest.mark.parametrize(("name", "fault"), PAIRS)
def test_each_fault_is_told_by_what_is_known_afterwards_and_nothing_is_tried_twice(name, fault, settings, tmp_path):
    with stand_on(name, settings, tmp_path) as here:
        request = prepared(here.provider)
        here.fail(fault)
        answer = here.provider.post(request)
        assert type(answer).__name__ == FAULTS[fault]
        assert here.mailed() == (["reader1@example.com", "reader2@example.com"] if "after" in fault else [])


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_can_be_met_at_two_providers_at_least(fault):
    assert sum(fault in kind.faults for kind in GROUNDS.values()) >= 2


def test_a_line_break_in_a_header_makes_no_request(ground):
    with pytest.raises(InvalidMessage):
        prepared(ground.provider, subject="Hi\nBcc: eve@example.com")


def test_a_sound_request_has_no_faults_and_looking_posts_nothing(ground):
    assert ground.provider.faults(prepared(ground.provider)) == []
    assert ground.mailed() == []


def test_a_test_mail_names_no_attempt(ground):
    attempt = uuid4()
    assert str(attempt) in repr(ground.provider.prepare(issue(), Recipients.of(readers(1)), attempt))
    request = ground.provider.prepare(issue(), Recipients.of(readers(1)), None)
    assert "mailer_delivery" not in repr(request)
    assert isinstance(ground.provider.post(request), Accepted)


def test_it_carries_single_mails(ground):
    mail = EmailMessage("Please confirm", "Press here.", "editor@news.example.com", ["ada@example.com"])
    assert isinstance(ground.provider.post(ground.provider.prepare_single(mail)), Accepted)
    assert ground.mailed() == ["ada@example.com"]


REPORTING = [name for name, kind in GROUNDS.items() if kind.reports_events]


@pytest.mark.parametrize("name", REPORTING)
def test_events_that_it_did_not_sign_are_refused_and_junk_is_no_event(name, settings, tmp_path):
    with stand_on(name, settings, tmp_path) as here:
        events = here.provider.events
        assert events is not None
        with pytest.raises(NotSigned):
            events.verify(b"[]", {}, clock.now)
        with pytest.raises(NotEvents):
            events.parse(b"junk")


@pytest.mark.parametrize("name", sorted(set(GROUNDS) - set(REPORTING)))
def test_the_others_report_nothing(name, settings, tmp_path):
    with stand_on(name, settings, tmp_path) as here:
        assert here.provider.events is None


@pytest.mark.parametrize("name", sorted(set(GROUNDS) - {"rehearsal"}))
def test_its_rehearsal_mails_nobody(name, settings, tmp_path):
    with stand_on(name, settings, tmp_path) as here:
        rehearsal = here.provider.rehearse(tmp_path / "elsewhere")
        assert isinstance(rehearsal.post(prepared(rehearsal)), Accepted)
        assert here.mailed() == []
