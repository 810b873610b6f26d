"""Undo: only in the answer to the very press that unsubscribed, for half an hour, and never a way around the mail
that asks to confirm."""

import pytest
from django.test import Client

from subscribers import optin
from subscribers.models import Subscription, Suppression
from tests import readers
from tests.readers import LINK
from tests.subscribers.paths import everything, leave_path, undo_in, undo_path

pytestmark = pytest.mark.django_db
BUTTON = {"from": "page"}


def test_the_press_that_unsubscribed_can_be_made_undone():
    reader = readers.confirmed()
    client = Client(enforce_csrf_checks=True)
    undo = undo_in(client.post(leave_path(reader), BUTTON))
    answers = [client.post(undo), client.post(undo)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content
    assert readers.state_of(reader) == "active"
    assert readers.history_of(reader)[-2:] == [("unsubscribed", "page"), ("confirmed", "undo")]
    assert Subscription.objects.deliverable().count() == 1


@pytest.mark.parametrize("times", [1, 2])
def test_whoever_undoes_it_is_subscribed_since_before(client, clock, times):
    reader = readers.confirmed()
    since = Subscription.objects.get().changed_at
    for _ in range(times):
        clock.forward(minutes=5)
        client.post(undo_in(client.post(leave_path(reader), BUTTON)))
    assert readers.state_of(reader) == "active"
    assert Subscription.objects.get().changed_at == since


def test_looking_at_it_changes_nothing(client):
    reader = readers.confirmed()
    undo = undo_in(client.post(leave_path(reader), BUTTON))
    before = everything()
    assert "<button" in client.get(undo).content.decode()
    assert client.head(undo).status_code == 200
    assert everything() == before


def test_neither_a_second_press_nor_a_mail_provider_is_offered_it(client):
    reader = readers.confirmed()
    assert undo_in(client.post(leave_path(reader), "List-Unsubscribe=One-Click", "text/plain")) == ""
    assert undo_in(client.post(leave_path(reader), BUTTON)) == ""


def test_after_half_an_hour_it_is_over(client, clock):
    reader = readers.confirmed()
    undo = undo_in(client.post(leave_path(reader), BUTTON))
    clock.forward(minutes=30)
    assert client.post(undo).status_code == 410
    assert readers.state_of(reader) == "unsubscribed"


def test_who_left_again_by_their_mail_program_stays_away(client):
    reader = readers.confirmed()
    undo = undo_in(client.post(leave_path(reader), BUTTON))
    client.post(undo)
    client.post(leave_path(reader))
    assert client.post(undo).status_code == 410
    assert readers.state_of(reader) == "unsubscribed"


def test_a_friend_with_an_old_mail_cannot_bring_back_who_left(client):
    """The form makes the subscriber pending; unsubscribing by the button must not end that in `active`."""
    reader = readers.unsubscribed()
    readers.pending(who=readers.CLEO)
    assert undo_in(client.post(leave_path(reader), BUTTON)) == ""
    assert client.post(undo_path(reader)).status_code == 410
    assert readers.state_of(reader) == "unsubscribed"


@pytest.mark.parametrize("reason", Suppression.Reason.values)
def test_an_address_that_nobody_may_mail_is_not_brought_back(client, reason):
    reader = readers.confirmed()
    undo = undo_in(client.post(leave_path(reader), BUTTON))
    optin.suppress(reader.suppression_hash, reason, LINK)
    assert client.post(undo).status_code == 410
    assert readers.state_of(reader) == "unsubscribed"
