from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from mailer.store import accounts, elsewhere
from subscribers import changing
from subscribers.models import Letter, Subscription
from tests import readers
from tests.mailer.sending import outgoing

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _by_the_first_key(settings):
    settings.SENDGRID_API_KEY, settings.PROVIDER = "SG.first", "api.sendgrid.com"
    accounts.this_account()


@pytest.fixture
def late_mails():
    """Create a confirmation email and an email with a link that have been due for longer than a worker takes."""
    readers.pending()
    changing.ask_for_link(readers.confirmed().public_id, "weekly", readers.LINK)
    long_ago = timezone.now() - timedelta(minutes=2)
    Subscription.objects.filter(confirmation_due__isnull=False).update(confirmation_due=long_ago)
    Letter.objects.update(due=long_ago)


def found():
    return {one.what: one.why for one in elsewhere.waiting()}


def test_what_is_ours_waits_for_nobody_else(late_mails):
    outgoing.planned()
    assert found() == {}


def test_mails_of_a_newsletter_that_is_not_here_are_named(late_mails, settings):
    settings.NEWSLETTERS = {"weekly": replace(settings.NEWSLETTERS["weekly"], list_id="weekly.other.example")}
    assert set(found()) == {"confirmation emails of weekly", "emails with a link of weekly"}
    assert "`weekly` with the list_id weekly.news.example.com" in found()["confirmation emails of weekly"]


def test_mails_that_wait_for_a_known_key_are_named(late_mails, settings):
    settings.SENDGRID_API_KEY = "SG.unknown"
    assert "they wait for a worker with a known key" in found()["confirmation emails of weekly"]


def test_mails_that_are_due_for_a_moment_are_not_worth_a_word(settings):
    readers.pending()
    settings.SENDGRID_API_KEY = "SG.unknown"
    assert found() == {}


def test_a_rehearsal_is_not_missed_where_mail_is_sent(settings):
    settings.SENDGRID_API_KEY, settings.PROVIDER = "", "rehearsal"
    readers.confirmed()
    rehearsal = outgoing.planned()
    settings.SENDGRID_API_KEY, settings.PROVIDER = "SG.first", "api.sendgrid.com"
    assert found() == {}
    assert "it is a rehearsal" in elsewhere.why_not_from_here(rehearsal)


def test_each_thing_is_logged_once_and_again_when_it_comes_back(settings, caplog):
    readers.confirmed()
    outgoing.planned()
    watch = elsewhere.Watch()
    for key in ("SG.first", "SG.unknown", "SG.unknown", "SG.first", "SG.unknown"):
        settings.SENDGRID_API_KEY = key
        watch.look()
    said = [record.what for record in caplog.records if record.message == "not sent by this worker"]
    assert said == ["everything", "weekly/2026-11-20"] * 2
    assert "SG.unknown" not in caplog.text
