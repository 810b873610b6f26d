"""What an operator can open in `/admin/`, as the web process serves it. Needs the database."""

import mimetypes
import re
from functools import cache
from pathlib import Path
from unittest.mock import patch

import django.contrib.admin
from django.contrib.auth.models import User
from django.test import Client

import subscribers
from mailer.models import Batch, Send
from subscribers import clock, lookups, records
from subscribers.models import AuditEntry, Subscriber
from tests import readers
from tests.mailer.quality.mails import BASE, Seen
from tests.mailer.sending import outgoing

PASSWORD = "correct horse battery staple"


def operators_pages() -> dict[str, Seen]:
    """Return by name each page with content, and the login's refusals."""
    browser = Client()
    User.objects.create_superuser("operator", password=PASSWORD)
    log_in = {"username": "operator", "password": "a guess"}
    made = {"login refused": browser.post("/admin/login/", log_in)}
    for _ in range(4):
        made["login locked"] = browser.post("/admin/login/", log_in | {"username": "nobody"})
    browser.force_login(User.objects.get(), backend="django.contrib.auth.backends.ModelBackend")
    readers.everybody()
    records.record_all(
        [(Subscriber.objects.get(email=readers.CLEO.email).pk, "changed", "")] * 120, "", readers.LINK, clock.now()
    )
    Batch.objects.filter(send=outgoing.planned()).update(state=Batch.State.UNKNOWN)
    paths = {
        "start": "/admin/",
        "readers": "/admin/subscribers/subscriber/",
        "a reader": f"/admin/subscribers/subscriber/{Subscriber.objects.get(email=readers.CLEO.email).pk}/change/",
        "sends": "/admin/mailer/send/",
        "a send": f"/admin/mailer/send/{Send.objects.get().pk}/change/",
        "suppressions": "/admin/subscribers/suppression/",
        "audit log": "/admin/subscribers/auditentry/",
    }
    made |= {name: browser.get(path) for name, path in paths.items()}
    suppress = {"action": "suppress_one", "_selected_action": Subscriber.objects.get(email=readers.ADA.email).pk}
    made["an audit entry"] = browser.get(f"{paths['audit log']}{AuditEntry.objects.latest('pk').pk}/change/")
    with patch.object(lookups, "MANY", 2), patch.object(lookups, "LISTED", 3):
        made["many readers"] = browser.get(paths["readers"])
    made["earlier steps"] = browser.get(f"{paths['a reader']}?history=2")
    made["suppress, no reason given"] = browser.post(paths["readers"], suppress | {"sure": "yes"})
    return {name: _seen(answer, browser) for name, answer in made.items()}


def _seen(answer, browser: Client) -> Seen:
    assert answer.status_code in (200, 429)
    files = dict(_static())
    for path in re.findall(r'<script src="(/admin/[^"]+)"', answer.text):
        files[f"{BASE}{path}"] = (browser.get(path).content, "text/javascript")
    return Seen(answer.text, files)


@cache
def _static() -> dict[str, tuple[bytes, str]]:
    """Return styles, scripts and images: Django's and ours."""
    found = {}
    for package in (django.contrib.admin, subscribers):
        folder = Path(package.__file__).parent / "static"
        for path in folder.rglob("*.*"):
            kind = mimetypes.guess_type(path)[0] or ""
            found[f"{BASE}/static/{path.relative_to(folder).as_posix()}"] = (path.read_bytes(), kind)
    return found
