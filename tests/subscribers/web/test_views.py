"""What a visitor, a mail scanner, a script and a mailbox provider see."""

import re
import secrets
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core import signing
from django.test import Client

from subscribers import optin, signed_links, tokens
from subscribers.models import Consent, Subscriber, Subscription
from subscribers.web import forms
from tests import readers
from tests.readers import ADA, LINK
from tests.subscribers.paths import confirm_path, everything, leave_path, path_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _hints(hints):
    return hints


def form_time(age: float = 10) -> str:
    """Return the signed time of a form that was shown this many seconds ago."""
    shown = time.time() - age
    signer = signing.TimestampSigner(salt=forms.SALT)
    signer.timestamp = lambda: signing.b62_encode(int(shown))
    return signer.sign(secrets.token_urlsafe(9))


def sign_up(client: Client, email: str = ADA.email, path: str = "/subscribe/", **fields: str):
    return client.post(path, {"email": email, "website": "", "form_time": form_time()} | fields)


# ---------------------------------------------------------------- join


@pytest.mark.parametrize("path", ["/", "/subscribe/"])
def test_the_root_path_shows_the_form(client, path):
    page = client.get(path).content.decode()
    assert ">The Weekly</span></h1>" in page
    assert '<form method="post" action="/subscribe/">' in page
    assert "1 Harbour Street, Springfield" in page


def test_each_visitor_gets_a_form_of_their_own(hints):
    visitors = [Client(enforce_csrf_checks=True) for _ in range(2)]
    pages = [visitor.get("/subscribe/").text for visitor in visitors]
    times, guards = (
        [re.search(rf'name="{name}" value="([^"]+)"', page)[1] for page in pages]
        for name in ("form_time", "csrfmiddlewaretoken")
    )
    assert len({*times, *guards}) == 4
    assert {forms.made(one) for one in times} == {forms.Made.TOO_FAST}
    own, other = visitors
    assert "Almost there" in sign_up(other, csrfmiddlewaretoken=guards[0]).text
    assert "Check your email" in sign_up(own, csrfmiddlewaretoken=guards[0]).text


