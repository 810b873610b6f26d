"""The page behind a newsletter's link, which may have been forwarded: what it shows, changes and sends."""

import re
from itertools import pairwise

import pytest
from django.core import mail
from django.test import Client

from subscribers import erasing, optin
from subscribers.mail import link_mails
from subscribers.models import Consent, Letter, Subscriber, Subscription
from tests import readers
from tests.readers import ADA, LINK
from tests.subscribers.paths import everything, leave_path, preferences_path, undo_in

pytestmark = pytest.mark.django_db
SAVE, LEAVE, LINK_PLEASE = {"do": "save", "language": "en"}, {"do": "leave"}, {"do": "link"}


@pytest.fixture(autouse=True)
def _hints(hints):
    return hints


def test_it_shows_what_its_reader_gets_and_the_address_masked(client):
    reader = readers.confirmed()
    page = client.get(preferences_path(reader)).content.decode()
    assert "a…@r….example" in page.replace("\u2060", "")
    assert not re.search(rf"{ADA.email}|{ADA.name}", page)
    assert re.search(r'value="weekly" checked>\s*<span><bdi>The Weekly', page)
    assert re.search(r'value="jianbao">\s*<span><bdi>嵌入式AI简报', page)


def test_the_page_to_unsubscribe_and_its_answer_lead_there(client):
    reader = readers.confirmed()
    for answer in (client.get(leave_path(reader)), client.post(leave_path(reader), {"from": "page"})):
        found = re.search(r'href="(/preferences/[^"]+)"', answer.content.decode())[1]
        assert client.get(found).status_code == 200


def test_looking_changes_nothing(client):
    reader = readers.confirmed()
    before = everything()
    for method in (client.get, client.head):
        assert method(preferences_path(reader)).status_code == 200
    assert everything() == before


def test_a_newsletter_unticked_comes_no_more_and_that_can_be_undone():
    client, reader = Client(enforce_csrf_checks=True), readers.confirmed()
    answer = client.post(preferences_path(reader), SAVE | {"had": "weekly"})
    assert readers.state_of(reader) == "unsubscribed"
    assert readers.history_of(reader)[-1] == ("unsubscribed", "preferences")
    client.post(undo_in(answer))
    assert readers.state_of(reader) == "active"


def test_a_newsletter_ticked_waits_for_the_mail_that_asks_to_confirm(
    client, clock, hints, django_capture_on_commit_callbacks
):
    reader = readers.confirmed()
    clock.forward(minutes=10)
    page = client.get(preferences_path(reader)).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(preferences_path(reader), SAVE | {"had": "weekly", "newsletter": ["weekly", "jianbao"]})
    assert "press the button in the email" in answer.content.decode()
    assert (readers.state_of(reader), readers.state_of(reader, "jianbao")) == ("active", "pending")
    assert hints == [Subscription.objects.get(newsletter="jianbao").pk]
    wish = Consent.objects.get(newsletter="jianbao")
    assert (wish.step, wish.how) == ("requested", "preferences")
    promise = re.search(r'<p class="promise">(.+)</p>', page)[1]
    assert wish.wording == f"嵌入式AI简报: {promise}"


def notice_in(answer) -> str:
    return re.search(r'<div class="notice" role="status">(.+?)</div>', answer.content.decode(), re.DOTALL)[1]


def test_where_no_mail_goes_the_page_says_so_and_when_to_tick_again(client, clock):
    reader = readers.confirmed()
    tick = SAVE | {"had": "weekly", "newsletter": ["weekly", "jianbao"]}
    said = []
    optin.subscribe(readers.parse(reader.email), "no-more", origin=LINK)
    for minutes in (0, 10, 10, 10):
        clock.forward(minutes=minutes)
        said.append(notice_in(client.post(preferences_path(reader), tick)))
    optin.suppress(reader.suppression_hash, "complaint", LINK)
    said.append(notice_in(client.post(preferences_path(reader), tick)))
    words = (
        "again in ten minutes",
        "press the button",
        "press the button",
        "again tomorrow",
        "may not email your address",
    )
    assert [expected in notice for expected, notice in zip(words, said, strict=True)] == [True] * 5
    assert sum("press the button" in notice for notice in said) == 2


