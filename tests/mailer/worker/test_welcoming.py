# ruff: noqa: F811 — the fixtures are those of tests/mailer/sending
"""The sweep welcomes whoever confirmed, beside an issue and never behind it."""

import time
from datetime import timedelta

import pytest
from django.db import connection

from mailer import concurrency
from mailer.models import CircuitBreaker, Send
from mailer.sending import circuit_breaker
from mailer.sending import welcoming as welcoming_
from mailer.sending.feeding import feed_slots
from mailer.store import accounts, clock
from mailer.worker import welcoming
from mailer.worker.sweeping import sweep
from mailer.worker.welcoming import welcome_subscribers
from tests import readers
from tests.mailer.sending.conftest import _nothing_kept_from_another_database, _own_home, api  # noqa: F401
from tests.mailer.sending.outgoing import deliver_all, planned, resend_all, states
from tests.mailer.sending.test_welcoming import content, freeze, mailed, plan

pytestmark = pytest.mark.django_db


def sweep_and_wait() -> None:
    sweep()
    assert concurrency.welcomes.wait_until_idle(time.monotonic() + 60) == 0


@pytest.mark.django_db(transaction=True)
def test_who_confirms_is_welcomed_by_the_next_sweep(api):
    (send,) = freeze()
    readers.confirmed()
    sweep_and_wait()
    assert (mailed(api), states(send)) == (["ada@readers.example"], ["accepted"])
    sweep_and_wait()
    assert mailed(api) == ["ada@readers.example"]


@pytest.mark.django_db(transaction=True)
def test_nobody_waits_while_an_issue_has_all_slots(api, settings):
    settings.MAILER_LANES = 1
    freeze()
    readers.confirmed()
    with concurrency.issues.slot() as taken:
        assert taken
        sweep_and_wait()
    assert mailed(api) == ["ada@readers.example"]


def test_more_than_one_request_takes_goes_out_in_one_sweep(api, settings):
    settings.MAILER_BATCH_SIZE = 2
    (send,) = freeze()
    for who in (readers.ADA, readers.BEN, readers.CLEO):
        readers.confirmed(who=who)
    welcome_subscribers()
    assert (len(api.accepted), len(mailed(api))) == (2, 3)
    send.refresh_from_db()
    assert send.state == "finished"


def test_who_confirms_meanwhile_shares_the_next_request_with_others(api, monkeypatch):
    (send,) = freeze()
    readers.confirmed()
    deliver_next = welcoming.deliver_next

    def deliver_while_others_confirm(send: int) -> bool:
        for who in (readers.BEN, readers.CLEO):
            readers.confirmed(who=who)
        return deliver_next(send)

    monkeypatch.setattr(welcoming, "deliver_next", deliver_while_others_confirm)
    welcome_subscribers()
    assert [len(request["recipients"]) for request in api.accepted] == [1]
    monkeypatch.undo()
    welcome_subscribers()
    assert [len(request["recipients"]) for request in api.accepted] == [1, 2]
    assert states(send) == ["accepted", "accepted"]


@pytest.mark.django_db(transaction=True)
def test_slots_for_issues_leave_welcomes_alone(api):
    (send,) = freeze()
    readers.confirmed()
    assert plan() == 1
    feed_slots()
    assert concurrency.issues.wait_until_idle(time.monotonic() + 60) == 0
    assert (states(send), mailed(api)) == (["planned"], [])


def test_a_bug_in_one_newsletter_keeps_no_other_waiting(api, monkeypatch, settings):
    freeze()
    language = settings.NEWSLETTERS["jianbao"].language
    jianbao = content(language, newsletter="jianbao")
    welcoming_.freeze(settings.NEWSLETTERS["jianbao"], [jianbao], ())
    readers.confirmed()
    readers.confirmed("jianbao", readers.BEN)
    monkeypatch.setattr(welcoming, "entries", lambda label, count: {"jianbao": []}[label])
    welcome_subscribers()
    assert mailed(api) == ["ben@readers.example"]


def test_while_the_provider_is_not_asked_nothing_is_planned(api):
    (send,) = freeze()
    readers.confirmed()
    account = accounts.require_account()
    circuit_breaker.rate_limited(account.pk, clock.now(), 60, "too many")
    welcome_subscribers()
    assert states(send) == []
    CircuitBreaker.objects.update(open_until=clock.now() - timedelta(seconds=1))
    welcome_subscribers()
    assert states(send) == ["accepted"]


def test_what_is_sent_again_goes_out_by_this_lane(api):
    (send,) = freeze()
    readers.confirmed()
    api.fail("close after accepting")
    welcome_subscribers()
    assert states(send) == ["unknown"]
    CircuitBreaker.objects.update(open_until=None, trial_until=None)
    resend_all(send)
    welcome_subscribers()
    assert (states(send), len(mailed(api))) == (["accepted"], 2)


def test_a_finished_issue_is_in_the_next_welcome(api):
    (first,) = freeze(content(lists=1))
    readers.crowd(1)
    issue = planned()
    deliver_all(issue)
    readers.confirmed()
    welcome_subscribers()
    newest = Send.objects.latest("pk")
    assert (newest.pk > issue.pk, states(first), states(newest)) == (True, [], ["accepted"])
    assert f"The Weekly {issue.slug}={issue.slug}" in newest.text


def test_a_welcome_is_in_no_list_of_issues(api):
    from mailer.archive import entries

    (send,) = freeze()
    readers.confirmed()
    welcome_subscribers()
    assert states(send) == ["accepted"]
    assert entries("weekly") == []
    assert not Send.objects.issues().exists()


def test_web_processes_of_an_older_version_show_no_welcome_in_the_archive(api):
    """They know no kinds of sends: what has the time of a first request is an issue to them."""
    (send,) = freeze()
    readers.confirmed()
    welcome_subscribers()
    assert states(send) == ["accepted"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT slug FROM mailer_send WHERE newsletter = 'weekly' AND first_request_at IS NOT NULL")
        assert cursor.fetchall() == []
