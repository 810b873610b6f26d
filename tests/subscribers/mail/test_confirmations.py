import re
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core import mail
from django.core.mail.backends import locmem
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mailer.store import accounts
from subscribers import optin
from subscribers.mail import composing, confirmations
from subscribers.mail.claiming import MailFailed
from subscribers.models import Subscription, Suppression
from subscribers.tasks import send_confirmation
from tests import readers
from tests.readers import BEN

pytestmark = pytest.mark.django_db


def one() -> Subscription:
    return Subscription.objects.get()


def test_the_mail_goes_to_the_reader_and_is_due_no_longer(clock):
    readers.pending()
    (due,) = confirmations.due(clock.now)
    assert confirmations.send(due)
    (message,) = mail.outbox
    assert message.to == [BEN.email]
    assert message.from_email == '"The Weekly" <editor@news.example.com>'
    assert message.reply_to == ["reply@news.example.com"]
    assert message.extra_headers["Auto-Submitted"] == "auto-generated"
    assert list(confirmations.due(clock.now)) == []


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL knows how few the partial index holds")
def test_looking_for_what_is_due_reads_nobody_who_confirmed(clock):
    readers.confirmed()
    with CaptureQueriesContext(connection) as asked:
        list(confirmations.due(clock.now))
    about = [query["sql"] for query in asked if "confirmation_due" in query["sql"]]
    with connection.cursor() as cursor:
        steps = [step[3] for sql in about for step in cursor.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()]
    audience = [step for step in steps if "subscription_audience" in step]
    assert about
    assert all("newsletter=? AND state=?" in step for step in audience)


def test_both_parts_hold_the_link_that_confirms():
    reader = readers.pending()
    confirmations.send(one().pk)
    (message,) = mail.outbox
    html = message.alternatives[0].content
    link = re.search(r"http://127\.0\.0\.1:8000/confirm/[\w-]+/", message.body)[0]
    assert link in html
    from subscribers import signed_links

    token = link.rstrip("/").rpartition("/")[2]
    assert signed_links.read(token, "confirm").public_id == reader.public_id


def test_a_confirmation_long_after_a_bounce_asks_to_be_mailed_in_spite_of_it():
    reader = readers.pending()
    confirmations.send(one().pk)
    optin.suppress(reader.suppression_hash, "bounce", readers.LINK)
    Suppression.objects.update(at=timezone.now() - timedelta(days=8))
    Subscription.objects.update(confirmation_due=timezone.now(), confirmation_tries=0, confirmation_tried_at=None)
    assert confirmations.send(one().pk)
    assert [message.bounced_before for message in mail.outbox] == [False, True]


def test_nothing_that_the_visitor_typed_stands_in_the_mail():
    readers.pending(who=readers.Named("Win $$$ at evil.example", BEN.email))
    confirmations.send(one().pk)
    (message,) = mail.outbox
    assert "evil" not in message.subject + message.body + message.alternatives[0].content
    assert BEN.email not in message.body + message.alternatives[0].content


def test_the_newsletter_decides_the_language():
    readers.pending("jianbao")
    confirmations.send(one().pk)
    assert "嵌入式AI简报" in mail.outbox[0].subject
    assert "上海市" in mail.outbox[0].body


def test_two_workers_with_the_same_hint_send_one_mail():
    readers.pending()
    assert [confirmations.send(one().pk), confirmations.send(one().pk)] == [True, False]
    assert len(mail.outbox) == 1


def test_a_confirmed_reader_is_not_asked():
    reader = readers.pending()
    optin.confirm(reader.public_id, "weekly", readers.LINK)
    assert not confirmations.send(one().pk)
    assert mail.outbox == []


def test_an_address_suppressed_since_is_not_mailed(clock):
    reader = readers.pending()
    optin.suppress(reader.suppression_hash, "complaint", readers.LINK)
    assert not confirmations.send(one().pk)
    assert mail.outbox == []
    assert list(confirmations.due(clock.now)) == []


def test_a_confirmation_of_a_newsletter_that_another_installation_has_waits_for_that_one(settings, clock):
    readers.pending()
    weekly = settings.NEWSLETTERS["weekly"]
    for here in ({}, {"weekly": replace(weekly, list_id="weekly.other.example")}):
        settings.NEWSLETTERS = here
        assert list(confirmations.due(clock.now)) == []
        assert not confirmations.send(one().pk)
    assert one().confirmation_tries == 0
    settings.NEWSLETTERS = {"weekly": weekly}
    assert list(confirmations.due(clock.now)) == [one().pk]


