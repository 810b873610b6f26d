"""Pages of sent issues: what was mailed, without any reader's link; rehearsals never show."""

import pytest
from django.test import Client

from mailer.archive import archive_root, sent_slugs
from mailer.models import Send
from tests import readers
from tests.mailer.sending import outgoing

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent_issue(settings) -> Send:
    settings.PROVIDER = "127.0.0.1"
    readers.confirmed()
    send = outgoing.planned()
    Send.objects.filter(pk=send.pk).update(
        first_request_at=send.created_at, article="<h2>News</h2><p>A board for everybody.</p>"
    )
    send.refresh_from_db()
    return send


def test_a_sent_issue_has_a_page_with_its_words_and_no_readers_link(sent_issue: Send, client: Client):
    page = client.get(f"/archive/{sent_issue.slug}/")
    assert page.status_code == 200
    body = page.content.decode()
    assert "A board for everybody." in body
    assert sent_issue.subject in body
    assert "unsubscribe" not in body
    assert sent_issue.placeholders["unsubscribe"] not in body
    assert "script-src" not in page["Content-Security-Policy"], "default-src 'none' allows no script"
    assert "default-src 'none'" in page["Content-Security-Policy"]


@pytest.mark.parametrize("changed", [{"first_request_at": None}, {"provider": "rehearsal"}])
def test_what_nobody_got_has_no_page(sent_issue: Send, client: Client, changed):
    Send.objects.filter(pk=sent_issue.pk).update(**changed)
    assert client.get(f"/archive/{sent_issue.slug}/").status_code == 404
    assert sent_slugs(sent_issue.newsletter) == frozenset()


def test_an_unknown_slug_is_a_404(client: Client):
    assert client.get("/archive/2020-01-01/").status_code == 404


def test_the_first_newsletter_keeps_the_bare_path():
    assert archive_root("https://n.example", "weekly", ["weekly", "jianbao"]) == "https://n.example/archive/"
    assert archive_root("https://n.example", "jianbao", ["weekly", "jianbao"]) == "https://n.example/jianbao/archive/"
