"""The search of the archive, as a visitor meets it."""

import pytest
from django.test import Client

from mailer.archive import indexing
from mailer.web.throttling import BURST, searches
from tests.mailer.published import published
from tests.mailer.web.test_pages import metas, tree, words

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nobody_searched():
    searches.forget()
    yield
    searches.forget()


@pytest.fixture
def _indexed():
    published("2026-11-13", "jianbao", article="<p>本期介绍模型压缩。</p>", subject="第十三期", language="zh-hans")
    published("2026-11-20", "jianbao", article="<p>Rust &lt;script&gt; on tiny boards.</p>", language="en")
    indexing.catch_up()


@pytest.mark.usefixtures("_indexed")
def test_a_search_shows_what_it_found_and_where(client: Client, django_assert_max_num_queries):
    with django_assert_max_num_queries(3):
        page = tree(client, "/jianbao/archive/?q=%E6%A8%A1%E5%9E%8B")
    (item,) = page.xpath("//main//li")
    assert words(item) == "2026 年 11 月 13 日 第十三期 本期介绍模型压缩。"
    assert [one.text for one in page.iter("mark")] == ["模型"]
    assert item.xpath(".//a/@href") == ["/jianbao/archive/2026-11-13/"]
    assert "找到 1 期" in words(page)
    assert page.xpath("//input[@name='q']/@value") == ["模型"]


@pytest.mark.usefixtures("_indexed")
def test_what_it_shows_is_text(client: Client):
    response = client.get("/jianbao/archive/", {"q": 'script "><script>'})
    assert b"<script" not in response.content
    assert b"&lt;<mark>script</mark>&gt;" in response.content


@pytest.mark.usefixtures("_indexed")
def test_each_newsletter_has_its_own(client: Client):
    assert "No issue has all of these words" in words(tree(client, "/archive/?q=tiny"))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?q=nothing", "No issue has all of these words"),
        ("?q=!", "Type what you are looking for."),
        ("?q=%00%ff", "Type what you are looking for."),
        ("?q=a&page=-1", "No issue has"),
        ("?q=a&page=99999999", "No issue has"),
        ("?q=a&page=%C2%B2", "No issue has"),
        ("?q=" + "a" * 5000, "No issue has"),
    ],
)
def test_a_search_that_finds_nothing_says_so(client: Client, query: str, said: str):
    page = tree(client, f"/archive/{query}")
    assert said in words(page)
    assert len(page.xpath("//input[@name='q']/@value")[0]) <= 100


@pytest.mark.parametrize("query", ["", "?q=", "?q=+", "?page=2"])
def test_without_words_all_issues_are_listed(client: Client, query: str):
    assert metas(tree(client, f"/archive/{query}"))["robots"] == "index"


def test_results_are_not_listed_by_search_engines(client: Client):
    page = tree(client, "/archive/?q=a")
    assert metas(page)["robots"] == "noindex"
    assert page.xpath("//link[@rel='canonical']") == []


def test_results_come_in_pages_that_keep_the_words(client: Client):
    for number in range(1, 24):
        published(f"2026-01-{number:02}", article="<p>Robots &amp; boards.</p>")
    indexing.catch_up()
    page = tree(client, "/archive/?q=robots+%26+boards")
    assert page.xpath("//a[@rel='next']/@href") == ["?q=robots%20%26%20boards&page=2"]
    page = tree(client, "/archive/?q=robots+%26+boards&page=2")
    assert len(page.xpath("//main//li")) == 3
    assert page.xpath("//ol/@start") == ["21"]
    assert page.xpath("//a[@rel='prev']/@href") == ["?q=robots%20%26%20boards&page=1"]


def test_who_searches_too_often_is_asked_to_wait_and_nobody_else(client: Client):
    answers = [client.get("/archive/?q=a", REMOTE_ADDR="9.9.9.9") for _ in range(BURST + 1)]
    assert {one.status_code for one in answers[:-1]} == {200}
    assert (answers[-1].status_code, answers[-1]["Retry-After"], answers[-1]["Cache-Control"]) == (429, "5", "no-store")
    assert "Please try again in a few seconds." in answers[-1].content.decode()
    assert client.get("/archive/?q=a", REMOTE_ADDR="8.8.8.8").status_code == 200
    assert client.get("/archive/", REMOTE_ADDR="9.9.9.9").status_code == 200
