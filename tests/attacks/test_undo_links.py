"""An undo link is bound to one unsubscribe, so a friend with a forwarded email cannot misuse it.

The subscriber is told what was done in their name.
"""

import re
from datetime import timedelta

import pytest

from subscribers import changing, erasing, journal, optin
from subscribers.applying import apply
from subscribers.journal import ALL, Leaving
from subscribers.models import Consent, Notice, Subscriber, Subscription, Suppression
from subscribers.optin import Origin
from tests import readers
from tests.attacks.mailboxes import BUTTON, ONE_CLICK, mailed, two_newsletters
from tests.readers import ADA, LINK
from tests.subscribers.paths import (
    data_path,
    everything,
    leave_path,
    preferences_path,
    undo_in,
    undo_path,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _hints(hints):
    return hints


def pressed_undo(client, reader: Subscriber) -> int:
    """Unsubscribe on the page, press Undo in the response, and return the status."""
    return client.post(undo_in(client.post(leave_path(reader), BUTTON))).status_code


# ---------------------------------------------------------------- undo


def test_a_friend_who_left_for_the_owner_cannot_undo_the_owners_own_leaving(client):
    """The friend keeps the undo link from a forwarded email; the owner unsubscribes with one click a minute later."""
    ada = readers.confirmed()
    undo = undo_in(client.post(leave_path(ada), BUTTON))
    assert client.post(leave_path(ada), *ONE_CLICK).status_code == 200
    assert client.post(undo).status_code == 410
    assert readers.state_of(ada) == "unsubscribed"
    assert not Notice.objects.exists()


def test_who_leaves_everything_ends_undo_also_of_what_was_left_before(client):
    ada = two_newsletters()
    undo = undo_in(client.post(leave_path(ada), BUTTON))
    client.post(preferences_path(ada), {"do": "leave"})
    assert client.post(undo).status_code == 410
    assert readers.state_of(ada) == "unsubscribed"


@pytest.mark.parametrize("again", ["page", "preferences", "command"])
def test_any_later_leaving_ends_undo(client, again):
    ada = readers.confirmed()
    undo = undo_in(client.post(leave_path(ada), BUTTON))
    optin.leave(ada.public_id, "weekly", Origin(how=again))
    assert client.post(undo).status_code == 410
    assert readers.state_of(ada) == "unsubscribed"


def test_an_undo_link_undoes_no_other_leaving_than_its_own(client, clock):
    """After leaving, confirming again and leaving again, the first link has expired although both are minutes old."""
    ada = readers.confirmed()
    first = undo_in(client.post(leave_path(ada), BUTTON))
    clock.forward(minutes=11)
    readers.confirmed()
    second = undo_in(client.post(leave_path(ada), BUTTON))
    assert second != first
    assert client.post(first).status_code == 410
    assert readers.state_of(ada) == "unsubscribed"
    assert client.post(second).status_code == 200
    assert readers.state_of(ada) == "active"


def test_an_undo_link_is_used_once(client):
    ada = readers.confirmed()
    undo = undo_in(client.post(leave_path(ada), BUTTON))
    assert client.post(undo).status_code == 200
    before = everything()
    assert client.post(undo).status_code == 200, "a second press of the same button says the same"
    assert everything() == before, "and does nothing"
    client.post(leave_path(ada), BUTTON)
    assert client.post(undo).status_code == 410
    assert readers.state_of(ada) == "unsubscribed"


def test_a_link_signed_for_a_leaving_that_never_was_undoes_nothing(client):
    """An older version signed such links: for the newsletter, without the unsubscribe."""
    from subscribers import signed_links, tokens

    ada = readers.confirmed()
    client.post(leave_path(ada), BUTTON)
    until = Subscription.objects.get().changed_at + timedelta(minutes=30)
    old = tokens.make(tokens.UNDO, ada.public_id, "weekly", signed_links.signing_key(), until)
    for path in (f"/unsubscribe/undo/{old}/", signed_links.undo_path(ada.public_id, "weekly", 0)):
        assert client.post(path).status_code == 410
    assert readers.state_of(ada) == "unsubscribed"


def test_the_subscriber_is_told_of_an_undo_with_the_link_to_leave(client):
    ada = readers.confirmed()
    assert pressed_undo(client, ada) == 200
    (message,) = mailed("undone")
    assert message.to == [ADA.email]
    assert message.subject == "You are still subscribed to The Weekly"
    leave = re.search(r"http://127\.0\.0\.1:8000(/unsubscribe/[\w-]+/)", message.body)[1]
    assert leave == leave_path(ada)
    client.post(leave, BUTTON)
    assert readers.state_of(ada) == "unsubscribed"
    step = Consent.objects.filter(how="undo").get()
    assert (step.step, step.newsletter) == ("confirmed", "weekly")


def test_one_mailbox_hears_of_undos_once_a_day(client, clock):
    ada = two_newsletters()
    assert pressed_undo(client, ada) == 200
    client.post(undo_in(client.post(leave_path(ada, "jianbao"), BUTTON)))
    assert Notice.objects.filter(kind="undone").count() == 1
    clock.forward(days=1)
    assert pressed_undo(client, ada) == 200
    assert Notice.objects.filter(kind="undone").count() == 2


def test_addresses_of_one_mailbox_hear_of_it_as_one(client):
    for email in ("ada@readers.example", "ada+news@readers.example", "ADA+x@readers.example"):
        assert pressed_undo(client, readers.confirmed(who=readers.Named("Ada", email))) == 200
    assert Notice.objects.filter(kind="undone").count() == 1


def test_who_left_again_before_the_mail_went_out_is_not_told_that_they_are_subscribed(client):
    ada = readers.confirmed()
    assert pressed_undo(client, ada) == 200
    client.post(leave_path(ada), *ONE_CLICK)
    assert mailed("undone") == []


def test_a_mail_about_an_undo_that_was_never_sent_does_not_keep_back_that_about_the_next(client):
    ada = readers.confirmed()
    assert pressed_undo(client, ada) == 200
    leaving = client.post(leave_path(ada), BUTTON)
    assert mailed("undone") == []
    assert client.post(undo_in(leaving)).status_code == 200
    assert len(mailed("undone")) == 1


def test_after_two_undos_in_thirty_days_only_a_fresh_confirmation_brings_back(client, clock):
    ada = readers.confirmed()
    for _ in range(2):
        assert pressed_undo(client, ada) == 200
        clock.forward(days=1)
    third = client.post(leave_path(ada), BUTTON)
    assert undo_in(third) == ""
    assert "subscribe and confirm by email" in third.content.decode()
    assert 'href="/subscribe/"' in third.content.decode()
    assert client.post(undo_path(ada)).status_code == 410
    assert readers.state_of(ada) == "unsubscribed"
    readers.confirmed()
    page = client.post(preferences_path(ada), {"do": "leave"}).content.decode()
    assert "/unsubscribe/undo/" not in page
    assert "The Weekly: to receive it again, tick it" in page
    readers.confirmed()
    clock.forward(days=30)
    assert pressed_undo(client, ada) == 200


def test_a_click_that_waited_in_the_journal_is_not_undone_by_an_older_leavings_link(client, clock, tmp_path, settings):
    """The owner left while the database was down, between the friend leaving in their name and pressing Undo."""
    settings.LEAVING_JOURNAL, settings.OPTOUTS = tmp_path / "leaving.jsonl", tmp_path / "optouts.log"
    ada = readers.confirmed()
    clock.forward(minutes=1)
    undo = undo_in(client.post(leave_path(ada), BUTTON))
    clock.forward(minutes=1)
    journal.append(settings.LEAVING_JOURNAL, Leaving(ada.public_id, "weekly", "one-click", clock.now))
    clock.forward(minutes=1)
    assert client.post(undo).status_code == 200
    clock.forward(minutes=1)
    assert apply(settings.LEAVING_JOURNAL).left == 1
    assert readers.state_of(ada) == "unsubscribed"
    assert optin.those_who_left("weekly", [ada.pk]), "no file brings them back either"


def test_a_click_that_is_applied_late_ends_undo(client, clock, tmp_path, settings):
    settings.LEAVING_JOURNAL, settings.OPTOUTS = tmp_path / "leaving.jsonl", tmp_path / "optouts.log"
    ada = readers.confirmed()
    undo = undo_in(client.post(leave_path(ada), BUTTON))
    clock.forward(minutes=1)
    journal.append(settings.LEAVING_JOURNAL, Leaving(ada.public_id, ALL, "preferences", clock.now))
    apply(settings.LEAVING_JOURNAL)
    assert client.post(undo).status_code == 410
    assert readers.state_of(ada) == "unsubscribed"


# ---------------------------------------------------------------- who is told


def test_the_mailbox_is_told_of_a_deletion_and_then_forgotten(client):
    ada = two_newsletters()
    changing.speak(ada.public_id, "zh-hans", LINK)
    client.post(data_path(ada), {"do": "delete", "sure": "yes"})
    assert not Subscriber.objects.exists()
    (message,) = mailed("erased")
    assert message.to == [ADA.email]
    assert "已删除" in message.subject
    assert "http" not in message.body
    assert not Notice.objects.exists()


def test_erasing_again_or_by_the_log_of_opt_outs_tells_nobody_twice():
    ada = readers.confirmed()
    erasing.forget(ada.email_key, Origin(how="command"))
    erasing.forget(ada.email_key, Origin(how="command"))
    assert len(mailed("erased")) == 1
    back = readers.confirmed()
    erasing.forget(back.email_key, Origin(how=optin.RESTORE))
    assert not Notice.objects.exists()


def test_nobody_is_told_of_the_erasure_of_an_address_that_a_stranger_typed_in_or_that_may_not_be_mailed():
    erasing.forget(readers.pending().email_key, LINK)
    ada = readers.confirmed()
    optin.suppress(ada.suppression_hash, Suppression.Reason.COMPLAINT, LINK)
    erasing.forget(ada.email_key, LINK)
    assert not Notice.objects.exists()


def test_what_tells_of_a_step_uses_up_none_of_the_links_that_a_subscriber_may_ask_for(client, clock):
    ada = readers.confirmed()
    clock.forward(minutes=11)
    assert pressed_undo(client, ada) == 200
    assert changing.ask_for_link(ada.public_id, "weekly", LINK) is not None