def test_with_an_unknown_key_a_confirmation_waits(settings, clock, mailoutbox):
    settings.SENDGRID_API_KEY, settings.PROVIDER = "SG.first", "api.sendgrid.com"
    accounts.this_account()
    readers.pending()
    settings.SENDGRID_API_KEY = "SG.unknown"
    assert list(confirmations.due(clock.now)) == []
    assert not confirmations.send(one().pk)
    settings.SENDGRID_API_KEY = "SG.first"
    assert confirmations.send(one().pk)
    assert len(mailoutbox) == 1


def test_a_rehearsal_swallows_no_confirmation_where_an_account_mails(settings, clock):
    settings.SENDGRID_API_KEY, settings.PROVIDER = "SG.first", "api.sendgrid.com"
    accounts.this_account()
    readers.pending()
    assert list(confirmations.due(clock.now)) == [one().pk]
    settings.SENDGRID_API_KEY, settings.PROVIDER = "", "rehearsal"
    assert list(confirmations.due(clock.now)) == []


def test_a_mail_that_failed_is_tried_three_times_in_all_and_never_within_ten_minutes(clock, no_mail):
    readers.pending()
    tries = []
    for _ in range(24 * 12):
        for due in confirmations.due(clock.now):
            try:
                confirmations.send(due)
            except MailFailed:
                tries.append(clock.now)
        clock.forward(minutes=5)
    assert [int((later - tries[0]).total_seconds() // 60) for later in tries] == [0, 10, 70]
    assert one().confirmation_due is None
    assert one().state == "pending"


def test_a_mail_that_failed_goes_out_with_the_next_try(clock, no_mail, monkeypatch):
    readers.pending()
    with pytest.raises(MailFailed):
        confirmations.send(one().pk)
    monkeypatch.undo()
    assert confirmations.send(one().pk) is False
    Subscription.objects.update(confirmation_due=clock.now, confirmation_tried_at=clock.now - timedelta(minutes=10))
    assert confirmations.send(one().pk)
    assert one().confirmation_due is None


def test_a_mail_that_cannot_be_written_stays_due_as_one_that_cannot_be_sent(clock, monkeypatch):
    readers.pending()
    monkeypatch.setattr(composing, "PARTS", ("gone.txt",) * 3)  # an editor's own template, by a wrong name
    with pytest.raises(MailFailed, match="TemplateDoesNotExist"):
        confirmations.send(one().pk)
    clock.forward(minutes=10)
    assert list(confirmations.due(clock.now)) == [one().pk]


def test_who_asks_anew_just_after_a_retry_waits_for_the_ten_minutes(clock, no_mail, monkeypatch):
    readers.pending()
    with suppress(MailFailed):
        confirmations.send(one().pk)
    clock.forward(minutes=10)
    monkeypatch.setattr(locmem.EmailBackend, "send_messages", lambda self, messages: len(messages))
    assert confirmations.send(one().pk)  # the retry
    clock.forward(minutes=1)
    readers.pending()
    assert [confirmations.send(pk) for pk in confirmations.due(clock.now)] == [False]
    clock.forward(minutes=8, seconds=59)
    assert list(confirmations.due(clock.now)) == []
    clock.forward(seconds=1)
    assert [confirmations.send(pk) for pk in confirmations.due(clock.now)] == [True]


def test_a_reader_who_asks_anew_next_day_has_new_tries(clock, no_mail):
    readers.pending()
    for _ in range(100):
        for due in confirmations.due(clock.now):
            with suppress(MailFailed):
                confirmations.send(due)
        clock.forward(minutes=15)
    assert one().confirmation_tries == 3
    readers.pending()
    assert one().confirmation_tries == 0


def test_the_task_logs_ids_and_never_an_address(no_mail, caplog):
    readers.pending()
    send_confirmation(one().pk)
    (record,) = caplog.records
    assert record.subscription == one().pk
    assert record.error == "SMTPRecipientsRefused"
    assert BEN.email not in caplog.text
    assert record.exc_info is None


def test_requests_of_a_clock_that_was_ahead_wait_no_longer_and_limit_nobody_for_longer(clock):
    clock.forward(hours=25)
    readers.pending()
    clock.forward(hours=-25)
    confirmations.bring_forward(clock.now)
    (due,) = confirmations.due(clock.now)
    assert confirmations.send(due)
    clock.forward(days=1)
    assert readers.pending().subscriptions.get().confirmation_due == clock.now
