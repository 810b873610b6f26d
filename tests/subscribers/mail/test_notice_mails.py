"""Notices of changes: sent once by the sweep, retried, deleted after two days."""

import time
from dataclasses import replace

import pytest
from django.core import mail

from subscribers import erasing, notices, optin
from subscribers.mail import claiming, notice_mails
from subscribers.models import Notice, Suppression
from tests import readers
from tests.readers import ADA, LINK

pytestmark = pytest.mark.django_db


def undone(clock) -> int:
    reader = readers.confirmed()
    notices.undone(reader, "weekly", clock.now)
    return Notice.objects.get().pk


def test_it_is_sent_once(clock):
    notice = undone(clock)
    assert list(notice_mails.due(clock.now)) == [notice]
    assert [notice_mails.send(notice), notice_mails.send(notice)] == [True, False]
    (message,) = mail.outbox
    assert message.from_email == '"The Weekly" <editor@news.example.com>'
    assert message.extra_headers["Auto-Submitted"] == "auto-generated"
    assert list(notice_mails.due(clock.now)) == []


@pytest.mark.django_db(transaction=True)
def test_the_sweep_sends_it(clock):
    from mailer import concurrency
    from mailer.worker.sweeping import sweep

    undone(clock)
    sweep()
    assert concurrency.mails.wait_until_idle(time.monotonic() + 60) == 0
    assert [message.to for message in mail.outbox] == [[ADA.email]]


def test_one_that_failed_is_tried_once_more_after_ten_minutes_and_logs_no_address(clock, no_mail, caplog):
    notice = undone(clock)
    assert notice_mails.send(notice) is False
    assert list(notice_mails.due(clock.now)) == []
    clock.forward(minutes=10)
    assert notice_mails.send(notice) is False
    clock.forward(hours=1)
    assert notice_mails.send(notice) is False
    assert Notice.objects.get().due is None
    assert [(record.notice, record.error) for record in caplog.records] == [(notice, "SMTPRecipientsRefused")] * 2
    assert ADA.email not in caplog.text


def test_of_an_erased_subscriber_nothing_stays_although_nobody_could_be_told(clock, no_mail):
    erasing.forget(readers.confirmed().email_key, LINK)
    for _ in range(3):
        notice_mails.send(Notice.objects.get().pk)
        clock.forward(hours=1)
    assert not Notice.objects.exists()


def test_after_two_days_it_is_gone(clock):
    undone(clock)
    clock.forward(days=2)
    notice_mails.forget_old(clock.now)
    assert Notice.objects.exists()
    clock.forward(seconds=1)
    notice_mails.forget_old(clock.now)
    assert not Notice.objects.exists()


def test_who_complained_since_is_not_mailed(clock):
    notice = undone(clock)
    optin.suppress(Notice.objects.get().subscriber.suppression_hash, Suppression.Reason.COMPLAINT, LINK)
    assert notice_mails.send(notice) is False
    assert mail.outbox == []


def test_one_of_a_newsletter_that_another_installation_has_waits_for_that_one(settings, clock):
    notice = undone(clock)
    weekly = settings.NEWSLETTERS["weekly"]
    settings.NEWSLETTERS = {"weekly": replace(weekly, list_id="weekly.other.example")}
    assert list(notice_mails.due(clock.now)) == []
    assert notice_mails.send(notice) is False
    settings.NEWSLETTERS = {"weekly": weekly}
    assert notice_mails.send(notice) is True


def test_one_that_a_clock_which_was_ahead_put_off_is_due_as_if_it_had_been_right(clock):
    undone(clock)
    Notice.objects.update(due=clock.now + 30 * claiming.NEXT_TRY[-1])
    notice_mails.bring_forward(clock.now)
    assert Notice.objects.get().due == clock.now + claiming.NEXT_TRY[0]
