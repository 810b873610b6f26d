"""Check feed and sitemap against the grammars of RFC 4287 and sitemaps.org, and with a feed reader."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import feedparser
import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from lxml import etree, html

from mailer.archive.correcting import correct
from tests.golden import ISSUES
from tests.mailer.published import published
from tests.mailer.quality.mails import NO_ARCHIVE, REAL, rendered
from tests.mailer.sending import outgoing

pytestmark = pytest.mark.django_db
BASE = "https://news.example.com"
ATOM = "{http://www.w3.org/2005/Atom}"
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
FEED_GRAMMAR = etree.RelaxNG(etree.parse(Path(__file__).with_name("atom.rng")))
SITEMAP_GRAMMAR = etree.XMLSchema(etree.parse(Path(__file__).with_name("sitemap.xsd")))


@pytest.fixture(autouse=True)
def _public(settings):
    settings.BASE_URL = BASE


def feed_at(client: Client, path: str):
    response = client.get(path)
    assert response.status_code == 200
    assert response["Content-Type"] == "application/atom+xml; charset=utf-8"
    feed = etree.fromstring(response.content)
    FEED_GRAMMAR.assertValid(feed)
    assert_sound(feed)
    assert_readable(response, feed)
    return feed


def assert_sound(feed) -> None:
    """Assert what RFC 4287 requires and its grammar cannot express."""
    assert feed.tag == f"{ATOM}feed"
    assert feed.findtext(f"{ATOM}author/{ATOM}name"), "4.1.1: each entry has an author, its own or the feed's"
    assert len(links(feed, "self")) == 1, "4.1.1 (SHOULD)"
    ids = [feed.findtext(f"{ATOM}id")]
    for entry in feed.iter(f"{ATOM}entry"):
        assert len(links(entry, "alternate")) == 1, "4.1.2: an entry has no two of a type and language"
        ids.append(entry.findtext(f"{ATOM}id"))
        content = entry.find(f"{ATOM}content")
        assert content.get("type") == "html"
        for address in html.fromstring(f"<div>{content.text}</div>").xpath("//@href | //@src"):
            assert urlsplit(address).scheme, f"relative: {address}"
    assert len(set(ids)) == len(ids)
    assert all(urlsplit(one).scheme for one in ids), "4.2.6: an absolute IRI"
    for moment in (*feed.iter(f"{ATOM}updated"), *feed.iter(f"{ATOM}published")):
        assert datetime.fromisoformat(moment.text).tzinfo, "3.3: RFC 3339"


def assert_readable(response, feed) -> None:
    """Assert that a feed reader finds each issue with title, page, date and text, and repairs nothing."""
    read = feedparser.parse(response.content, response_headers={"content-type": response["Content-Type"]})
    assert not read.bozo, read.get("bozo_exception")
    assert read.version == "atom10"
    for one, entry in zip(read.entries, feed.iter(f"{ATOM}entry"), strict=True):
        assert (one.title, one.link) == (entry.findtext(f"{ATOM}title"), links(entry, "alternate")[0])
        assert one.updated_parsed[:6] == moment_of(entry).timetuple()[:6]
        (content,) = one.content
        assert content.language == entry.get(LANGUAGE)
        assert words(content.value) == words(entry.findtext(f"{ATOM}content"))


def moment_of(entry) -> datetime:
    return datetime.fromisoformat(entry.findtext(f"{ATOM}updated")).astimezone(UTC)


def words(article: str) -> str:
    return " ".join(html.fromstring(f"<div>{article}</div>").text_content().split())


def links(element, rel: str) -> list[str]:
    return [link.get("href") for link in element.findall(f"{ATOM}link") if link.get("rel") == rel]


def texts(feed, name: str) -> list[str]:
    return [entry.findtext(f"{ATOM}{name}") for entry in feed.iter(f"{ATOM}entry")]


def test_the_feed_holds_the_whole_of_each_issue(client: Client):
    article = '<section><h2 id="news">News</h2><p>1 &lt; 2 &amp; more<sup><a href="#note-1">1</a></sup></p></section>'
    published("2026-11-13")
    published("2026-11-20", "jianbao", subject="板 <b> & 子", article=article, preheader="甲 & 乙", language="zh-hans")
    feed = feed_at(client, "/jianbao/feed.xml")
    assert feed.get(LANGUAGE) == "zh-Hans"
    assert feed.findtext(f"{ATOM}title") == "嵌入式AI简报"
    assert links(feed, "self") == [f"{BASE}/jianbao/feed.xml"]
    assert links(feed, "alternate") == [f"{BASE}/jianbao/archive/"]
    (entry,) = feed.iter(f"{ATOM}entry")
    page = f"{BASE}/jianbao/archive/2026-11-20/"
    assert links(entry, "alternate") == [page]
    assert entry.findtext(f"{ATOM}title") == "板 <b> & 子"
    assert entry.findtext(f"{ATOM}summary") == "甲 &amp; 乙", "it is HTML"
    assert entry.findtext(f"{ATOM}content") == article.replace("#note-1", f"{page}#note-1")
    assert "unsubscribe" not in etree.tostring(feed).decode()


def test_an_issue_from_right_to_left_says_so_in_its_content(client: Client):
    published("2026-11-20", "jianbao", article="<p>نص</p>", language="ar")
    feed = feed_at(client, "/jianbao/feed.xml")
    assert texts(feed, "content") == ['<div dir="rtl"><p>نص</p></div>']


def test_links_within_an_issue_lead_to_its_page_and_text_about_them_stays(client: Client):
    words = '<code>&lt;a href="#top"&gt;</code>'
    published(article=f'<p>{words} <a title="a > b" href="#top">up</a></p>')
    (content,) = texts(feed_at(client, "/feed.xml"), "content")
    assert content == f'<p>{words} <a title="a > b" href="{BASE}/archive/2026-11-20/#top">up</a></p>'


def publish(path: Path, day: int, newsletter: str = "jianbao"):
    """Send the issue on that day of October, as it would appear in the archive."""
    _, issue = rendered(path)
    said = {name: getattr(issue, name) for name in ("subject", "preheader", "language", "day", "number", "article")}
    return published(f"2026-10-{day:02}", newsletter, **said), issue


@pytest.mark.parametrize("folder", ["awesome-embedded-ai", "bitcoin-optech", "this-week-in-rust"])
def test_real_issues_make_a_feed_and_so_do_their_corrections(client: Client, folder: str):
    """Chinese, Japanese and German, code, tables, images, and links that were relative in the file."""
    found = [path for path in REAL if folder in path.parts]
    if not found:
        pytest.skip(NO_ARCHIVE)
    sent = [publish(path, day) for day, path in enumerate(found, 1)]
    assert len(texts(feed_at(client, "/jianbao/feed.xml"), "id")) == len(found)
    for send, issue in sent:
        correct(send, replace(issue, article=issue.article + "<p>更正</p>"))
    feed = feed_at(client, "/jianbao/feed.xml")
    assert all(article.endswith("<p>更正</p>") for article in texts(feed, "content"))


def test_the_sample_issues_make_one(client: Client):
    for day, path in enumerate(ISSUES, 1):
        publish(path, day, "weekly")
    feed = feed_at(client, "/feed.xml")
    assert len(texts(feed, "id")) == len(ISSUES)
    assert any("<pre" in article for article in texts(feed, "content"))


def test_a_feed_without_issues_is_one_too(client: Client):
    assert texts(feed_at(client, "/feed.xml"), "id") == []


def test_what_xml_cannot_write_is_left_out_and_breaks_no_feed(client: Client, settings):
    """`&#12;` in an issue is a form feed; front matter and newsletter.toml can contain the others as escapes."""
    said = "a\x0c\x1b\ufffe\uffffb 板 \U0001f4f0"
    published(subject=said, preheader=said, article=f"<p>{said}</p>")
    newsletter = replace(settings.NEWSLETTERS["weekly"], name=said, from_name=said, about=said, license=said)
    settings.NEWSLETTERS = settings.NEWSLETTERS | {"weekly": newsletter}
    feed = feed_at(client, "/feed.xml")
    assert texts(feed, "content") == ["<p>ab 板 \U0001f4f0</p>"]
    assert [feed.findtext(f"{ATOM}{name}") for name in ("title", "subtitle", "rights")] == ["ab 板 \U0001f4f0"] * 3


def test_it_holds_the_newest_twenty(client: Client):
    for day in range(1, 23):
        published(f"2026-10-{day:02}")
    titles = texts(feed_at(client, "/feed.xml"), "title")
    assert (len(titles), titles[0], titles[-1]) == (20, "The Weekly 2026-10-22", "The Weekly 2026-10-03")


def test_ids_stay_whatever_domain_or_correction_comes(client: Client, settings):
    send = published()
    (before,) = texts(feed_at(client, "/feed.xml"), "id")
    assert UUID(before.removeprefix("urn:uuid:"))
    settings.BASE_URL = "https://elsewhere.example.com"
    correction = correct(send, outgoing.issue(source="better"))
    feed = feed_at(client, "/feed.xml")
    assert texts(feed, "id") == [before]
    assert datetime.fromisoformat(texts(feed, "updated")[0]) == correction.corrected_at
    assert feed.findtext(f"{ATOM}updated") == texts(feed, "updated")[0]
    assert texts(feed, "published") == ["2026-11-20T12:00:00+00:00"]


def test_the_sitemap_is_one_by_its_grammar(client: Client):
    SITEMAP_GRAMMAR.assertValid(etree.fromstring(client.get("/sitemap.xml").content))
    correct(published("2026-11-20", "jianbao"), outgoing.issue(source="better"))
    send = published()
    send.slug = "日 & 夜 'a' \"b\" <c>"
    send.save()
    sitemap = etree.fromstring(client.get("/sitemap.xml").content)
    SITEMAP_GRAMMAR.assertValid(sitemap)
    assert len(sitemap) == 6


# ---------------------------------------------------------------- in a browser, and as JSON


def test_a_browser_shows_the_feed_as_a_list_of_links(client: Client):
    published(newsletter="jianbao", subject="第 <12> 期")
    browser = client.get("/jianbao/feed.xml", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert browser["Content-Type"] == "application/xml; charset=utf-8"
    assert browser["Vary"] == "Accept"
    assert "style-src 'self'" in browser["Content-Security-Policy"]
    assert browser.content == client.get("/jianbao/feed.xml").content
    feed = etree.fromstring(browser.content)
    styles = [one.get("href") for one in feed.xpath("preceding-sibling::processing-instruction()")]
    assert [client.get(one).status_code for one in styles if not one.startswith("/static/")] == [200]
    assert [finders.find(one.removeprefix("/static/")) for one in styles if one.startswith("/static/")] != [None]
    shown = feed.findall(".//{http://www.w3.org/1999/xhtml}a")
    assert [(one.text, one.get("href")) for one in shown] == [
        ("往期列表", f"{BASE}/jianbao/archive/"),
        ("第 <12> 期", f"{BASE}/jianbao/archive/2026-11-20/"),
    ]


def test_the_json_feed_says_what_the_other_does(client: Client):
    published("2026-11-13", subject="One", article='<p><a href="#a">A</a></p>', preheader="About one")
    published("2026-11-20", subject="Two", article="", language="ar")
    response = client.get("/feed.json")
    assert response["Content-Type"] == "application/feed+json; charset=utf-8"
    said, feed = response.json(), feed_at(client, "/feed.xml")
    assert (said["version"], said["title"]) == ("https://jsonfeed.org/version/1.1", "The Weekly")
    assert (said["home_page_url"], said["feed_url"]) == (f"{BASE}/archive/", f"{BASE}/feed.json")
    entries = feed.findall(f"{ATOM}entry")
    assert [one["id"] for one in said["items"]] == [one.findtext(f"{ATOM}id") for one in entries]
    assert [one["url"] for one in said["items"]] == [links(one, "alternate")[0] for one in entries]
    two, one = said["items"]
    assert (two["content_html"], two["language"]) == ("", "ar")
    assert one == {
        "id": one["id"],
        "url": f"{BASE}/archive/2026-11-13/",
        "title": "One",
        "summary": "About one",
        "content_html": f'<p><a href="{BASE}/archive/2026-11-13/#a">A</a></p>',
        "date_published": "2026-11-13T12:00:00+00:00",
        "date_modified": "2026-11-13T12:00:00+00:00",
        "language": "en",
    }


def test_a_json_feed_without_issues_is_one(client: Client):
    assert client.get("/jianbao/feed.json").json()["items"] == []


def test_pages_name_both_feeds(client: Client):
    page = html.fromstring(client.get("/jianbao/archive/").content.decode())
    named = {one.get("type"): one.get("href") for one in page.xpath("//link[@rel='alternate']")}
    assert named == {"application/atom+xml": "/jianbao/feed.xml", "application/feed+json": "/jianbao/feed.json"}
