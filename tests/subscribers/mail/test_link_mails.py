"""Emails with a link: sent once, retried, deleted after two days, in the subscriber's language."""

import re
import time
from dataclasses import replace

import pytest
from django.core import mail

from subscribers import changing
from subscribers.mail import claiming, link_mails
from subscribers.mail.claiming import MailFailed
from subscribers.models import Letter
from subscribers.tasks import send_letter
from tests import readers
from tests.readers import ADA, LINK
from tests.subscribers.paths import preferences_path

pytestmark = pytest.mark.django_db


def asked() -> int:
    return changing.ask_for_link(readers.confirmed().public_id, "weekly", LINK)


def test_two_workers_with_the_same_hint_send_one_mail(clock):
    letter = asked()
    assert list(link_mails.due(clock.now)) == [letter]
    assert [link_mails.send(letter), link_mails.send(letter)] == [True, False]
    (message,) = mail.outbox
    assert message.subject == "Your data at The Weekly"
    assert message.from_email == '"The Weekly" <editor@news.example.com>'
    assert message.extra_headers["Auto-Submitted"] == "auto-generated"
    assert list(link_mails.due(clock.now)) == []


@pytest.mark.django_db(transaction=True)
def test_the_sweep_finds_one_whose_hint_was_lost(monkeypatch):
    from mailer import concurrency
    from mailer.worker.sweeping import sweep

    sent: list[int] = []
    monkeypatch.setattr(link_mails, "send", sent.append)
    letter = asked()
    sweep()
    assert concurrency.mails.wait_until_idle(time.monotonic() + 60) == 0
    assert sent == [letter]


def test_it_speaks_the_readers_language():
    reader = readers.confirmed()
    changing.speak(reader.public_id, "zh-hans", LINK)
    link_mails.send(changing.ask_for_link(reader.public_id, "weekly", LINK))
    assert mail.outbox[0].subject == "你在《The Weekly》的资料"


def test_it_reads_from_right_to_left_in_a_language_that_does(settings):
    reader = readers.confirmed()
    changing.speak(reader.public_id, "ar", LINK)
    link_mails.send(changing.ask_for_link(reader.public_id, "weekly", LINK))
    ((html, _),) = mail.outbox[0].alternatives
    assert '<html lang="ar" dir="rtl"' in html


def test_one_that_failed_is_tried_once_more_and_never_within_ten_minutes(clock, no_mail):
    letter, tries = asked(), []
    for _ in range(30):
        for due in link_mails.due(clock.now):
            with pytest.raises(MailFailed):
                link_mails.send(due)
            tries.append(clock.now)
        clock.forward(minutes=5)
        for due in link_mails.due(clock.now):
            if Letter.objects.get(pk=letter).tries == len(claiming.NEXT_TRY):
                assert link_mails.send(due) is False
    assert [int((at - tries[0]).total_seconds() // 60) for at in tries] == [0, 10]
    assert Letter.objects.get().due is None


def test_a_link_of_a_former_newsletter_asks_by_one_that_the_subscriber_still_gets(client, clock):
    readers.unsubscribed("weekly", ADA)
    readers.confirmed("jianbao", ADA)
    ada = readers.confirmed("given-up", ADA)
    client.post(preferences_path(ada, "given-up"), {"do": "link"})
    assert [link_mails.send(one) for one in link_mails.due(clock.now)] == [True]
    (message,) = mail.outbox
    assert "report@news.example.com" in message.from_email
    link = re.search(r"http://\S+(/preferences/data/\S+)", message.body)[1]
    assert "嵌入式AI简报" in client.get(link).content.decode()


def test_after_two_days_it_is_gone(clock):
    link_mails.send(asked())
    clock.forward(days=2)
    link_mails.forget_old(clock.now)
    assert Letter.objects.count() == 1
    clock.forward(seconds=1)
    link_mails.forget_old(clock.now)
    assert not Letter.objects.exists()


def test_a_letter_of_a_newsletter_that_another_installation_has_waits_for_that_one(settings, clock):
    letter = asked()
    weekly = settings.NEWSLETTERS["weekly"]
    for here in ({}, {"weekly": replace(weekly, list_id="weekly.other.example")}):
        settings.NEWSLETTERS = here
        assert list(link_mails.due(clock.now)) == []
        assert not link_mails.send(letter)
    assert Letter.objects.get().tries == 0
    settings.NEWSLETTERS = {"weekly": weekly}
    assert list(link_mails.due(clock.now)) == [letter]


def test_the_task_logs_ids_and_never_an_address(no_mail, caplog):
    letter = asked()
    send_letter(letter)
    (record,) = caplog.records
    assert (record.letter, record.error) == (letter, "SMTPRecipientsRefused")
    assert ADA.email not in caplog.text
