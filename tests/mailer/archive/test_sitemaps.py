from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from mailer.archive import sitemaps
from mailer.archive.correcting import correct
from mailer.archive.finding import changes
from mailer.archive.sitemaps import sitemap
from tests.mailer.archived import archived
from tests.mailer.published import published
from tests.mailer.sending import outgoing

NAMES = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9"}
LATER = datetime(2026, 12, 1, 10, tzinfo=UTC)


def test_addresses_stand_with_their_last_change_and_as_xml_writes_them():
    tree = ElementTree.fromstring(sitemap([("https://a.example/?a=1&b=<2>", None), ("https://a.example/x/", LATER)]))
    assert [one.text for one in tree.iterfind(".//s:loc", NAMES)] == [
        "https://a.example/?a=1&b=<2>",
        "https://a.example/x/",
    ]
    assert [one.text for one in tree.iterfind(".//s:lastmod", NAMES)] == ["2026-12-01T10:00:00+00:00"]


def test_it_holds_no_more_addresses_than_search_engines_take(monkeypatch):
    monkeypatch.setattr(sitemaps, "LIMIT", 3)
    assert sitemap((f"https://a.example/{number}/", None) for number in range(9)).count("<url>") == 3


@pytest.mark.django_db
def test_the_last_issues_come_first_each_with_its_last_change():
    correction = correct(published("2026-11-13"), outgoing.issue(slug="2026-11-13", source="better"))
    sent = published("2026-11-20")
    archived("2019-06-29", updated_at=LATER)
    published("2026-11-21", provider="rehearsal")
    found = changes("weekly", 9)
    assert sorted(found) == [
        ("2019-06-29", LATER),
        ("2026-11-13", correction.corrected_at),
        ("2026-11-20", sent.first_request_at),
    ]
    assert found[-1][0] == "2019-06-29"
    assert changes("weekly", 1) == found[:1]


@pytest.mark.django_db
def test_it_asks_the_database_once_for_each_newsletter_and_is_not_sent_twice(client: Client, settings):
    archived("2019-06-29")
    with CaptureQueriesContext(connection) as asked:
        answer = client.get("/sitemap.xml")
    assert len(asked) == len(settings.NEWSLETTERS)
    assert "article" not in asked[0]["sql"].replace("archivedissue", "")
    assert client.get("/sitemap.xml", headers={"If-None-Match": answer["ETag"]}).status_code == 304
    archived("2019-07-06")
    assert client.get("/sitemap.xml", headers={"If-None-Match": answer["ETag"]}).status_code == 200
