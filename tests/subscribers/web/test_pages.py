from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from subscribers import tokens
from subscribers.web import pages, preferences, views
from subscribers.web.pages import newsletter_shown
from tests import readers
from tests.mailer.published import published
from tests.subscribers.paths import confirm_path, every_path, leave_path

# A consent record keeps the version of its language. When a sentence changes in a language: raise its number in
# subscribers/web/pages.py, and write the new sentences here.
SENTENCES = {
    "en": (
        "3",
        "By subscribing, you agree to receive The Weekly by email. You can unsubscribe at any time with one click.",
        "By ticking a newsletter, you agree to receive it by email. You can unsubscribe at any time with one click.",
    ),
    "ar": (
        "1",
        "باشتراكك توافق على تلقي The Weekly عبر البريد الإلكتروني. يمكنك إلغاء الاشتراك في أي وقت بنقرة واحدة.",
        "بتحديد نشرة توافق على تلقيها عبر البريد الإلكتروني. يمكنك إلغاء الاشتراك في أي وقت بنقرة واحدة.",
    ),
    "de": (
        "2",
        "Mit dem Abonnieren willigen Sie ein, „The Weekly“ per E-Mail zu erhalten. Sie können sich jederzeit "
        "mit einem Klick abmelden.",
        "Mit dem Ankreuzen eines Newsletters willigen Sie ein, ihn per E-Mail zu erhalten. Sie können sich "
        "jederzeit mit einem Klick abmelden.",
    ),
    "es": (
        "1",
        "Al suscribirte, aceptas recibir The Weekly por correo electrónico. Puedes cancelar la suscripción "
        "en cualquier momento con un clic.",
        "Al marcar un boletín, aceptas recibirlo por correo electrónico. Puedes cancelar la suscripción en "
        "cualquier momento con un clic.",
    ),
    "fr": (
        "1",
        "En vous abonnant, vous acceptez de recevoir The Weekly par e-mail. Vous pouvez vous désabonner à "
        "tout moment en un clic.",
        "En cochant une newsletter, vous acceptez de la recevoir par e-mail. Vous pouvez vous désabonner à "
        "tout moment en un clic.",
    ),
    "ja": (
        "2",
        "購読すると、「The Weekly」をメールで受け取ることに同意したことになります。"
        "いつでもワンクリックで購読を解除できます。",
        "ニュースレターにチェックを入れると、メールで受け取ることに同意したことになります。"
        "いつでもワンクリックで購読を解除できます。",
    ),
    "zh-hans": (
        "3",
        "订阅即表示你同意通过邮件接收《The Weekly》。你可以随时一键退订。",
        "勾选即表示你同意通过邮件接收所选内容。你可以随时一键退订。",
    ),
    "zh-hant": (
        "1",
        "訂閱即表示你同意透過電子郵件接收《The Weekly》。你可以隨時一鍵取消訂閱。",
        "勾選即表示你同意透過電子郵件接收所選內容。你可以隨時一鍵取消訂閱。",
    ),
}


def test_the_sentences_that_subscribers_agree_to_belong_to_one_version_of_their_language(settings):
    shown = newsletter_shown("weekly")
    spoken = {}
    for language, _ in settings.LANGUAGES:
        with translation.override(language):
            spoken[language] = (pages.WORDING_VERSIONS[language], views.promise(shown), preferences._promise())
    assert spoken == SENTENCES


MOST_QUERIES = 3
TIME = "SELECT clock_timestamp()"  # PostgreSQL's, of which links that expire ask; it reads no table


def queries(client, path: str) -> list[str]:
    """Return the statements that opening the page takes, but for one that asks for the time."""
    with CaptureQueriesContext(connection) as captured:
        client.get(path)
    statements = [query["sql"] for query in captured]
    assert statements.count(TIME) <= 1, path
    return [statement for statement in statements if statement != TIME]


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["confirmed", "pending", "unsubscribed"])
def test_a_page_opened_asks_the_database_three_times_at_most(client, state):
    published()
    reader = getattr(readers, state)("jianbao")
    readers.confirmed()
    paths = [*every_path(reader).values(), confirm_path(reader, "jianbao"), leave_path(reader, "jianbao")]
    for path in ["/", "/subscribe/", "/jianbao/", "/nothing/", "/unsubscribe/x/", "/unsubscribe/test/", *paths]:
        assert len(queries(client, path)) <= MOST_QUERIES, path


@pytest.mark.django_db
def test_so_does_that_of_a_link_from_before_a_move_and_of_an_expired_one(client, monkeypatch):
    moved, waiting = readers.confirmed(), readers.pending()
    old, late = every_path(moved), confirm_path(waiting)
    readers.move(moved, "ada@new.example")
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now + timedelta(days=9))
    for path in [*old.values(), late]:
        assert len(queries(client, path)) <= MOST_QUERIES, path


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


@pytest.mark.django_db
def test_a_subscriber_is_read_with_the_state_of_the_subscription_that_their_link_names():
    ada, bob = readers.confirmed(), readers.pending()
    ticket = tokens.Ticket(ada.public_id, "weekly")
    found = pages.subscriber_of(ticket)
    assert found == ada
    assert vars(found) == vars(ada) | {"_state": found._state, "named_state": "active"}
    assert pages.state_of(pages.subscriber_of(replace(ticket, public_id=bob.public_id)), "weekly") == "pending"
    assert pages.state_of(pages.subscriber_of(replace(ticket, newsletter="other")), "other") == ""
    assert pages.subscriber_of(replace(ticket, public_id=uuid4())) is None
