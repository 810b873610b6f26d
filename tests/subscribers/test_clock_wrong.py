"""Web processes and workers with wrong clocks respect limits and due times: the database's clock counts."""

from datetime import timedelta

import pytest
from django.core import mail
from django.db import OperationalError, connection

from subscribers import applying, changing, clock, offline, optin, signed_links
from subscribers.addresses import parse
from subscribers.mail import confirmations, link_mails
from subscribers.models import Letter, Subscription
from subscribers.optin import Answer, Origin
from subscribers.tokens import CONFIRM, DATA
from tests import readers
from tests.readers import BEN, FORM

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has the clock of its machine"),
]


def token_of(url: str) -> str:
    return url.rstrip("/").rpartition("/")[2]


def test_a_confirmation_asked_for_at_a_wrong_clock_is_due_at_once(wrong):
    wrong()
    readers.pending()
    (due,) = confirmations.due(clock.now())
    assert confirmations.send(due)
    assert len(mail.outbox) == 1


def test_a_worker_with_a_wrong_clock_sends_what_is_due_and_nothing_earlier(wrong):
    readers.pending()
    put_off = readers.pending(who=readers.CLEO)
    Subscription.objects.filter(subscriber=put_off).update(confirmation_due=clock.now() + timedelta(minutes=10))
    wrong()
    assert [confirmations.send(pk) for pk in Subscription.objects.order_by("pk").values_list("pk", flat=True)] == [
        True,
        False,
    ]


def test_a_wrong_clock_lets_nobody_ask_for_mail_after_mail(wrong):
    readers.pending()
    wrong()
    again = optin.subscribe(parse(BEN.email), "weekly", origin=FORM, typed=readers.typed())
    assert again.answer is Answer.ASKED_ENOUGH


def test_links_made_at_a_wrong_clock_are_good_for_as_long_as_any(wrong, monkeypatch):
    ada = readers.confirmed()
    wrong()
    confirm = token_of(signed_links.confirm_url(ada.public_id, "weekly"))
    data = token_of(signed_links.data_url(ada.public_id, "weekly", ada.email_key))
    monkeypatch.undo()
    assert signed_links.read(confirm, CONFIRM).public_id == ada.public_id
    assert signed_links.read(data, DATA).public_id == ada.public_id


def test_links_read_at_a_wrong_clock_are_good_for_as_long_as_any(wrong):
    ada = readers.confirmed()
    data = token_of(signed_links.data_url(ada.public_id, "weekly", ada.email_key))
    wrong()
    assert signed_links.read(data, DATA).public_id == ada.public_id


def test_a_letter_asked_for_at_a_wrong_clock_goes_out_at_once(wrong):
    ada = readers.confirmed()
    wrong()
    changing.ask_for_link(ada.public_id, "weekly", Origin(how="page"))
    (due,) = link_mails.due(clock.now())
    assert link_mails.send(due)
    assert Letter.objects.get().due is None


def test_a_leaving_that_waits_for_the_database_keeps_its_time_at_a_wrong_clock(wrong, settings, tmp_path):
    """Otherwise, with a clock that is behind, it would be older than the confirmation, and void."""
    settings.LEAVING_JOURNAL = tmp_path / "leaving.jsonl"
    ada = readers.confirmed()
    wrong()
    offline.keep(ada.public_id, "weekly", "one-click", OperationalError())
    applied = applying.apply(settings.LEAVING_JOURNAL)
    assert applied is not None
    assert applied.left == 1
    assert readers.state_of(ada) == "unsubscribed"
