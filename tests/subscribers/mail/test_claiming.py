from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core import mail

from subscribers import changing, notices
from subscribers.mail import claiming, confirmations, link_mails, notice_mails
from subscribers.models import Notice, Subscription
from tests import readers
from tests.readers import LINK

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """What follows the claim never runs."""


def die(message) -> None:
    raise Killed


def a_confirmation(clock) -> int:
    readers.pending()
    return Subscription.objects.get().pk


def a_letter(clock) -> int:
    return changing.ask_for_link(readers.confirmed().public_id, "weekly", LINK)


def a_notice(clock) -> int:
    notices.undone(readers.confirmed(), "weekly", clock.now)
    return Notice.objects.get().pk


KINDS = [(confirmations, a_confirmation), (link_mails, a_letter), (notice_mails, a_notice)]


@pytest.mark.parametrize(("kind", "made"), KINDS, ids=["confirmation", "letter", "notice"])
def test_an_email_whose_worker_was_killed_after_the_claim_goes_out_ten_minutes_later(
    clock, monkeypatch, kind, made: Callable[..., int]
):
    row = made(clock)
    with monkeypatch.context() as patched:
        patched.setattr(claiming, "hand_over", die)
        with pytest.raises(Killed):
            kind.send(row)
    assert list(kind.due(clock.now)) == []
    assert not kind.send(row)
    clock.now += timedelta(minutes=10)
    assert list(kind.due(clock.now)) == [row]
    assert kind.send(row)
    assert len(mail.outbox) == 1


@pytest.mark.parametrize(("kind", "made"), KINDS, ids=["confirmation", "letter", "notice"])
def test_an_email_whose_worker_was_killed_before_it_recorded_the_acceptance_goes_out_once_more(
    clock, monkeypatch, kind, made: Callable[..., int]
):
    row, hand_over = made(clock), claiming.hand_over

    def accepted(message) -> None:
        hand_over(message)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(claiming, "hand_over", accepted)
        with pytest.raises(Killed):
            kind.send(row)
    assert not kind.send(row)
    clock.now += timedelta(minutes=10)
    assert kind.send(row)
    clock.now += timedelta(hours=2)
    assert list(kind.due(clock.now)) == []
    assert len(mail.outbox) == 2
