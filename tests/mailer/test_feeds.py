"""The feed, by what RFC 4287 says a feed MUST be."""

from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from django.test import Client
from lxml import etree, html

from mailer.archive.correcting import correct
from tests.mailer.published import published
from tests.mailer.sending import outgoing

pytestmark = pytest.mark.django_db
BASE = "https://news.example.com"
ATOM = "{http://www.w3.org/2005/Atom}"
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
# What may stand in each once at most, and what must (4.1.1, 4.1.2).
ONCE_IN_FEED = {"generator", "icon", "logo", "id", "rights", "subtitle", "title", "updated"}
ONCE_IN_ENTRY = {"content", "id", "published", "rights", "source", "summary", "title", "updated"}
REQUIRED = {"id", "title", "updated"}
KNOWN = {"author", "category", "contributor", "link", "entry"}


@pytest.fixture(autouse=True)
def _public(settings):
    settings.BASE_URL = BASE


def feed_at(client: Client, path: str):
    response = client.get(path)
    assert response.status_code == 200
    assert response["Content-Type"] == "application/atom+xml; charset=utf-8"
    feed = etree.fromstring(response.content)
    assert_valid(feed)
    return feed


def assert_valid(feed) -> None:
    """The MUSTs of RFC 4287 that a program can look at."""
    assert feed.tag == f"{ATOM}feed"
    parts(feed, ONCE_IN_FEED)
    assert feed.findtext(f"{ATOM}author/{ATOM}name"), "4.1.1: each entry has an author, its own or the feed's"
    assert links(feed, "self"), "4.1.1 (SHOULD)"
    ids = [feed.findtext(f"{ATOM}id")]
    for entry in feed.iter(f"{ATOM}entry"):
        parts(entry, ONCE_IN_ENTRY)
        assert len(links(entry, "alternate")) == 1, "4.1.1: a feed has no two of a type and language"
        ids.append(entry.findtext(f"{ATOM}id"))
        content = entry.find(f"{ATOM}content")
        assert content.get("type") == "html"
        for address in html.fromstring(f"<div>{content.text}</div>").xpath("//@href | //@src"):
            assert urlsplit(address).scheme, f"relative: {address}"
    assert len(set(ids)) == len(ids)
    assert all(urlsplit(one).scheme for one in ids), "4.2.6: an absolute IRI"
    for moment in (*feed.iter(f"{ATOM}updated"), *feed.iter(f"{ATOM}published")):
        assert datetime.fromisoformat(moment.text).tzinfo, "3.3: RFC 3339"


def parts(element, once: set[str]) -> None:
    names = [etree.QName(child).localname for child in element]
    assert set(names) >= REQUIRED
    assert set(names) <= once | KNOWN
    assert all(names.count(name) <= 1 for name in once)


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


def test_a_feed_without_issues_is_one_too(client: Client):
    assert texts(feed_at(client, "/feed.xml"), "id") == []


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
