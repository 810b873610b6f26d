"""Every page that a reader can meet, as the web process serves it. Needs the database."""

from datetime import timedelta

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core import signing
from django.test import Client
from django.utils import timezone

from mailer.models import Send
from subscribers import forms, links
from tests import readers
from tests.golden import ISSUES
from tests.mailer.quality.mails import BASE, Seen, rendered
from tests.mailer.sending import outgoing


def readers_pages(monkeypatch) -> dict[str, Seen]:
    """By name, in the language of the first newsletter; the form and its answers in Chinese too."""
    reader, gone = readers.pending(), readers.unsubscribed()
    confirm = links.confirm_url(reader.public_id, "weekly")
    leave = links.unsubscribe_url(reader.public_id, "weekly")
    used = links.confirm_url(gone.public_id, "weekly")
    made = {
        "subscribe": _get("/"),
        "subscribe, wrong address": _post("/subscribe/", {"email": "ada@", "form_time": _form_time()}),
        "subscribe, too quick": _post("/subscribe/", {"email": "ada@example.com", "form_time": _form_time(0)}),
        "check mail": _post("/subscribe/", {"email": "ada@example.com", "form_time": _form_time()}),
        "subscribe in Chinese": _get("/jianbao/"),
        "check mail in Chinese": _post("/jianbao/subscribe/", {"email": "ada@example.com", "form_time": _form_time()}),
        "confirm": _get(confirm),
        "confirmed": _post(confirm),
        "link used": _post(used),
        "unsubscribe": _get(leave),
        "unsubscribed": _post(leave),
        "test unsubscribe": _get("/unsubscribe/test/weekly/1/"),
        "test unsubscribed": _post("/unsubscribe/test/weekly/1/"),
        "not found": _get("/nothing/"),
        "archive": _archive(monkeypatch),
    }
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now + timedelta(days=9))
    return {**made, "expired": _get(confirm)}


def _get(url: str) -> Seen:
    return _seen(Client().get(_path(url)))


def _post(url: str, fields: dict[str, str] | None = None) -> Seen:
    return _seen(Client().post(_path(url), fields or {}))


def _path(url: str) -> str:
    return url.removeprefix(settings.BASE_URL)


def _seen(response) -> Seen:
    assert response.status_code in (200, 404, 410), response.status_code
    style = finders.find("pages.css")
    with open(style, "rb") as file:
        return Seen(response.content.decode(), {f"{BASE}/static/pages.css": (file.read(), "text/css")})


def _archive(monkeypatch) -> Seen:
    """The page of the longest sample issue, once it was sent."""
    path = max(ISSUES, key=lambda path: path.stat().st_size)
    _, issue = rendered(path)
    monkeypatch.setattr(settings, "PROVIDER", "127.0.0.1")
    readers.confirmed(who=readers.DORA)
    send = outgoing.planned()
    changed = {"subject": issue.subject, "article": issue.article}
    Send.objects.filter(pk=send.pk).update(first_request_at=send.created_at, **changed)
    page = _get(f"/archive/{send.slug}/")
    images = {f"{BASE}/media/{image.name}": (image.content, image.content_type) for image in issue.images}
    return Seen(page.html, page.files | images)


def _form_time(age: float = 10) -> str:
    """The signed time of a form that was shown so many seconds ago."""
    shown = timezone.now().timestamp() - age
    signer = signing.TimestampSigner(salt=forms.SALT)
    signer.timestamp = lambda: signing.b62_encode(int(shown))
    return signer.sign("form")
