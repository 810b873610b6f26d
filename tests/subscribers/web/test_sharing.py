"""What other sites show of a page of ours."""

from dataclasses import replace

import pytest
from django.db import OperationalError, connection
from django.test import Client
from lxml import html

from subscribers.web.sharing import Picture, Shared, locale_of

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("language", "locale"),
    [
        ("en", "en_US"),
        ("en-gb", "en_GB"),
        ("zh-hans", "zh_CN"),
        ("zh-hant", "zh_TW"),
        ("zh-hant-hk", "zh_HK"),
        ("de", "de_DE"),
        ("de-at", "de_AT"),
        ("ar", "ar_AR"),
        ("sr-latn", ""),
        ("", ""),
    ],
)
def test_a_language_is_named_with_its_country_where_that_is_known(language, locale):
    assert locale_of(language) == locale


def test_a_link_is_shown_large_only_with_a_picture():
    assert Shared("t", "https://a.example/").card == "summary"
    assert Shared("t", "https://a.example/", picture=Picture("https://a.example/x.png")).card == "summary_large_image"


def test_the_form_tells_others_what_it_is(client: Client, settings):
    settings.BASE_URL = "https://news.example.com"
    weekly = replace(settings.NEWSLETTERS["weekly"], about="Boards & compilers")
    settings.NEWSLETTERS = settings.NEWSLETTERS | {"weekly": weekly}
    forms = (("/", "/subscribe/", "The Weekly"), ("/jianbao/", "/jianbao/subscribe/", "嵌入式AI简报"))
    for path, address, name in forms:
        page = html.document_fromstring(client.get(path).content.decode())
        told = {one.get("property") or one.get("name"): one.get("content") for one in page.iter("meta")}
        assert told["og:url"] == f"https://news.example.com{address}"
        assert told["og:title"] == told["og:site_name"] == name
        assert told["robots"] == "index"
        assert told.get("og:description") == ("Boards & compilers" if path == "/" else None)


def test_the_form_is_shown_without_a_card_while_the_database_is_down(client: Client):
    def away(*_: object) -> None:
        raise OperationalError("the database is down")

    with connection.execute_wrapper(away):
        page = client.get("/")
    assert page.status_code == 200
    assert b'property="og:title"' in page.content
    assert b"og:image" not in page.content


def test_only_pages_that_may_be_shared_describe_themselves(client: Client):
    assert b"og:" not in client.get("/nothing/").content
