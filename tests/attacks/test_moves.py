"""After a change of address: what the next owner of the old mailbox tries with the links in it, and what the new
address agrees to. Only unsubscribing works for ever."""

import re

import pytest
from django.core import mail

from subscribers import changing, erasing, journal, signed_links
from subscribers.addresses import parse
from subscribers.applying import apply
from subscribers.journal import ALL, Leaving
from subscribers.mail import confirmations, link_mails, notice_mails
from subscribers.models import Consent, FormerId, Letter, Notice, Subscriber, Subscription
from tests import readers
from tests.attacks.mailboxes import BUTTON, NEW, ONE_CLICK, mailed, two_newsletters
from tests.readers import ADA, LINK
from tests.subscribers.paths import (
    confirm_path,
    data_path,
    everything,
    leave_path,
    path_of,
    preferences_path,
    undo_in,
    undo_path,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _hints(hints):
    return hints


@pytest.fixture
def moved(client) -> dict[str, str]:
    """Give Ada, who gets two newsletters and left a third, a new address; return the links in the old mailbox."""
    readers.unsubscribed("another", ADA)
    ada = two_newsletters()
    paths = {
        "confirm": confirm_path(ada),
        "preferences": preferences_path(ada),
        "data": data_path(ada),
        "undo": undo_path(ada, "another"),
        "weekly": leave_path(ada),
        "jianbao": leave_path(ada, "jianbao"),
        "another": leave_path(ada, "another"),
    }
    assert readers.move(ada, NEW) is changing.Moved.MOVED
    return paths


@pytest.mark.parametrize("purpose", ["confirm", "preferences", "data", "undo"])
def test_a_link_of_the_old_mailbox_opens_nothing_and_says_where_to_go(client, moved, purpose):
    before = everything()
    wishes = [{}, {"do": "save", "newsletter": "another"}, {"do": "link"}, {"do": "delete", "sure": "yes"}]
    for answer in [client.get(moved[purpose]), *(client.post(moved[purpose], wish) for wish in wishes)]:
        assert answer.status_code == 410
        page = answer.content.decode()
        assert "an email to your new address" in page
        assert NEW not in page
        assert str(Subscriber.objects.get().public_id) not in page
    assert everything() == before


def test_no_link_of_the_old_mailbox_mints_a_fresh_one(client, moved):
    answer = client.get(f"{moved['weekly']}?preferences", follow=True)
    assert answer.status_code == 410
    fresh = re.findall(r"/(?:preferences|confirm|unsubscribe/undo)/[\w-]+/", answer.content.decode())
    assert fresh == []
    assert client.get(answer.redirect_chain[-1][0]).status_code == 410
    page = client.get(moved["weekly"]).content.decode()
    assert "/preferences/" not in page


def test_a_confirm_link_of_the_old_mailbox_does_not_confirm_for_the_new_address(client):
    """The request was emailed before the move, so the owner of the new address never saw the link."""
    ada = two_newsletters()
    readers.pending("another", ADA)
    old = confirm_path(ada, "another")
    readers.move(ada, NEW)
    assert client.get(old).status_code == client.post(old).status_code == 410
    assert readers.state_of(ada, "another") == "unsubscribed", "requests that nobody confirmed end with the move"
    assert Subscription.objects.get(newsletter="another").confirmation_due is None
    assert client.post(confirm_path(ada, "another")).status_code == 410, "nor does a link with the new id"


def test_a_confirmation_or_letter_that_waits_is_not_mailed_after_the_move(clock):
    ada = two_newsletters()
    readers.pending("another", ADA)
    clock.forward(minutes=11)
    data = changing.ask_for_link(ada.public_id, "weekly", LINK)
    readers.move(ada, NEW)
    assert list(confirmations.due(clock.now)) == []
    assert not link_mails.send(data)
    assert mail.outbox == []


@pytest.mark.parametrize("press", [BUTTON, {"List-Unsubscribe": "One-Click"}], ids=["page", "one-click"])
def test_the_unsubscribe_link_of_an_old_mail_never_expires(client, moved, clock, press):
    clock.forward(days=2000)
    before = everything()
    assert "<button" in client.get(moved["weekly"]).content.decode()
    assert everything() == before
    answer = client.post(moved["weekly"], press)
    assert answer.status_code == 200
    assert undo_in(answer) == ""
    ada = Subscriber.objects.get()
    assert (readers.state_of(ada), readers.state_of(ada, "jianbao")) == ("unsubscribed", "active")
    assert client.post(moved["weekly"], press).status_code == 200
    assert Consent.objects.filter(newsletter="weekly", step="unsubscribed").count() == 1


def test_an_old_link_ends_only_what_was_read_at_that_address(client, clock, moved):
    """Ada left the third newsletter at the old address, and joins it at the new one."""
    clock.forward(minutes=11)
    ada = readers.confirmed("another", readers.Named("Ada", NEW))
    assert client.post(moved["another"], *ONE_CLICK).status_code == 200
    for answer in (client.get(moved["another"]), client.post(moved["another"], BUTTON)):
        assert answer.status_code == 410, "nobody is told that they left"
        assert "an email to your new address" in answer.content.decode()
    assert readers.state_of(ada, "another") == "active"


def test_old_links_work_after_a_second_move_and_after_coming_back(client, moved):
    ada = Subscriber.objects.get()
    second = leave_path(ada, "jianbao")
    readers.move(ada, ADA.email)
    assert client.get(moved["preferences"]).status_code == 410, "not even at the address that it was mailed to"
    assert client.post(moved["weekly"], *ONE_CLICK).status_code == 200
    assert client.post(second, *ONE_CLICK).status_code == 200
    assert {one.state for one in ada.subscriptions.all()} == {"unsubscribed"}
    assert FormerId.objects.count() == 4


def test_an_old_click_that_waited_in_the_journal_counts_after_the_move(clock, moved, tmp_path, settings):
    settings.OPTOUTS = tmp_path / "optouts.log"
    path, former = tmp_path / "leaving.jsonl", FormerId.objects.first().public_id
    clock.forward(minutes=11)
    for newsletter in ("weekly", "another"):
        journal.append(path, Leaving(former, newsletter, "one-click", clock.now))
    ada = readers.confirmed("another", readers.Named("Ada", NEW))
    clock.forward(minutes=1)
    journal.append(path, Leaving(former, "another", "one-click", clock.now))
    assert apply(path).left == 1
    assert [readers.state_of(ada, one) for one in ("weekly", "jianbao", "another")] == [
        *("unsubscribed", "active", "active")
    ]
    journal.append(path, Leaving(former, ALL, "preferences", clock.now))
    assert apply(path).left == 1
    assert [readers.state_of(ada, one) for one in ("jianbao", "another")] == ["unsubscribed", "active"]


def test_the_links_of_an_erased_subscriber_answer_as_for_strangers(client, moved):
    erasing.forget(parse(NEW).key, LINK)
    assert not FormerId.objects.exists()
    assert client.post(moved["weekly"], *ONE_CLICK).status_code == 200
    assert "an email to your new address" not in client.get(moved["preferences"]).content.decode()


def test_the_letter_of_a_move_names_each_newsletter_and_language_and_one_press_confirms_those_alone(client, clock):
    ada = two_newsletters()
    changing.ask_to_move(ada.public_id, "weekly", parse(NEW), LINK)
    clock.forward(minutes=11)
    readers.confirmed("another", ADA)  # meanwhile: nobody at the new address was told of it
    (message,) = mailed("address")
    assert message.to == [NEW]
    html = message.alternatives[0][0]
    for part in (message.body, html):
        assert "The Weekly (English)" in part
        assert "(Simplified Chinese)" in part
        assert "another" not in part
    path = path_of(re.search(r"http://\S+/preferences/address/\S+", message.body)[0])
    assert "The Weekly (English)" in client.get(path).content.decode()
    answer = client.post(path).content.decode()
    assert "The Weekly (English)" in answer
    assert "another" not in answer
    states = dict(Subscription.objects.values_list("newsletter", "state"))
    assert states == {"weekly": "active", "jianbao": "active", "another": "unsubscribed"}
    confirmed = Consent.objects.filter(how="link to new address", step="confirmed")
    assert set(confirmed.values_list("newsletter", flat=True)) == {"weekly", "jianbao"}
    assert client.get(re.search(r'href="(/preferences/[^"]+)"', answer)[1]).status_code == 200


def test_a_letter_of_a_move_from_before_the_upgrade_confirms_what_was_read_when_it_was_asked_for(clock):
    ada = readers.confirmed()
    changing.ask_to_move(ada.public_id, "weekly", parse(NEW), LINK)
    Letter.objects.update(newsletters=None)
    clock.forward(minutes=11)
    readers.confirmed("another", ADA)
    assert changing.move(Letter.objects.get().public_id, LINK) is changing.Moved.MOVED
    assert (readers.state_of(ada), readers.state_of(ada, "another")) == ("active", "unsubscribed")


def test_a_letter_of_a_move_says_so_where_nothing_is_left_to_read(client):
    ada = readers.unsubscribed("weekly", ADA)
    changing.ask_to_move(ada.public_id, "weekly", parse(NEW), LINK)
    (message,) = mailed("address")
    assert "It will not receive any newsletters" in message.body
    assert changing.move(Letter.objects.get().public_id, LINK) is changing.Moved.MOVED
    assert "an email to your new address" in client.get(preferences_path(ada)).content.decode()
    assert FormerId.objects.get().newsletter == ""


def test_the_old_address_is_told_of_a_move(moved):
    erasing.forget(parse(NEW).key, LINK)  # by a thief, at once
    (message,) = mailed("moved")
    assert message.to == [ADA.email]
    assert message.subject == "Your address for The Weekly has changed"
    assert "reply to this email" in message.body
    assert NEW not in message.body + message.alternatives[0][0]
    assert "http" not in message.body
    assert not Notice.objects.filter(kind="moved").exists(), "the address is nobody's, and is not kept"


def test_news_of_an_undo_that_waits_goes_to_nobody_after_a_move(client):
    """It says "You are still subscribed", and its link would contain the subscriber's new id."""
    ada = readers.confirmed()
    client.post(undo_in(client.post(leave_path(ada), BUTTON)))
    waiting = Notice.objects.get(kind="undone").pk
    readers.move(ada, NEW)
    assert not notice_mails.send(waiting)
    assert mail.outbox == []
    assert not Notice.objects.filter(pk=waiting).exists()


def test_the_link_to_a_new_address_that_the_subscriber_left_again_tells_nothing_of_them(client):
    ada = two_newsletters()
    paths = []
    for address in (NEW, "ada@newest.example"):
        assert readers.move(ada, address) is changing.Moved.MOVED
        paths.append(path_of(signed_links.address_url(Letter.objects.latest("pk").public_id, "weekly")))
    left, used = [client.get(path) for path in paths]
    assert left.status_code == client.post(paths[0]).status_code == 410
    assert "The Weekly (English)" not in left.content.decode()
    assert used.content == client.post(paths[1]).content, "a link that was used says so, and asks nothing"
