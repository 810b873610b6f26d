"""The archive on the web: what a visitor, a search engine and a feed reader find there."""

import re
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.core.cache import cache
from django.db import connection
from django.test import Client
from lxml import html

from mailer.archive import indexing
from mailer.archive.correcting import correct
from mailer.content.assets import WIDEST
from mailer.content.assets.images import Image
from mailer.models import Correction, Send
from mailer.store import page_images
from mailer.store.page_images import OF_NEWSLETTER, Role
from subscribers.models import Subscription
from tests.mailer.published import published
from tests.mailer.sending import outgoing

pytestmark = pytest.mark.django_db
BASE = "https://news.example.com"


@pytest.fixture(autouse=True)
def _public(settings):
    settings.BASE_URL = BASE


def tree(client: Client, path: str, status: int = 200):
    response = client.get(path)
    assert response.status_code == status
    return html.document_fromstring(response.content.decode())


def metas(page) -> dict[str, str]:
    return {one.get("property") or one.get("name"): one.get("content") for one in page.iter("meta")}


def words(element) -> str:
    return " ".join(element.text_content().split())


# ---------------------------------------------------------------- an issue


def test_a_sent_issue_has_a_page_with_its_content_and_no_subscribers_link(client: Client):
    send = published(article="<h2>News</h2><p>A board for everybody.</p>")
    response = client.get(f"/archive/{send.slug}/")
    body = response.content.decode()
    assert "A board for everybody." in body
    assert send.subject in body
    assert "/unsubscribe" not in body
    assert send.placeholders["unsubscribe"] not in body
    assert not re.search(r"<script| style=|<style| on\w+=", body)
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy, "default-src 'none' allows no script"
    assert "unsafe" not in policy
    assert "Set-Cookie" not in response


def test_it_tells_others_what_it_is(client: Client):
    image = '<p><img src="https://news.example.com/media/ab.png" alt="The board" width="300" height="200"></p>'
    published(preheader="Boards & compilers", article=image)
    page = tree(client, "/archive/2026-11-20/")
    told = metas(page)
    assert told["description"] == told["og:description"] == "Boards & compilers"
    assert told["og:title"] == "The Weekly 2026-11-20"
    assert told["og:type"] == "article"
    assert told["og:site_name"] == "The Weekly"
    assert told["og:url"] == f"{BASE}/archive/2026-11-20/"
    assert told["og:image"] == f"{BASE}/media/ab.png"
    assert told["og:image:alt"] == "The board"
    assert told["og:locale"] == "en_US"
    assert told["twitter:card"] == "summary_large_image"
    assert told["article:published_time"] == "2026-11-20T13:00:00+01:00"
    assert told["robots"] == "index"
    links = {one.get("rel"): one.get("href") for one in page.iter("link")}
    assert links["canonical"] == told["og:url"]


def test_a_card_that_was_drawn_is_shown_instead_of_the_first_image(client: Client, settings):
    published(article='<p><img src="https://news.example.com/media/ab.png" alt="The board"></p>', subject='"Boards"')
    issue, own = drawn("a"), drawn("b")
    page_images.keep("weekly", "2026-11-20", {Role.CARD: issue})
    page_images.keep("weekly", OF_NEWSLETTER, {Role.CARD: own})
    told = metas(tree(client, "/archive/2026-11-20/"))
    assert told["og:image"] == f"{BASE}/media/{issue.name}"
    assert told["og:image:alt"] == '"Boards"'
    assert (told["og:image:width"], told["og:image:height"]) == ("1200", "630")
    assert told["twitter:card"] == "summary_large_image"
    for path in ("/archive/", "/"):
        told = metas(tree(client, path))
        assert told["og:image"] == f"{BASE}/media/{own.name}"
        assert told["og:image:alt"] == "The Weekly"
    assert "immutable" in client.get(f"/media/{own.name}")["Cache-Control"]
    weekly = replace(settings.NEWSLETTERS["weekly"], media_url="https://cdn.example.com/m/")
    settings.NEWSLETTERS = settings.NEWSLETTERS | {"weekly": weekly}
    cache.clear()  # as a restart does
    assert metas(tree(client, "/"))["og:image"] == f"https://cdn.example.com/m/{own.name}"


