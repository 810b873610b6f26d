"""A single email that was refused for good, or whose outcome is unknown, is not sent again automatically."""

import time

import pytest
from django.core.mail import EmailMessage
from django.core.mail.backends import locmem

from subscribers import changing
from subscribers.mail import confirmations, failures, link_mails
from subscribers.mail.claiming import MailFailed
from subscribers.mail.failures import NotSent
from subscribers.models import Letter, Subscription
from tests import readers
from tests.readers import LINK

pytestmark = pytest.mark.django_db

REFUSED = NotSent("Does not contain a valid address.", retry=False)
UNKNOWN = NotSent("no answer", retry=False, unknown=True)
LATER = NotSent("429", retry=True, wait=30)


@pytest.fixture
def fails(monkeypatch):
    """Let the provider's mail backend raise the error from now on: `fails(error)`."""

    def begin(error: NotSent) -> None:
        def raising(self, messages):
            raise error

        monkeypatch.setattr(locmem.EmailBackend, "send_messages", raising)

    return begin


@pytest.mark.parametrize(("error", "retry"), [(REFUSED, False), (UNKNOWN, False), (LATER, True)])
def test_a_confirmation_is_due_again_only_if_a_second_try_may_help_and_cannot_be_a_second_email(
    clock, fails, error, retry
):
    readers.pending()
    fails(error)
    with pytest.raises(MailFailed) as caught:
        confirmations.send(Subscription.objects.get().pk)
    assert caught.value.retry is retry
    clock.forward(hours=7)
    assert bool(list(confirmations.due(clock.now))) is retry


def test_who_asks_again_after_a_refusal_gets_a_new_confirmation(clock, fails, monkeypatch):
    readers.pending()
    fails(UNKNOWN)
    with pytest.raises(MailFailed):
        confirmations.send(Subscription.objects.get().pk)
    monkeypatch.setattr(locmem.EmailBackend, "send_messages", lambda self, messages: len(messages))
    failures.end_backoff()
    clock.forward(days=1)
    readers.pending()
    assert [confirmations.send(pk) for pk in confirmations.due(clock.now)] == [True]


@pytest.mark.parametrize(("error", "retry"), [(REFUSED, False), (UNKNOWN, False), (LATER, True)])
def test_so_it_is_with_a_link_to_their_data(clock, fails, error, retry):
    letter = changing.ask_for_link(readers.confirmed().public_id, "weekly", LINK)
    fails(error)
    with pytest.raises(MailFailed):
        link_mails.send(letter)
    assert (Letter.objects.get().due is not None) is retry


def test_a_provider_that_hangs_meets_few_emails_and_the_rest_stays_due(clock, fails, monkeypatch):
    for who in (readers.ADA, readers.BEN):
        readers.pending(who=who)
    first, second = confirmations.due(clock.now)
    fails(UNKNOWN)
    with pytest.raises(MailFailed):
        confirmations.send(first)
    assert not confirmations.send(second)
    monkeypatch.setattr(locmem.EmailBackend, "send_messages", lambda self, messages: len(messages))
    later = time.monotonic() + failures.SHORTEST
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert confirmations.send(second)
    assert not failures.backs_off()


def test_it_backs_off_for_longer_each_time_and_never_for_long(fails, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    fails(UNKNOWN)
    waits = []
    for _ in range(12):
        with pytest.raises(NotSent):
            failures.hand_over(EmailMessage("Hi", "Hello", "a@example.com", ["b@example.com"]))
        began = now[0]
        while failures.backs_off():
            now[0] += 1
        waits.append(now[0] - began)
    assert waits == [10, 20, 40, 80, 160, *[300] * 7]
