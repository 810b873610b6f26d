"""Hostile text from the database is shown as text, and oversized input is refused with a message."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from subscribers.mail import confirmations
from subscribers.models import Consent
from tests import readers
from tests.attacks.test_public_urls import ROUTES
from tests.mailer.published import published
from tests.subscribers.paths import data_path, every_path, everything, leave_path, preferences_path
from tests.subscribers.web.test_views import form_time
from tests.wire import post

pytestmark = pytest.mark.django_db

EVIL = "</title></script>\"'><script>alert(1)</script>{{ 7|add:7 }}{% debug %}${7*7}]]>-->"
INERT = ("&lt;script&gt;alert(1)", "{{ 7|add:7 }}{% debug %}${7*7}")
LARGE = b"email=" + b"a" * 100_000
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def evil_newsletter(settings):
    """Configure a newsletter whose editor copied texts from anywhere into newsletter.toml."""
    weekly = settings.NEWSLETTERS["weekly"]
    evil = replace(weekly, name=EVIL, about=EVIL, license=EVIL, postal_address=EVIL, from_name=EVIL)
    settings.NEWSLETTERS = settings.NEWSLETTERS | {"weekly": evil}


def test_text_of_an_issue_and_its_newsletter_is_escaped_wherever_it_is_shown(client, evil_newsletter, mailoutbox):
    published(subject=EVIL, preheader=EVIL, number=EVIL, language="en")
    reader = readers.confirmed(who=readers.Named(EVIL[:100], "evil@readers.example"))
    for path in ["/", "/archive/", "/archive/2026-11-20/", *every_path(reader).values()]:
        page = client.get(path).text
        assert "<script" not in page, path
        assert all(words in page for words in INERT), path
    ElementTree.fromstring(client.get("/feed.xml").content)
    ElementTree.fromstring(client.get("/sitemap.xml").content)


def test_text_of_a_newsletter_is_escaped_in_the_confirmation_mail(evil_newsletter, mailoutbox):
    readers.pending()
    for due in list(confirmations.due(readers.Subscriber.objects.get().created_at)):
        confirmations.send(due)
    (mail,) = mailoutbox
    html = mail.alternatives[0][0]
    assert "<script" not in html
    assert "{{ 7|add:7 }}" in html
    assert "\n" not in mail.subject


def test_every_post_of_another_site_is_refused_but_for_the_signed_links():
    """The paths come from Django's resolver, so a new one is tested too."""
    open_to_all = ("unsubscribe/test/", "webhooks/sendgrid/")  # one changes nothing, the other is signed
    browser = Client(enforce_csrf_checks=True, raise_request_exception=False)
    readers.everybody()
    before = everything()
    for route in ROUTES:
        if "<" in route.replace("<further_newsletter:label>", "") or route.startswith(open_to_all):
            continue
        path = "/" + route.replace("<further_newsletter:label>", "jianbao").strip("^$")
        fields = {"email": "eve@readers.example", "form_time": form_time(), "action": "suppress_one"}
        answer = browser.post(path, fields, headers={"origin": "https://evil.example"})
        assert answer.status_code in (200, 403, 404, 405), path
        assert "Check your email" not in answer.text
    assert everything() == before


@pytest.mark.parametrize("path", ["/subscribe/", "/jianbao/subscribe/", "/admin/login/"])
def test_a_form_too_large_is_refused_with_an_explanation(client, path):
    answer = client.post(path, LARGE, content_type=FORM)
    assert answer.status_code == 413
    assert ("内容太多了" if "jianbao" in path else "Request too large") in answer.text
    assert answer["Cache-Control"] == "no-store"
    assert not Consent.objects.exists()


def test_an_unreadable_request_is_refused_with_an_explanation_that_does_not_repeat_its_host(client):
    broken = client.post("/subscribe/", b"--x", content_type="multipart/form-data; boundary=" + "y" * 300)
    misled = client.post("/subscribe/", headers={"host": "evil.example"})
    assert (broken.status_code, "We could not read your request" in broken.text) == (400, True)
    assert (misled.status_code, "not the address of The Weekly" in misled.text) == (400, True)
    assert "evil.example" not in misled.text


def test_behind_a_signed_link_a_body_too_large_changes_nothing_but_leaving(client):
    reader = readers.confirmed()
    for path in (preferences_path(reader), data_path(reader)):
        answer = client.post(path, b"do=leave&" + LARGE, content_type=FORM)
        assert (answer.status_code, answer["Referrer-Policy"]) == (413, "no-referrer")
    assert readers.state_of(reader) == "active"
    assert client.post(leave_path(reader), LARGE, content_type=FORM).status_code == 200
    assert readers.state_of(reader) == "unsubscribed"


@pytest.mark.parametrize(
    "door", [lambda reader: "/subscribe/", leave_path, preferences_path, lambda reader: "/admin/login/"]
)
@pytest.mark.parametrize("size", [30_000, 3_000_000])
def test_no_endpoint_writes_an_upload_to_the_disk(door, size, monkeypatch):
    """Django does not limit multipart files, and would store one of more than 2.5 MB in a folder for uploads."""
    path = door(reader := readers.confirmed())
    monkeypatch.setattr("tempfile.NamedTemporaryFile", lambda *_, **__: pytest.fail("a file was made"))
    monkeypatch.setattr("django.core.files.temp.NamedTemporaryFile", lambda *_, **__: pytest.fail("a file was made"))
    body = encode_multipart(BOUNDARY, {"file": SimpleUploadedFile("a.png", b"x" * size), "do": "leave"})
    answer = post(path, body, CONTENT_TYPE=MULTIPART_CONTENT)
    assert answer.status == (200 if "unsubscribe" in path else 413 if size > 65_536 else answer.status)
    assert answer.status < 500
    assert (readers.state_of(reader) == "unsubscribed") is ("unsubscribe" in path)


@pytest.mark.parametrize("header", ["X-Real-IP", "X-Forwarded-Proto", "X-Forwarded-Host", "Via", "Forwarded"])
def test_a_proxy_that_nobody_told_of_does_not_open_the_figures(client, header):
    assert client.get("/metrics").status_code == 200
    assert client.get("/metrics", headers={header: "203.0.113.7"}).status_code == 404