def drawn(name: str) -> Image:
    return Image(name * 64, "png", "image/png", 1200, 630, name.encode())


def test_the_list_of_all_issues_tells_others_what_it_is(client: Client, settings):
    told = metas(tree(client, "/jianbao/archive/"))
    assert told["og:title"] == told["og:site_name"] == "嵌入式AI简报"
    assert told["og:type"] == "website"
    assert told["og:url"] == f"{BASE}/jianbao/archive/"
    assert told["og:locale"] == "zh_CN"
    assert told["twitter:card"] == "summary", "there is no image"
    assert "og:description" not in told
    weekly = replace(settings.NEWSLETTERS["weekly"], about='What "happened" & why')
    settings.NEWSLETTERS = settings.NEWSLETTERS | {"weekly": weekly}
    told = metas(tree(client, "/archive/"))
    assert told["description"] == told["og:description"] == 'What "happened" & why'


def test_its_day_is_that_of_the_newsletters_clock(client: Client, settings):
    late = datetime.fromisoformat("2026-11-20T23:30:00+00:00")  # in Berlin the next day has begun
    published(first_request_at=late)
    (day,) = tree(client, "/archive/2026-11-20/").iter("time")
    assert (day.get("datetime"), words(day)) == ("2026-11-21", "21 November 2026")


def test_the_issues_own_day_and_number_stand_on_its_page_as_in_its_mail(client: Client):
    published(day="2026-10-31", number="12", newsletter="jianbao", language="zh-hans")
    assert "2026 年 10 月 31 日 · 第 12 期" in words(tree(client, "/jianbao/archive/2026-11-20/"))
    assert "10 月 31 日" in words(tree(client, "/jianbao/archive/"))


@pytest.mark.parametrize(
    ("language", "tag", "direction", "chrome"),
    [
        ("", "en", None, None),
        ("zh-hans", "zh-Hans", None, None),
        ("de", "de", None, None),
        ("ar", "ar", "rtl", None),
        ("pt", "pt", None, "en"),
        ("he", "he", "rtl", "en"),
    ],
)
def test_it_says_its_language_and_its_frame_says_where_it_speaks_another(client, language, tag, direction, chrome):
    published(language=language)
    page = tree(client, "/archive/2026-11-20/")
    (footer,) = page.iter("footer")
    assert (page.get("lang"), page.get("dir"), footer.get("lang")) == (tag, direction, chrome)
    assert ("订阅" in words(page)) == (language == "zh-hans")


def test_a_correction_is_marked_with_its_day(client: Client):
    send = published(newsletter="jianbao", language="zh-hans")
    assert "更正" not in words(tree(client, "/jianbao/archive/2026-11-20/"))
    correction = correct(send, outgoing.issue(source="better"))
    Correction.objects.filter(pk=correction.pk).update(corrected_at="2026-12-01T12:00:00Z", language="zh-hans")
    page = tree(client, "/jianbao/archive/2026-11-20/")
    assert "2026 年 12 月 1 日更正" in words(page)
    assert "better" in words(page)
    assert metas(page)["article:modified_time"] == "2026-12-01T20:00:00+08:00"


def test_it_leads_to_its_neighbours_and_to_the_form(client: Client):
    for slug in ("2026-11-13", "2026-11-20", "2026-11-27"):
        published(slug, "jianbao")
    targets = {one.get("class"): one.get("href") for one in tree(client, "/jianbao/archive/2026-11-20/").iter("a")}
    assert targets["prev"] == "/jianbao/archive/2026-11-13/"
    assert targets["next"] == "/jianbao/archive/2026-11-27/"
    assert targets["join"] == targets["button"] == "/jianbao/subscribe/"


def test_an_arabic_title_that_begins_with_a_latin_name_reads_from_right_to_left(client: Client):
    for day in ("2026-11-13", "2026-11-20"):
        published(day, subject="Rust 2.0: مقدمة قصيرة", language="ar", article="<p>نص</p>")
    page = tree(client, "/archive/2026-11-20/")
    assert (page.get("dir"), page.get_element_by_id("title").get("dir")) == ("rtl", None)
    assert [one.get("dir") for one in page.iter("bdi")] == ["rtl"]
    titles = [one for one in tree(client, "/archive/").iter("a") if "Rust" in words(one)]
    assert [(one.getparent().get("dir"), one.get("dir")) for one in titles] == [("rtl", None)] * 2