def test_of_two_ticked_at_once_it_says_which_one_to_confirm(client, clock):
    reader = readers.unsubscribed()
    clock.forward(minutes=10)
    notice = notice_in(client.post(preferences_path(reader), SAVE | {"newsletter": ["weekly", "jianbao"]}))
    assert "The Weekly: to confirm," in notice
    assert "嵌入式AI简报: no email was sent" in notice


def test_a_friend_can_ask_for_one_mail_only_and_never_subscribe_anybody(client):
    reader = readers.unsubscribed()
    for _ in range(20):
        client.post(preferences_path(reader), SAVE | {"newsletter": ["weekly", "jianbao"]})
    assert set(reader.subscriptions.values_list("state", flat=True)) <= {"pending", "unsubscribed"}
    asked = Consent.objects.filter(subscriber=reader, step="requested").exclude(effect="no mail")
    assert asked.filter(how="preferences").count() <= 1


def test_a_form_that_was_open_for_long_unsubscribes_from_nothing_that_came_since(client):
    reader = readers.confirmed()
    client.post(preferences_path(reader), SAVE)
    assert readers.state_of(reader) == "active"


def test_one_button_leaves_everything(client):
    reader = readers.confirmed()
    readers.confirmed("jianbao")
    readers.pending("no-more", readers.ADA)
    client.post(preferences_path(reader), LEAVE)
    assert set(reader.subscriptions.values_list("state", flat=True)) == {"unsubscribed"}


def test_the_language_is_kept_and_spoken_at_once(client):
    reader = readers.confirmed()
    answer = client.post(
        preferences_path(reader), SAVE | {"had": "weekly", "newsletter": "weekly", "language": "zh-hans"}
    )
    assert '<html lang="zh-hans">' in answer.content.decode()
    assert "偏好设置" in client.get(preferences_path(reader)).content.decode()
    assert readers.history_of(reader)[-1] == ("changed", "preferences")
    client.post(preferences_path(reader), SAVE | {"language": "tlh"})
    assert Subscriber.objects.get().language == "zh-hans"


def test_of_an_erased_reader_nothing_is_shown(client):
    reader = readers.confirmed()
    path = preferences_path(reader)
    erasing.forget(reader.email_key, LINK)
    before = everything()
    assert {client.get(path).status_code, client.post(path, LINK_PLEASE).status_code} == {410}
    assert everything() == before


# ---------------------------------------------------------------- the link to what is only theirs


def test_the_link_goes_to_the_reader_and_to_nobody_else(client, hints, monkeypatch):
    reader = readers.confirmed()
    answer = client.post(preferences_path(reader), LINK_PLEASE | {"email": "eve@evil.example"})
    assert "/preferences/data/" not in answer.content.decode()
    (letter,) = Letter.objects.all()
    assert link_mails.send(letter.pk)
    (message,) = mail.outbox
    assert message.to == [ADA.email]
    link = re.search(r"http://127\.0\.0\.1:8000(/preferences/data/[\w-]+/)", message.body)[1]
    assert link in message.alternatives[0].content
    assert ADA.email in client.get(link).content.decode()
    assert readers.history_of(reader)[-1] == ("changed", "preferences")


def test_one_in_ten_minutes_and_three_a_day_whatever_is_asked(client, clock):
    reader = readers.confirmed()
    clock.forward(days=1)
    for _ in range(24):
        before = Letter.objects.count()
        answer = client.post(preferences_path(reader), LINK_PLEASE).content.decode()
        assert ("A link is on its way" in answer) == (Letter.objects.count() > before)
        assert ("No link was sent" in answer) == (Letter.objects.count() == before)
        clock.forward(minutes=5)
    assert Letter.objects.count() == 3
    times = sorted(Letter.objects.values_list("asked_at", flat=True))
    assert all((b - a).total_seconds() >= 600 for a, b in pairwise(times))


def test_who_complained_is_mailed_no_link_and_the_answer_is_the_same(client):
    ada, dora = readers.confirmed(), readers.confirmed(who=readers.Named("Amy", "amy@readers.example"))
    optin.suppress(dora.suppression_hash, "complaint", LINK)
    answers = {client.post(preferences_path(reader), LINK_PLEASE).content for reader in (ada, dora)}
    assert len(answers) == 1
    assert [link_mails.send(letter.pk) for letter in Letter.objects.order_by("pk")] == [True, False]
    assert [message.to for message in mail.outbox] == [[ADA.email]]