def test_signing_up_makes_a_pending_reader_and_hints_at_their_mail(client, hints, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        answer = sign_up(client)
    assert answer.status_code == 200
    assert "Check your email" in answer.content.decode()
    assert readers.state_of(Subscriber.objects.get()) == "pending"
    assert hints == [Subscription.objects.get().pk]


def test_the_consent_record_holds_the_sentence_that_the_page_showed(client):
    page = client.get("/subscribe/").content.decode()
    sign_up(client)
    record = Consent.objects.get()
    assert record.wording in page
    assert (record.how, record.wording_version, record.language) == ("form", "3", "en")
    assert (record.source, record.ip) == ("http://127.0.0.1:8000/subscribe/", "127.0.0.0/24")


def test_everybody_gets_the_same_answer(client):
    made = readers.everybody()
    optin.suppress(made["unsubscribed"].suppression_hash, "complaint", LINK)
    answers = {
        (
            answer.status_code,
            answer.text.replace(email, "…"),
            str(sorted({**answer.headers, "Content-Length": ""}.items())),
        )
        for email in [*(reader.email for reader in made.values()), "new@readers.example"]
        for answer in [sign_up(client, email)]
    }
    assert len(answers) == 1


def test_the_page_after_the_form_names_the_address_and_the_way_back_after_a_typing_error(client):
    page = sign_up(client, "ada@exmaple.com").text
    assert "an email at ada@exmaple.com" in page
    assert '<a href="/subscribe/">Use another address</a>' in page


def test_it_names_the_address_that_the_email_comes_from(client, settings):
    replies_elsewhere = replace(settings.NEWSLETTERS["weekly"], from_email="news@a.example", reply_to="me@a.example")
    settings.NEWSLETTERS = settings.NEWSLETTERS | {"weekly": replies_elsewhere}
    assert "<p>The email comes from news@a.example.</p>" in sign_up(client, "ada@a.example").text


def test_an_address_reads_from_left_to_right_on_an_arabic_page(client, settings):
    arabic = replace(settings.NEWSLETTERS["weekly"], language="ar")
    settings.NEWSLETTERS = settings.NEWSLETTERS | {"weekly": arabic}
    assert f'<span dir="ltr">{ADA.email}</span>' in sign_up(client).text


def test_a_second_newsletter_has_its_own_form_in_its_own_language(client):
    page = client.get("/jianbao/subscribe/").content.decode()
    assert '<html lang="zh-hans">' in page
    assert 'action="/jianbao/subscribe/"' in page
    sign_up(client, path="/jianbao/subscribe/")
    assert Subscription.objects.get().newsletter == "jianbao"
    assert client.get("/jianbao/").status_code == 200


@pytest.mark.parametrize("path", ["/weekly/", "/unknown/", "/unknown/subscribe/", "/no/such/page"])
def test_other_paths_lead_nowhere(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert "Page not found" in answer.content.decode()


@pytest.mark.parametrize(
    "email", ["", "ada", "阿达@example.com", "ada@example.com\r\nBcc: eve@example.com", "a" * 9000]
)
def test_an_invalid_address_is_reported_beside_the_field(client, email):
    answer = sign_up(client, email)
    assert 'id="email-error"' in answer.content.decode()
    assert Subscriber.objects.count() == 0


def test_what_a_visitor_typed_is_shown_as_text(client):
    page = sign_up(client, '"><script>alert(1)</script>{{ 7|add:7 }}').content.decode()
    assert "<script" not in page
    assert "{{ 7|add:7 }}" in page


def test_a_script_that_fills_in_everything_is_thanked_and_ignored(client):
    answer = sign_up(client, website="http://spam.example")
    assert "Check your email" in answer.content.decode()
    assert Subscriber.objects.count() == 0


@pytest.mark.parametrize("age", [0.5, 25 * 3600])
def test_a_form_too_quick_or_too_old_comes_back_filled_in(client, age):
    page = sign_up(client, form_time=form_time(age)).content.decode()
    assert "press the button once more" in page
    assert f'value="{ADA.email}"' in page
    assert Subscriber.objects.count() == 0


def test_a_quick_hand_gets_through_with_the_second_press(client, monkeypatch):
    first = client.get("/subscribe/").content.decode()
    again = sign_up(client, form_time=re.search(r'name="form_time" value="([^"]+)"', first)[1]).content.decode()
    kept = re.search(r'name="form_time" value="([^"]+)"', again)[1]
    monkeypatch.setattr(forms, "FASTEST", timedelta(seconds=-1))
    assert "Check your email" in sign_up(client, form_time=kept).content.decode()


def test_a_form_of_another_machine_whose_clock_is_ahead_gets_through_with_the_second_press(client, monkeypatch):
    again = sign_up(client, form_time=form_time(-3 * 3600)).content.decode()
    assert "press the button once more" in again
    fresh = re.search(r'name="form_time" value="([^"]+)"', again)[1]
    monkeypatch.setattr(forms, "FASTEST", timedelta(seconds=-1))
    assert "Check your email" in sign_up(client, form_time=fresh).content.decode()


@pytest.mark.parametrize("wrong", ["", "form:1abc:forged"])
def test_a_form_without_our_signature_comes_back_with_it(client, wrong):
    page = sign_up(client, form_time=wrong).content.decode()
    assert f'value="{ADA.email}"' in page
    assert forms.made(re.search(r'name="form_time" value="([^"]+)"', page)[1]) is not forms.Made.NOT_HERE
    assert Subscriber.objects.count() == 0


def test_a_form_on_another_site_gets_ours_filled_in_and_changes_nothing():
    client = Client(enforce_csrf_checks=True)
    answer = client.post("/subscribe/", {"email": ADA.email}, headers={"origin": "https://blog.example"})
    assert answer.status_code == 200
    assert f'value="{ADA.email}"' in answer.content.decode()
    assert Subscriber.objects.count() == 0


def test_one_press_on_the_form_that_came_back_signs_up(monkeypatch):
    client = Client(enforce_csrf_checks=True)
    page = client.post("/subscribe/", {"email": ADA.email}).content.decode()
    fields = dict(re.findall(r'name="(csrfmiddlewaretoken|form_time)" value="([^"]+)"', page))
    monkeypatch.setattr(forms, "FASTEST", timedelta(seconds=-1))
    answer = client.post("/subscribe/", fields | {"email": ADA.email})
    assert "Check your email" in answer.content.decode()
    assert Subscriber.objects.count() == 1


def test_the_form_lets_the_browser_say_that_it_comes_from_us(client):
    """With `no-referrer`, browsers send `Origin: null`, and no sign-up would pass the check for forged forms."""
    assert client.get("/subscribe/")["Referrer-Policy"] == "same-origin"


def test_a_browser_without_cookies_is_told_so():
    answer = Client(enforce_csrf_checks=True).post("/subscribe/", {"email": ADA.email, "form_time": form_time()})
    assert "cookie" in answer.content.decode()


def test_behind_a_proxy_its_own_entry_decides_the_network(client, settings):
    settings.MAILER_PROXIES = 1
    client.post(
        "/subscribe/",
        {"email": ADA.email, "form_time": form_time()},
        headers={"x-forwarded-for": "6.6.6.6, 203.0.113.77"},
    )
    assert Consent.objects.get().ip == "203.0.113.0/24"


# ---------------------------------------------------------------- confirm


def test_looking_at_a_confirmation_link_changes_nothing(client):
    reader = readers.pending()
    before = everything()
    for _ in range(3):
        assert "<button" in client.get(confirm_path(reader)).content.decode()
        assert client.head(confirm_path(reader)).status_code == 200
    assert everything() == before


def test_the_button_confirms_and_may_be_pressed_twice(client):
    reader = readers.pending()
    pages = [Client(enforce_csrf_checks=True).post(confirm_path(reader)) for _ in range(2)]
    assert [page.status_code for page in pages] == [200, 200]
    assert pages[0].content == pages[1].content == client.get(confirm_path(reader)).content
    assert not pages[0].cookies
    assert readers.state_of(reader) == "active"
    assert readers.history_of(reader)[-1] == ("confirmed", "link")


def test_no_record_holds_a_token(client):
    reader = readers.pending()
    path = confirm_path(reader)
    client.post(path)
    client.post(leave_path(reader))
    token = path.rstrip("/").rpartition("/")[2]
    for record in Consent.objects.all():
        assert token not in record.source
        assert record.source.endswith("/…/") or record.how == "form"


def test_an_expired_link_offers_a_new_one_and_the_button_asks_for_it(client, clock):
    reader = readers.pending()
    path = confirm_path(reader)
    clock.forward(days=8)
    page = client.get(path)
    assert page.status_code == 410
    assert "Send a new link" in page.content.decode()
    assert "Check your email" in client.post(path).content.decode()
    assert Subscription.objects.get().confirmation_due == clock.now
    assert readers.history_of(reader)[-1] == ("requested", "link")


def test_an_old_link_of_somebody_who_left_points_to_the_form(client):
    reader = readers.unsubscribed()
    for answer in (client.get(confirm_path(reader)), client.post(confirm_path(reader))):
        assert answer.status_code == 410
        assert 'href="/subscribe/"' in answer.content.decode()
    assert readers.state_of(reader) == "unsubscribed"


# ---------------------------------------------------------------- every page


def test_a_token_that_is_not_ours_finds_nothing(client):
    reader = readers.confirmed()
    before = everything()
    good = leave_path(reader)
    token = good.removeprefix("/unsubscribe/").rstrip("/")
    for wrong in (f"/unsubscribe/{token[:-1]}/", f"/confirm/{token}/", "/unsubscribe/x/", f"/unsubscribe/!{token}/"):
        for method in (client.get, client.post):
            assert method(wrong).status_code == 404
    assert everything() == before


def test_pages_behind_a_token_keep_it_to_themselves(client, clock):
    reader = readers.pending()
    fresh = confirm_path(reader)
    expired = path_of("http://127.0.0.1:8000/confirm/") + tokens.make(
        "confirm", reader.public_id, "weekly", signed_links.signing_key(), clock.now
    )
    for path in (fresh, leave_path(reader), expired + "/", "/unsubscribe/x/"):
        for answer in (client.get(path), client.post(path)):
            assert answer["Referrer-Policy"] == "no-referrer"
            assert answer["X-Robots-Tag"] == "noindex"
            assert answer["Cache-Control"] == "no-store"
            assert not answer.cookies


def test_no_page_needs_a_script_or_anybody_elses_server(client, settings):
    reader = readers.pending()
    for answer in (
        client.get("/"),
        client.get("/jianbao/"),
        sign_up(client, "new@readers.example"),
        client.get(confirm_path(reader)),
        client.post(confirm_path(reader)),
        client.get(leave_path(reader)),
        client.post(leave_path(reader), {"from": "page"}),
        client.get("/unsubscribe/test/weekly/1/"),
        client.post("/unsubscribe/test/weekly/1/"),
        client.get("/nothing"),
    ):
        page = answer.content.decode().replace(settings.BASE_URL, "")
        assert answer["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
        assert not re.search(r"<script|<style|style=|\son\w+=|https?://", page)
        assert re.search(r'<html lang="(en|zh-hans)">', page)
        assert page.count("<h1>") == page.count("<main") == 1


def test_a_forged_post_elsewhere_is_refused_with_a_page(rf):
    from subscribers.web.views import without_our_form

    answer = without_our_form(rf.post("/admin/"))
    assert answer.status_code == 403
    assert "nothing was changed" in answer.content.decode()


def test_our_own_failure_is_a_page_too(rf):
    from subscribers.web.views import failed

    assert failed(rf.get("/")).status_code == 500


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_other_methods_are_refused(client, method):
    assert getattr(client, method)("/subscribe/").status_code == 405
