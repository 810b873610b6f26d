"""Pages and emails use the subscriber's language, else the newsletter's; the records say which it was."""

import re
from dataclasses import replace

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from subscribers import erasing, languages
from subscribers.mail import confirmations
from subscribers.models import Consent, Subscriber, Subscription
from tests import readers
from tests.readers import ADA, LINK
from tests.subscribers.paths import confirm_path, every_path, leave_path, preferences_path, undo_in
from tests.subscribers.web.test_views import sign_up

pytestmark = pytest.mark.django_db
BUTTON = {"from": "page"}
CHINESE = "zh-hans"


def speaking_chinese(reader: Subscriber) -> Subscriber:
    Subscriber.objects.filter(pk=reader.pk).update(language=CHINESE)
    return reader


def spoken(answer) -> str:
    (language,) = re.findall(r'<html lang="([\w-]+)"', answer.content.decode())
    assert answer["Content-Language"] == language
    return language


def test_behind_every_link_of_theirs_until_it_is_over_and_after(client, clock):
    reader = speaking_chinese(readers.confirmed())
    paths = every_path(reader)
    assert {purpose: spoken(client.get(path)) for purpose, path in paths.items()} == dict.fromkeys(paths, CHINESE)
    left = client.post(paths["unsubscribe"], BUTTON)
    assert [spoken(left), spoken(client.post(undo_in(left)))] == [CHINESE, CHINESE]
    clock.forward(days=9)
    assert {purpose: spoken(client.get(path)) for purpose, path in paths.items()} == dict.fromkeys(paths, CHINESE)
    erasing.forget(reader.email_key, LINK)
    assert {spoken(client.get(path)) for path in paths.values()} == {"en"}


def test_who_chose_none_hears_from_each_newsletter_in_its_own(client, hints):
    sign_up(client, ADA.email)
    reader = Subscriber.objects.get()
    assert spoken(client.get(confirm_path(reader, "jianbao"))) == CHINESE
    client.post(preferences_path(reader), {"do": "save", "language": "en"})
    assert spoken(client.get(preferences_path(reader, "jianbao"))) == CHINESE, "the menu was left as it was"


def test_one_click_does_not_wait_for_the_question(client):
    path = leave_path(speaking_chinese(readers.confirmed()))
    with CaptureQueriesContext(connection) as asked:
        client.post(path, "List-Unsubscribe=One-Click", "text/plain")
    assert [query["sql"] for query in asked if 'FROM "subscribers_subscriber"' in query["sql"]] == []


def test_the_record_of_a_consent_holds_the_sentence_and_the_language_that_were_shown(client, hints):
    reader = speaking_chinese(readers.pending())
    page = client.get(confirm_path(reader)).content.decode()
    client.post(confirm_path(reader))
    promise = re.search(r'<p class="promise">(.+)</p>', client.get(preferences_path(reader)).content.decode())[1]
    wish = {"do": "save", "had": "weekly", "newsletter": ["weekly", "jianbao"], "language": "en"}
    assert spoken(client.post(preferences_path(reader), wish)) == "en"
    confirmed, asked = Consent.objects.get(step="confirmed"), Consent.objects.get(newsletter="jianbao")
    assert (confirmed.wording in page, confirmed.language) == (True, CHINESE)
    assert (asked.wording, asked.language) == (f"嵌入式AI简报: {promise}", CHINESE)


def test_the_mail_to_confirm_speaks_it_and_signing_up_once_more_changes_no_choice(client, hints):
    reader = speaking_chinese(readers.pending())
    sign_up(client, reader.email)
    sign_up(client, ADA.email)
    for wish in Subscription.objects.order_by("pk"):
        confirmations.send(wish.pk)
    assert [message.subject for message in mail.outbox] == ["请确认订阅：The Weekly", "Please confirm: The Weekly"]
    assert list(Subscriber.objects.order_by("pk").values_list("language", flat=True)) == [CHINESE, ""]


def test_a_newsletter_is_called_by_its_name_and_language(settings):
    weekly = settings.NEWSLETTERS["weekly"]
    settings.NEWSLETTERS = {
        "weekly": weekly,
        "brief": replace(weekly, name="Brief", language="zh-CN"),
        "odd": replace(weekly, name="Odd", language="tlh"),
    }
    titles = [languages.titled(label) for label in ("weekly", "brief", "odd", "gone")]
    assert titles == ["The Weekly (English)", "Brief (Simplified Chinese)", "Odd (tlh)", "gone"]
    with translation.override("zh-hans"):
        assert languages.titled("brief") == "《Brief》（简体中文）"


@pytest.mark.parametrize(
    ("browser", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", CHINESE),
        ("de-DE,zh-TW;q=0.5,zh-CN;q=0.4", CHINESE),
        ("de-DE,de;q=0.9", "de"),
        ("tlh, *;q=0.1", "en"),
        ("no;such;header,,q=", "en"),
    ],
)
def test_a_page_of_no_newsletter_speaks_a_language_of_ours_that_the_browser_prefers(client, browser, language):
    """One that a newsletter is written in before others, else any; without one, that of the first newsletter."""
    for path in ("/unsubscribe/x/", "/no-such-page/"):
        assert spoken(client.get(path, headers={"Accept-Language": browser})) == language


def test_a_damaged_link_speaks_the_language_of_the_newsletter_that_it_names(client):
    path = leave_path(readers.confirmed("jianbao"), "jianbao").rstrip("/")
    for damaged in (path.replace("/unsubscribe/", "/unsubscribe/A"), path[:-1], path[:-4], f"{path}AAAA"):
        answer = client.get(f"{damaged}/", headers={"Accept-Language": "en,de"})
        assert answer.status_code == 404
        named = damaged.startswith(path[:-5])
        assert spoken(answer) == (CHINESE if named else "en")