def test_an_issue_that_was_not_sent_yet_gets_a_page_that_says_so(client: Client):
    for slug in ("2020-01-01", "%E6%97%A5", "%00", "%ff", "a" * 3000):
        page = tree(client, f"/archive/{slug}/", 404)
        assert "Issue not found" in words(page)
        assert metas(page)["robots"] == "noindex"
    assert "找不到这一期" in words(tree(client, "/jianbao/archive/2020-01-01/", 404))


# ---------------------------------------------------------------- all issues


def test_the_archive_lists_issues_by_year(client: Client):
    for slug in ("2025-12-19", "2026-01-02", "2026-11-20"):
        published(slug, "jianbao", preheader=f"about {slug}")
    page = tree(client, "/jianbao/archive/")
    assert [words(year) for year in page.iter("h2")] == ["2026", "2025"]
    listed = [words(item) for item in page.iter("li")]
    assert listed[0] == "11 月 20 日 The Weekly 2026-11-20 about 2026-11-20"
    assert [one.get("href") for one in page.xpath("//li//a")] == [
        "/jianbao/archive/2026-11-20/",
        "/jianbao/archive/2026-01-02/",
        "/jianbao/archive/2025-12-19/",
    ]


def test_an_archive_without_issues_invites_to_subscribe(client: Client):
    assert "No issue has been sent yet" in words(tree(client, "/archive/"))


def test_a_list_takes_three_queries_and_reads_no_content(client: Client, django_assert_num_queries):
    for slug in ("2026-11-13", "2026-11-20"):
        published(slug)
    with django_assert_num_queries(3) as seen:
        client.get("/archive/")
    assert '"article"' not in f"{seen[0]}{seen[1]}"


def test_its_list_says_what_is_special_about_each_issue(client: Client):
    for slug, news in (("2026-11-13", "Boards got cheaper this week."), ("2026-11-20", "Robots learned how to walk.")):
        published(slug, preheader="Welcome to another issue.", article=f"<p>Welcome to another issue. {news}</p>")
    assert words(tree(client, "/archive/")).count("Welcome") == 2
    indexing.catch_up()
    page = tree(client, "/archive/")
    assert [words(one) for one in page.xpath("//li//p")] == [
        "Robots learned how to walk.",
        "Boards got cheaper this week.",
    ]


def test_years_are_linked_if_there_are_several(client: Client):
    published("2025-12-19")
    assert tree(client, "/archive/").xpath("//nav[@class='years']") == []
    published("2026-01-02")
    page = tree(client, "/archive/")
    assert page.xpath("//nav[@class='years']/a/@href") == ["#y2026", "#y2025"]
    assert page.xpath("//h2/@id") == ["y2026", "y2025"]


def test_its_form_subscribes(monkeypatch):
    visitor = Client(enforce_csrf_checks=True)
    (form,) = tree(visitor, "/jianbao/archive/").xpath("//form[@method='post']")
    fields = {one.get("name"): one.get("value") or "" for one in form.iter("input")}
    assert visitor.get("/jianbao/archive/")["Cache-Control"] == "no-store"
    later = time.time() + 5
    monkeypatch.setattr(time, "time", lambda: later)
    answer = visitor.post(form.get("action"), fields | {"email": "ada@readers.example"})
    assert answer.status_code == 200
    assert Subscription.objects.get(subscriber__email="ada@readers.example").newsletter == "jianbao"


def test_an_issue_names_its_sections_if_they_are_many(client: Client):
    published("2026-11-13", article="<h2>One</h2><h2>Two</h2>")
    published("2026-11-20", article="<h2>One</h2><h2>Two &amp; a half</h2><h2>Three</h2>")
    assert tree(client, "/archive/2026-11-13/").xpath("//nav[@class='contents']") == []
    page = tree(client, "/archive/2026-11-20/")
    assert words(page.xpath("//nav[@class='contents']")[0]) == "In this issue One Two & a half Three"
    targets = page.xpath("//nav[@class='contents']//a/@href")
    assert [f"#{one}" for one in page.xpath("//article//h2/@id")] == targets
    assert page.xpath("//article//h2/a[@class='anchor']/@href") == targets


