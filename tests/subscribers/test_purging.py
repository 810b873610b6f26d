"""What becomes of addresses that nobody confirmed."""

from datetime import timedelta

import pytest

from subscribers import optin
from subscribers.models import Subscriber, Subscription
from subscribers.purging import purge_unconfirmed
from tests import readers
from tests.readers import ADA, CLEO, FORM

pytestmark = pytest.mark.django_db


@pytest.fixture
def pending(clock):
    """Let Ben have asked 31 days ago and never confirmed; the email went out."""
    reader = readers.pending()
    Subscription.objects.update(confirmation_due=None)
    clock.forward(days=31)
    return reader


def test_after_thirty_days_an_address_that_nobody_confirmed_is_gone(pending, clock):
    assert purge_unconfirmed(clock.now) == 1
    assert not Subscriber.objects.exists()


def test_while_a_mail_is_due_it_stays_for_three_months(clock):
    readers.pending()
    clock.forward(days=31)
    assert purge_unconfirmed(clock.now) == 0
    clock.forward(days=60)  # nobody has this newsletter any more
    assert Subscription.objects.filter(confirmation_due__lt=clock.now).exists()
    assert purge_unconfirmed(clock.now) == 1


def test_before_that_it_stays(clock):
    readers.pending()
    clock.forward(days=31)
    Subscription.objects.update(confirmation_due=None, changed_at=clock.now - timedelta(days=29))
    assert purge_unconfirmed(clock.now) == 0


def test_a_reader_of_another_newsletter_stays_a_reader(pending, clock):
    Subscription.objects.create(subscriber=pending, newsletter="jianbao", state="active")
    assert purge_unconfirmed(clock.now) == 1
    assert [one.newsletter for one in pending.subscriptions.all()] == ["jianbao"]


def test_who_left_and_was_asked_again_keeps_the_history_that_protects_them(clock):
    cleo = readers.unsubscribed(who=CLEO)
    clock.forward(days=1)
    optin.subscribe(readers.parse(CLEO.email), "weekly", origin=FORM)
    Subscription.objects.update(confirmation_due=None)
    clock.forward(days=40)
    assert purge_unconfirmed(clock.now) == 0
    assert readers.state_of(cleo) == "pending"


def test_confirmed_and_imported_readers_stay(clock):
    readers.confirmed(who=ADA)
    readers.crowd(3)
    clock.forward(days=400)
    assert purge_unconfirmed(clock.now) == 0
    assert Subscriber.objects.count() == 4
