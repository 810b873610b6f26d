from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone, translation

from subscribers.web import pages, preferences, views
from subscribers.web.pages import newsletter_shown
from tests import readers
from tests.mailer.published import published
from tests.subscribers.paths import confirm_path, every_path, leave_path

# A consent record keeps this number. With any change of a sentence, in any language: raise it in
# subscribers/web/pages.py, and write the new sentences here.
VERSION = "3"
SENTENCES = {
    "en": (
        "By subscribing, you agree to receive The Weekly by email. You can unsubscribe at any time with one click.",
        "By ticking a newsletter, you agree to receive it by email. You can unsubscribe at any time with one click.",
    ),
    "zh-hans": (
        "订阅即表示你同意通过邮件接收《The Weekly》。你可以随时一键退订。",
        "勾选即表示你同意通过邮件接收所选内容。你可以随时一键退订。",
    ),
}


def test_the_sentences_that_subscribers_agree_to_belong_to_one_version(settings):
    shown = newsletter_shown("weekly")
    spoken = {}
    for language, _ in settings.LANGUAGES:
        with translation.override(language):
            spoken[language] = (views.promise(shown), preferences._promise())
    assert (pages.WORDING_VERSION, spoken) == (VERSION, SENTENCES)


MOST_QUERIES = 3


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["confirmed", "pending", "unsubscribed"])
def test_a_page_opened_asks_the_database_three_times_at_most(client, state, django_assert_max_num_queries):
    published()
    reader = getattr(readers, state)("jianbao")
    readers.confirmed()
    paths = [*every_path(reader).values(), confirm_path(reader, "jianbao"), leave_path(reader, "jianbao")]
    for path in ["/", "/subscribe/", "/jianbao/", "/nothing/", "/unsubscribe/x/", "/unsubscribe/test/", *paths]:
        with django_assert_max_num_queries(MOST_QUERIES, info=path):
            client.get(path)


@pytest.mark.django_db
def test_so_does_that_of_a_link_from_before_a_move_and_of_an_expired_one(
    client, monkeypatch, django_assert_max_num_queries
):
    moved, waiting = readers.confirmed(), readers.pending()
    old, late = every_path(moved), confirm_path(waiting)
    readers.move(moved, "ada@new.example")
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now + timedelta(days=9))
    for path in [*old.values(), late]:
        with django_assert_max_num_queries(MOST_QUERIES, info=path):
            client.get(path)


@pytest.mark.django_db
def test_pages_show_the_logo_and_without_one_no_image(client, settings):
    assert "<img" not in client.get("/nothing/").text
    with_logo = replace(settings.NEWSLETTERS["weekly"], logo="logo.png")
    settings.NEWSLETTERS = settings.NEWSLETTERS | {"weekly": with_logo}
    for path in ("/nothing/", "/subscribe/", "/archive/"):
        assert client.get(path).text.count('<img class="logo" src="/apple-touch-icon.png"') == 1


@pytest.mark.django_db
def test_pages_read_from_right_to_left_in_a_language_that_does(client, settings):
    settings.LANGUAGES = [("en", "English"), ("ar", "العربية")]
    arabic = replace(settings.NEWSLETTERS["weekly"], language="ar")
    settings.NEWSLETTERS = settings.NEWSLETTERS | {"weekly": arabic}
    assert '<html lang="ar" dir="rtl">' in client.get("/subscribe/").text
