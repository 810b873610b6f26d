"""Every page that a subscriber can meet, as the web process serves it. Needs the database."""

import re
import secrets
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core import signing
from django.test import Client, RequestFactory
from django.utils import timezone, translation

from mailer.archive import indexing
from mailer.archive.correcting import correct
from mailer.archive.removing import remove
from mailer.web.refusals import Cause, refuse
from mailer.web.static_archive import StaticArchive
from subscribers import limits, signed_links, tokens
from subscribers.models import Letter
from subscribers.web import forms
from subscribers.web.origins import Why
from subscribers.web.pages import newsletter_shown, page, page_in_house_language
from tests import readers
from tests.golden import ISSUES
from tests.mailer.published import published
from tests.mailer.quality.mails import BASE, Seen, rendered
from tests.subscribers.paths import undo_path


def readers_pages(monkeypatch) -> dict[str, Seen]:
    """Return pages by name, in the language of the first newsletter; the form and its answers in Chinese too."""
    reader, gone = readers.pending(), readers.unsubscribed()
    confirm = signed_links.confirm_url(reader.public_id, "weekly")
    leave = signed_links.unsubscribe_url(reader.public_id, "weekly")
    used = signed_links.confirm_url(gone.public_id, "weekly")
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
        "unsubscribed": _post(leave, {"from": "page"}),
        "undone": _post(undo_path(reader)),
        "test unsubscribe": _get("/unsubscribe/test/weekly/1/"),
        "test unsubscribed": _post("/unsubscribe/test/weekly/1/"),
        "not found": _get("/nothing/"),
        "damaged": _get("/unsubscribe/x/"),
        **_slowed_down(monkeypatch),
        **_what_went_wrong(),
        **_of_their_own("weekly", ""),
        **_of_their_own("jianbao", " in Chinese"),
        **_archive(),
    }
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now + timedelta(days=9))
    turned = {f"{name}, right to left": _turned(made[name]) for name in ("subscribe", "preferences, left", "data")}
    return {**made, **turned, "expired": _get(confirm)}


def of_long_words(settings) -> dict[str, Seen]:
    """Return the pages of a newsletter with the longest words that its name, a title and our own sentences may have."""
    name = "Donaudampfschifffahrtsgesellschaftsnachrichten"
    german = replace(settings.NEWSLETTERS["weekly"], name=name, about=f"Alles zu {name}.", language="de")
    settings.NEWSLETTERS = settings.NEWSLETTERS | {"weekly": german}
    published("2026-11-20", subject="Geschwindigkeitsbeschränkungen", article="<p>Fahrpläne</p>", language="de")
    reader = readers.confirmed(who=readers.Named("", "zoe@readers.example"))
    leave = signed_links.unsubscribe_url(reader.public_id, "weekly")
    return {path: _get(path) for path in ("/", "/archive/", "/archive/2026-11-20/", "/archive/?q=a", leave)}


def _turned(seen: Seen) -> Seen:
    """Return the page as it is laid out in a language that reads from right to left."""
    return replace(seen, html=seen.html.replace('<html lang="en">', '<html lang="ar" dir="rtl">'))


def _slowed_down(monkeypatch) -> dict[str, Seen]:
    """Return the pages for a network that caused many emails, without JavaScript, and for a queued visitor."""
    fields = {"email": "ada@example.com", "form_time": _form_time()}
    with monkeypatch.context() as many:
        many.setattr(limits, "FREE_A_NETWORK_HOUR", 0)
        slow, chinese = (_post(path, fields) for path in ("/subscribe/", "/jianbao/subscribe/"))
    queued = {"address": fields["email"], "queued": True}
    waits = page_in_house_language(RequestFactory().get("/"), "check_your_mail", 200, queued)
    return {"slow down": slow, "slow down in Chinese": chinese, "check mail, queued": _seen(waits)}


def _what_went_wrong() -> dict[str, Seen]:
    """Return the pages that Django or a limit answers with; to provoke each would take longer than to look at it."""
    answers = {"forbidden": 403, "refused": 413, "too_many": 429, "failed": 500, "away": 503}
    request = RequestFactory().get("/")
    seen = {name: _seen(page_in_house_language(request, name, status)) for name, status in answers.items()}
    for cause in Cause:
        seen[f"refused, {cause}"] = _seen(refuse(request, cause))
    for why in Why:
        context = {"why": why.name, "address": settings.BASE_URL}
        seen[f"forbidden, {why.name}"] = _seen(page_in_house_language(request, "forbidden", 403, context))
    return seen