def test_a_page_is_sent_again_once_it_leads_to_the_next_issue(client: Client):
    published("2026-11-13")
    first = client.get("/archive/2026-11-13/")
    since = first.get("Last-Modified", "Fri, 13 Nov 2026 12:00:00 GMT")
    published("2026-11-20")
    assert b"/archive/2026-11-20/" in client.get("/archive/2026-11-13/", headers={"If-Modified-Since": since}).content


def test_who_has_the_feed_already_is_not_sent_it_again_for_the_time_alone(client: Client):
    published()
    since = client.get("/feed.xml")["Last-Modified"]
    assert client.get("/feed.xml", headers={"If-Modified-Since": since}).status_code == 304
    published("2026-11-27")
    assert client.get("/feed.xml", headers={"If-Modified-Since": since}).status_code == 200


@pytest.mark.parametrize("path", ["/archive/2026-11-20/", "/feed.xml"])
def test_who_has_a_page_already_is_not_sent_it_again(client: Client, path: str):
    published()
    first = client.get(path)
    assert set(first["Cache-Control"].split(", ")) == {"max-age=300", "public"}
    again = client.get(path, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    correct(Send.objects.get(), outgoing.issue(slug="2026-11-20", source="better"))
    Send.objects.update(subject="Other words")
    published("2026-11-27")
    assert client.get(path, headers={"If-None-Match": first["ETag"]}).status_code == 200


# ---------------------------------------------------------------- for robots; colours; what went wrong


def test_robots_find_every_page_that_may_be_listed(client: Client):
    send = published("2026-11-20", "jianbao")
    robots = client.get("/robots.txt")
    assert robots["Content-Type"] == "text/plain; charset=utf-8"
    assert f"Sitemap: {BASE}/sitemap.xml" in robots.content.decode()
    sitemap = client.get("/sitemap.xml")
    assert sitemap["Content-Type"] == "application/xml"
    found = html.fromstring(sitemap.content)
    addresses = [one.text for one in found.iter("loc")]
    assert addresses == [
        f"{BASE}/subscribe/",
        f"{BASE}/archive/",
        f"{BASE}/jianbao/subscribe/",
        f"{BASE}/jianbao/archive/",
        f"{BASE}/jianbao/archive/{send.slug}/",
    ]
    for address in addresses:
        page = tree(client, address.removeprefix(BASE))
        assert metas(page)["robots"] == "index"


def test_the_accent_colour_is_a_style_sheet_of_our_own_that_may_be_cached_indefinitely(client: Client, settings):
    published()
    colour = settings.NEWSLETTERS["weekly"].accent_color.removeprefix("#")
    assert f"/colours/{colour}.css" in [one.get("href") for one in tree(client, "/archive/2026-11-20/").iter("link")]
    sheet = client.get(f"/colours/{colour}.css")
    assert sheet["Content-Type"] == "text/css; charset=utf-8"
    assert "immutable" in sheet["Cache-Control"]
    assert f"--band: #{colour};" in sheet.content.decode()
    for wrong in ("0a58c", "0A58CA", "0a58ca0", "zzzzzz", "0a58ca%0a"):
        assert client.get(f"/colours/{wrong}.css").status_code == 404


@pytest.mark.parametrize(("path", "said"), [("/nothing/", "Page not found"), ("/jianbao/x/", "找不到页面")])
def test_a_wrong_address_is_answered_without_the_database_in_the_newsletters_language(client, path, said):
    client.get("/other/")  # former addresses of imported issues are read once a minute
    with connection.execute_wrapper(lambda *_: pytest.fail("the database was asked")):
        assert said in words(tree(client, path, 404))


def test_what_breaks_is_answered_without_the_database_too(monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("mailer.web.pages.years_of", fail)
    with connection.execute_wrapper(lambda *_: pytest.fail("the database was asked")):
        page = tree(Client(raise_request_exception=False), "/jianbao/archive/", 500)
    assert "出了点问题" in words(page)


def test_an_image_as_wide_as_the_column_of_the_email_fills_that_of_the_page():
    sheet = Path(finders.find("issue.css")).read_text()
    assert f'.issue img[width="{WIDEST}"] {{\n  width: 100%;' in sheet
