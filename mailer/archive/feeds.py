"""The last issues as feeds, Atom and JSON Feed, with their full content."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid5
from xml.sax.xmlreader import AttributesImpl

from django.utils.feedgenerator import Atom1Feed
from django.utils.xmlutils import SimplerXMLGenerator

from mailer.archive import Entry, Page
from mailer.config.newsletter import Newsletter
from subscribers.languages import direction, language_tag

LENGTH = 20  # issues
XHTML, PLAIN = AttributesImpl({"xmlns": "http://www.w3.org/1999/xhtml"}), AttributesImpl({})
# XML cannot express these (XML 1.0, 2.2): one of them, such as "&#12;" in an issue, would break the whole feed.
UNWRITABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Only in tags: text may say `href="#` too, but a "<" in it is always "&lt;".
WITHIN_THE_PAGE = re.compile(r'(<a(?:\s[\w-]+="[^"]*")*?\shref=")(?=#)')


@dataclass(frozen=True)
class Feed:
    """A newsletter's last issues, and where the feed of them is."""

    newsletter: Newsletter
    pages: Sequence[Page]
    archive: str  # ends in "/"
    address: str
    installation: str
    folder: Callable[[str], str] = str  # where the page of a slug is, below the archive


@dataclass(frozen=True)
class Looks:
    """How a browser shows a feed, which most visitors come upon by a link."""

    styles: Sequence[str]  # addresses of style sheets
    hint: str  # what a feed is for
    all_issues: str


@dataclass(frozen=True)
class _Item:
    """An issue as both kinds of feed have it."""

    id: str
    link: str
    entry: Entry
    title: str
    summary: str
    content: str  # HTML
    language: str


def _items(feed: Feed) -> Iterator[_Item]:
    for page in feed.pages:
        language = page.entry.language or feed.newsletter.language
        entry, link = page.entry, f"{feed.archive}{quote(feed.folder(page.entry.slug), safe='')}/"
        yield _Item(
            id=_for_ever(feed.installation, "issue", feed.newsletter.label, entry.slug),
            link=link,
            entry=entry,
            title=_writable(entry.title),
            summary=_writable(entry.preheader),
            content=_directed(_with_whole_links(_writable(page.article), link), language),
            language=language_tag(language),
        )


def atom(feed: Feed, looks: Looks) -> str:
    """Return the feed as Atom (RFC 4287)."""
    newsletter = feed.newsletter
    written = _WithContent(
        title=_writable(newsletter.name),
        link=feed.archive,
        description="",
        language=language_tag(newsletter.language),
        author_name=_writable(newsletter.from_name),
        subtitle=_writable(newsletter.about) or None,
        feed_url=feed.address,
        feed_copyright=_writable(newsletter.license) or None,
        feed_guid=_id_of(feed),
        looks=looks,
    )
    for item in _items(feed):
        written.add_item(
            title=item.title,
            link=item.link,
            # Django leaves an absent one out.
            description=escape(item.summary) or None,  # type: ignore[arg-type]
            pubdate=item.entry.published,
            updateddate=item.entry.updated,
            unique_id=item.id,
            content=item.content,
            language=item.language,
            day=item.entry.dated.isoformat(),
        )
    text: str = written.writeString("utf-8")
    return text


def json_feed(feed: Feed) -> str:
    """Return the feed as JSON Feed 1.1 (jsonfeed.org)."""
    newsletter = feed.newsletter
    said = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": newsletter.name,
        "home_page_url": feed.archive,
        "feed_url": feed.address,
        "description": newsletter.about,
        "language": language_tag(newsletter.language),
        "authors": [{"name": newsletter.from_name}],
        "items": [
            _present(
                {
                    "id": item.id,
                    "url": item.link,
                    "title": item.title,
                    "summary": item.summary,
                    "content_html": item.content,
                    "date_published": item.entry.published.isoformat(),
                    "date_modified": item.entry.updated.isoformat(),
                    "language": item.language,
                }
            )
            for item in _items(feed)
        ],
    }
    return json.dumps(_present(said), ensure_ascii=False)


def _present(said: dict[str, Any]) -> dict[str, Any]:
    """Leave out what says nothing, except the HTML, which each item must have, and the list of items."""
    return {name: value for name, value in said.items() if value or name in ("content_html", "items")}


def _id_of(feed: Feed) -> str:
    return _for_ever(feed.installation, "feed", feed.newsletter.label)


def _directed(article: str, language: str) -> str:
    """Say that it reads from right to left: feed readers do not conclude that from xml:lang."""
    return f'<div dir="rtl">{article}</div>' if article and direction(language) == "rtl" else article


def _with_whole_links(article: str, link: str) -> str:
    """Make "#note-1" absolute, because in a feed reader it would lead nowhere."""
    return WITHIN_THE_PAGE.sub(lambda found: found[1] + link, article)


def _writable(text: str) -> str:
    return UNWRITABLE.sub("", text)


def _for_ever(installation: str, *what: str) -> str:
    """Return an id that survives a move to another domain; otherwise feed readers would show every issue again."""
    return uuid5(UUID(installation), "/".join(what)).urn


class _WithContent(Atom1Feed):
    """Adds content, as Django's feed only has summaries, and what a browser shows instead of it.

    Elements of XHTML may stand anywhere in a feed (RFC 4287, 6). Feed readers skip them, browsers show them as on a
    page, and only so can a title be a link without XSLT, which browsers no longer have.
    """

    def latest_post_date(self) -> datetime:
        """Return the same for each request if nothing was sent yet; Django would say that it changed just now."""
        found: datetime = super().latest_post_date() if self.items else datetime(1970, 1, 1, tzinfo=UTC)
        return found

    def write(self, outfile: Any, encoding: str) -> None:
        handler = SimplerXMLGenerator(outfile, encoding, short_empty_elements=True)
        handler.startDocument()
        for address in self.feed["looks"].styles:
            handler.processingInstruction("xml-stylesheet", f'type="text/css" href="{escape(address)}"')
        handler.startElement("feed", AttributesImpl(self.root_attributes()))
        self.add_root_elements(handler)
        self.write_items(handler)
        handler.endElement("feed")

    def add_root_elements(self, handler: SimplerXMLGenerator) -> None:
        super().add_root_elements(handler)
        looks: Looks = self.feed["looks"]
        handler.startElement("nav", XHTML)
        handler.addQuickElement("p", looks.hint)
        handler.startElement("p", PLAIN)
        handler.addQuickElement("a", looks.all_issues, {"href": self.feed["link"]})
        handler.endElement("p")
        handler.endElement("nav")

    def item_attributes(self, item: dict[str, Any]) -> dict[str, str]:
        return {"xml:lang": item["language"]}

    def add_item_elements(self, handler: SimplerXMLGenerator, item: dict[str, Any]) -> None:
        super().add_item_elements(handler, item)
        handler.addQuickElement("content", item["content"], {"type": "html"})
        handler.startElement("header", XHTML)
        handler.addQuickElement("time", item["day"])
        handler.startElement("h2", PLAIN)
        handler.addQuickElement("a", item["title"], {"href": item["link"]})
        handler.endElement("h2")
        handler.endElement("header")
