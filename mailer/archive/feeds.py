"""The last issues as an Atom feed (RFC 4287), with their full content."""

import re
from collections.abc import Iterable
from html import escape
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid5

from django.utils.feedgenerator import Atom1Feed
from django.utils.xmlutils import SimplerXMLGenerator

from mailer.archive import Page
from mailer.config.newsletter import Newsletter
from subscribers.languages import direction, language_tag

LENGTH = 20  # issues
# XML cannot express these (XML 1.0, 2.2): one of them, such as "&#12;" in an issue, would break the whole feed.
UNWRITABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Only in tags: text may say `href="#` too, but a "<" in it is always "&lt;".
WITHIN_THE_PAGE = re.compile(r'(<a(?:\s[\w-]+="[^"]*")*?\shref=")(?=#)')


def atom(newsletter: Newsletter, pages: Iterable[Page], archive: str, address: str, installation: str) -> str:
    """Return the feed at `address`, of a newsletter whose archive is at `archive` (ends in "/")."""
    feed = _WithContent(
        title=_writable(newsletter.name),
        link=archive,
        description="",
        language=language_tag(newsletter.language),
        author_name=_writable(newsletter.from_name),
        subtitle=_writable(newsletter.about) or None,
        feed_url=address,
        feed_copyright=_writable(newsletter.license) or None,
        feed_guid=_for_ever(installation, "feed", newsletter.label),
    )
    for page in pages:
        language = page.entry.language or newsletter.language
        entry, link = page.entry, f"{archive}{quote(page.entry.slug, safe='')}/"
        feed.add_item(
            title=_writable(entry.title),
            link=link,
            # Django leaves an absent one out.
            description=escape(_writable(entry.preheader)) or None,  # type: ignore[arg-type]
            pubdate=entry.published,
            updateddate=entry.updated,
            unique_id=_for_ever(installation, "issue", newsletter.label, entry.slug),
            content=_directed(_with_whole_links(_writable(page.article), link), language),
            language=language_tag(language),
        )
    written: str = feed.writeString("utf-8")
    return written


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
    """Adds content: Django's feed only has summaries."""

    def item_attributes(self, item: dict[str, Any]) -> dict[str, str]:
        return {"xml:lang": item["language"]}

    def add_item_elements(self, handler: SimplerXMLGenerator, item: dict[str, Any]) -> None:
        super().add_item_elements(handler, item)
        handler.addQuickElement("content", item["content"], {"type": "html"})
