"""Unsubscribing by the button, by one click, and from a test email, which unsubscribes nobody."""

from uuid import uuid4

import pytest
from django.test import Client

from subscribers import erasing, optin, signed_links
from subscribers.addresses import parse
from subscribers.masking import masked_on_one_line
from subscribers.models import Subscriber, Subscription
from tests import readers
from tests.readers import BEN, FORM
from tests.subscribers.paths import everything, leave_path, path_of

pytestmark = pytest.mark.django_db
CLICK = "List-Unsubscribe=One-Click"


def test_three_hundred_one_clicks_from_one_provider_all_count(client):
    for reader in readers.crowd(300):
        assert client.post(leave_path(reader), CLICK, "application/x-www-form-urlencoded").status_code == 200
    assert Subscription.objects.exclude(state="unsubscribed").count() == 0


def test_the_link_of_a_mail_leads_on_to_the_preferences_and_changes_nothing(client):
    reader = readers.confirmed()
    before = everything()
    answer = client.get(f"{leave_path(reader)}?preferences", follow=True)
    assert answer.redirect_chain[0][0].startswith("/preferences/")
    assert answer.status_code == 200
    assert everything() == before


BODIES = {
    "urlencoded": (CLICK, "application/x-www-form-urlencoded"),
    "multipart": (
        '--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n',
        "multipart/form-data; boundary=b",
    ),
    "broken multipart": ("nonsense", "multipart/form-data"),
    "empty": ("", "text/plain"),
    "huge": (CLICK + "&x=" + "y" * 200_000, "application/x-www-form-urlencoded"),
    "many fields": ("&".join(f"f{number}=1" for number in range(2000)), "application/x-www-form-urlencoded"),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_one_click_unsubscribes_at_once_whatever_the_body(body):
    reader = readers.confirmed()
    answer = Client(enforce_csrf_checks=True).post(leave_path(reader), *body)
    assert (answer.status_code, dict(answer.cookies)) == (200, {})
    assert readers.history_of(reader)[-1] == ("unsubscribed", "one-click")


def test_a_path_without_its_last_slash_is_not_redirected():
    reader = readers.confirmed()
    assert Client(enforce_csrf_checks=True).post(leave_path(reader).rstrip("/"), CLICK, "text/plain").status_code == 200
    assert readers.state_of(reader) == "unsubscribed"


def test_the_button_is_told_from_one_click():
    reader = readers.confirmed()
    Client(enforce_csrf_checks=True).post(leave_path(reader), {"from": "page"})
    assert readers.history_of(reader)[-1] == ("unsubscribed", "page")


def test_leaving_twice_or_after_erasure_gets_the_same_answer(client):
    reader = readers.confirmed()
    path = leave_path(reader)
    answers = [client.post(path), client.post(path)]
    Subscriber.objects.all().delete()
    answers += [client.post(path), client.post(path_of(signed_links.unsubscribe_url(uuid4(), "weekly")))]
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, answers[0].content)}


def test_the_page_asks_with_the_address_masked_and_after_leaving_says_so_without_an_undo(client):
    """The email may have been forwarded: only the press that unsubscribed offers an undo."""
    reader = readers.confirmed()
    asked = client.get(leave_path(reader)).text
    client.post(leave_path(reader), {"from": "page"})
    told = client.get(leave_path(reader)).text
    assert "Unsubscribe from The Weekly?" in asked
    assert f"For {masked_on_one_line(reader.email)}" in asked
    assert reader.email not in asked + told
    assert "You are unsubscribed from The Weekly" in told
    assert "<button" not in told
    assert '<a href="/subscribe/">Subscribe again</a>' in told


def test_who_is_erased_is_not_offered_preferences_that_are_gone(client):
    reader = readers.confirmed()
    erasing.forget(reader.email_key, FORM)
    for answer in (client.get(leave_path(reader)), client.post(leave_path(reader), {"from": "page"})):
        assert answer.status_code == 200
        assert "/preferences/" not in answer.content.decode()


def test_a_link_leaves_one_newsletter_of_one_reader_only(client):
    ada, ben = readers.confirmed(), readers.confirmed(who=BEN)
    optin.add_active(parse(ada.email), "jianbao", origin=FORM)
    client.post(leave_path(ada))
    assert readers.state_of(ada) == "unsubscribed"
    assert readers.state_of(ada, "jianbao") == readers.state_of(ben) == "active"


def test_readers_of_a_newsletter_that_is_gone_can_still_leave(client, settings):
    reader = readers.confirmed()
    settings.NEWSLETTERS = {}
    assert client.get(leave_path(reader)).status_code == 200
    assert client.post(leave_path(reader)).status_code == 200
    assert readers.state_of(reader) == "unsubscribed"


# ---------------------------------------------------------------- from a test mail


@pytest.mark.parametrize("path", ["/unsubscribe/test/", "/unsubscribe/test/weekly/1/", "/unsubscribe/test/gone/20/"])
def test_the_way_out_of_a_test_mail_works_and_nobody_leaves(client, path):
    readers.everybody()
    before = everything()
    page, pressed = client.get(path), client.post(path)
    clicked = Client(enforce_csrf_checks=True).post(path, CLICK, "application/x-www-form-urlencoded")
    assert "This is a test email" in page.content.decode()
    assert ">The Weekly</a></p>" in page.content.decode()
    for answer in (pressed, clicked):
        assert answer.status_code == 200
        assert "nobody was unsubscribed" in answer.content.decode()
        assert not answer.cookies
    assert (page["Referrer-Policy"], page["X-Robots-Tag"]) == ("no-referrer", "noindex")
    assert everything() == before


def test_the_way_out_of_a_test_mail_speaks_the_newsletters_language(client):
    assert "这是一封测试邮件" in client.get("/unsubscribe/test/jianbao/1/").content.decode()