def _of_their_own(newsletter: str, suffix: str) -> dict[str, Seen]:
    """Return the pages behind the links of a subscriber's emails, until they are erased."""
    reader = readers.confirmed(newsletter, readers.Named("Zoë", f"zoe-of-{newsletter}@readers.example"))
    readers.pending("weekly" if newsletter == "jianbao" else "jianbao", readers.Named("Zoë", reader.email))
    preferences = signed_links.preferences_path(reader.public_id, newsletter)
    data = signed_links.data_url(reader.public_id, newsletter, reader.email_key)
    late = tokens.make("data", reader.public_id, newsletter, signed_links.signing_key(), timezone.now())
    undone_often = {"undone_often": True}
    seen = {
        **_of_a_move(newsletter),
        "preferences, left": _post(preferences, {"do": "save", "had": newsletter}),
        "undo": _get(undo_path(reader, newsletter)),
        "link mailed": _post(preferences, {"do": "link"}),
        "data": _get(data),
        "data, not ticked": _post(data, {"do": "delete"}),
        "data, too late": _get(f"/preferences/data/{late}/"),
        "unsubscribed, no more undo": _shown("unsubscribed", newsletter, undone_often),
        "deleted": _post(data, {"do": "delete", "sure": "yes"}),
    }
    if newsletter == "jianbao":  # those with the most on them; the others differ in words alone
        seen = {name: seen[name] for name in ("preferences, left", "data, not ticked", "link of the old address")}
    return {f"{name}{suffix}": page for name, page in seen.items()}


def _of_a_move(newsletter: str) -> dict[str, Seen]:
    reader = readers.confirmed(newsletter, readers.Named("Zack", f"zack-of-{newsletter}@readers.example"))
    old = signed_links.preferences_path(reader.public_id, newsletter)
    to = f"zack-of-{newsletter}@new.example"
    moving = Letter.objects.create(subscriber=reader, newsletter=newsletter, purpose="address", email=to, email_key=to)
    move = signed_links.address_url(moving.public_id, newsletter)
    return {"new address": _get(move), "new address, pressed": _post(move), "link of the old address": _get(old)}


def _shown(name: str, newsletter: str, context: dict[str, object]) -> Seen:
    """Return a page that takes days to reach."""
    shown = newsletter_shown(newsletter)
    with translation.override(shown.language):
        return _seen(page(RequestFactory().get("/"), name, shown, context))


def _get(url: str) -> Seen:
    return _seen(Client().get(_path(url)))


def _post(url: str, fields: dict[str, str] | None = None) -> Seen:
    return _seen(Client().post(_path(url), fields or {}))


def _path(url: str) -> str:
    return url.removeprefix(settings.BASE_URL)


def _seen(response) -> Seen:
    assert response.status_code in (200, 400, 403, 404, 410, 413, 429, 500, 503), response.status_code
    page = response.content.decode()
    sheets = re.findall(r'<link rel="stylesheet" href="([^"]+)">', page)
    scripts = re.findall(r'<script src="([^"]+)">', page)  # not run here: they would lead to another page
    files = {f"{BASE}{sheet}": (_sheet(sheet), "text/css") for sheet in sheets}
    return Seen(page, files | {f"{BASE}{script}": (b"", "text/javascript") for script in scripts})


def _sheet(path: str) -> bytes:
    if path.startswith("/static/"):
        return Path(finders.find(path.removeprefix("/static/"))).read_bytes()
    content: bytes = Client().get(path).content
    return content


def _archive() -> dict[str, Seen]:
    """Return the archive of the sample issues, one in each language; the longest has neighbours and was corrected."""
    short, long = (rendered(path)[1] for path in sorted(ISSUES, key=lambda path: path.stat().st_size))
    for slug, newsletter, issue in (
        ("2026-11-13", "jianbao", short),
        ("2026-11-20", "jianbao", long),
        ("2026-11-27", "jianbao", short),
        ("2026-11-20", "weekly", short),
        ("2026-11-27", "weekly", replace(short, language="ar")),
    ):
        said = {name: getattr(issue, name) for name in ("subject", "article", "language", "preheader")}
        send = published(slug, newsletter, **said)
        if (slug, newsletter) == ("2026-11-20", "jianbao"):
            correct(send, issue)
    remove("weekly", "2026-11-06")
    indexing.catch_up()
    images = {f"{BASE}/media/{image.name}": (image.content, image.content_type) for image in long.images + short.images}
    paths = {
        "archive": "/archive/",
        "archive in Chinese": "/jianbao/archive/",
        "a year of the archive": "/archive/?year=2026",
        "issue": "/archive/2026-11-20/",
        "issue in Chinese": "/jianbao/archive/2026-11-20/",
        "issue from right to left": "/archive/2026-11-27/",
        "no such issue": "/archive/2020-01-01/",
        "removed issue": "/archive/2026-11-06/",
        "search": "/archive/?q=a",
        "search in Chinese": "/jianbao/archive/?q=%E7%AE%80%E6%8A%A5",
        "search in vain": "/archive/?q=nothingofthekind",
    }
    served = {name: Seen(page.html, page.files | images) for name, path in paths.items() for page in [_get(path)]}
    return served | _as_files()


def _as_files() -> dict[str, Seen]:
    """Return the page that only the archive as files has."""
    files = dict(StaticArchive(settings.NEWSLETTERS["weekly"]).files())
    assets = {path: content for path, content in files.items() if path.startswith("assets/")}
    loaded = {
        f"{BASE}/{path}": (content, "text/css") if path.endswith(".css") else (b"", "text/javascript")
        for path, content in assets.items()
    }
    return {"search in files": Seen(files["search.html"].decode(), loaded)}


def _form_time(age: float = 10) -> str:
    """Return the signed time of a form that was shown this many seconds ago."""
    shown = timezone.now().timestamp() - age
    signer = signing.TimestampSigner(salt=forms.SALT)
    signer.timestamp = lambda: signing.b62_encode(int(shown))
    return signer.sign(secrets.token_urlsafe(9))
