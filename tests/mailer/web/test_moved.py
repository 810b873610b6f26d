"""Addresses of another site lead to the pages here, and a removed page says that it is gone."""

import pytest
from django.db import OperationalError
from django.test import Client
from lxml import html

from mailer.archive import aliases
from mailer.archive.removing import put_back, remove
from mailer.models import Alias
from tests.mailer.archived import archived
from tests.mailer.published import published

pytestmark = pytest.mark.django_db
BASE = "https://news.example.com"


@pytest.fixture(autouse=True)
def _public(settings):
    settings.BASE_URL = BASE


def alias(name: str, slug: str = "2019-06-29", newsletter: str = "weekly") -> None:
    Alias.objects.create(newsletter=newsletter, name=name, slug=slug)


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("/2019/06/29/title.html", "/2019/06/29/title.html"),
        ("/p/title", "/p/title/"),
        ("/p/title", "/p/title?utm_source=x"),
        ("/p/title", "/p/title/index.html"),
        ("/简报", "/%E7%AE%80%E6%8A%A5/"),
        ("title-of-old", "/archive/title-of-old/"),
        ("/archive/2019/06/29", "/archive/2019/06/29/"),
    ],
)
def test_a_former_address_leads_to_the_page(client: Client, name, asked):
    archived()
    alias(name)
    response = client.get(asked)
    assert (response.status_code, response["Location"]) == (301, f"{BASE}/archive/2019-06-29/")
    assert "max-age=3600" in response["Cache-Control"], "a browser asks again, in case it was a mistake"
    assert client.get("/archive/2019-06-29/").status_code == 200


def test_a_further_newsletter_has_its_own(client: Client):
    archived(newsletter="jianbao")
    alias("/p/title", newsletter="jianbao")
    alias("older", newsletter="jianbao")
    page = f"{BASE}/jianbao/archive/2019-06-29/"
    assert client.get("/p/title/")["Location"] == client.get("/jianbao/archive/older/")["Location"] == page
    assert client.get("/archive/older/").status_code == 404


def test_what_no_issue_had_is_not_found(client: Client):
    archived()
    alias("/p/title")
    for path in ("/p/other/", "/p/%00", "/P/title/", "/" + "a" * 3000):
        assert client.get(path).status_code == 404
    assert client.post("/p/title/").status_code == 404


def test_a_page_that_exists_wins_over_a_former_address(client: Client):
    archived()
    published("2026-11-20")
    alias("2026-11-20")
    assert client.get("/archive/2026-11-20/").status_code == 200


@pytest.mark.parametrize("make", [archived, published], ids=["imported", "sent"])
def test_a_removed_page_is_gone_everywhere_until_it_is_put_back(client: Client, make):
    make("2019-06-29", "jianbao")
    alias("/p/title", newsletter="jianbao")
    remove("jianbao", "2019-06-29")
    response = client.get("/jianbao/archive/2019-06-29/")
    page = html.document_fromstring(response.content.decode())
    assert response.status_code == 410
    assert "这一期已撤下" in page.text_content()
    assert page.xpath('//meta[@name="robots"]/@content') == ["noindex"]
    assert response["Cache-Control"] == "no-store"
    assert client.get("/p/title/")["Location"] == f"{BASE}/jianbao/archive/2019-06-29/"
    for path in ("/jianbao/archive/", "/jianbao/feed.xml", "/sitemap.xml", "/jianbao/subscribe/"):
        assert "2019-06-29" not in client.get(path).content.decode()
    assert put_back("jianbao", "2019-06-29")
    assert client.get("/jianbao/archive/2019-06-29/").status_code == 200


def test_imported_issues_are_in_lists_feed_and_sitemap(client: Client):
    archived()
    for path in ("/archive/", "/feed.xml", "/sitemap.xml"):
        assert "/archive/2019-06-29/" in client.get(path).content.decode(), path
    assert b"A board of long ago." in client.get("/archive/2019-06-29/").content


def test_an_issue_that_is_not_there_takes_two_queries(client: Client, django_assert_num_queries):
    alias("old")
    client.get("/archive/x/")
    for address, status in (("/archive/x/", 404), ("/archive/old/", 301), ("/archive/x%00/", 404)):
        with django_assert_num_queries(2):
            assert client.get(address).status_code == status
    remove("weekly", "old")
    assert client.get("/archive/old/").status_code == 410, "what was removed leads nowhere"


def test_robots_that_try_addresses_do_not_ask_the_database_each_time(client: Client, django_assert_num_queries):
    alias("/p/title")
    with django_assert_num_queries(1):
        for number in range(5):
            assert client.get(f"/wp-login-{number}.php").status_code == 404
        assert client.get("/p/title/").status_code == 301


def test_without_a_database_what_is_not_found_is_still_not_found(client: Client, monkeypatch):
    def away() -> None:
        raise OperationalError

    monkeypatch.setattr(aliases, "_paths", away)
    assert client.get("/p/title/").status_code == 404
