"""The last issues as an Atom feed (RFC 4287), with all their words."""

from collections.abc import Iterable
from html import escape
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid5

from django.utils.feedgenerator import Atom1Feed
from django.utils.xmlutils import SimplerXMLGenerator

from mailer.archive import Page
from mailer.languages import language_tag
from mailer.newsletter import Newsletter

LENGTH = 20  # issues


def atom(newsletter: Newsletter, pages: Iterable[Page], archive: str, address: str, installation: str) -> str:
    """The feed that stands at `address`, of a newsletter whose pages stand below `archive` (ends in "/")."""
    feed = _WithContent(
        title=newsletter.name,
        link=archive,
        description="",
        language=language_tag(newsletter.language),
        author_name=newsletter.from_name,
        subtitle=newsletter.about or None,
        feed_url=address,
        feed_copyright=newsletter.license or None,
        feed_guid=_for_ever(installation, "feed", newsletter.label),
    )
    for page in pages:
        entry, link = page.entry, f"{archive}{quote(page.entry.slug, safe='')}/"
        feed.add_item(
            title=entry.title,
            link=link,
            description=escape(entry.preheader) or None,  # type: ignore[arg-type]  # Django leaves an absent one out
            pubdate=entry.published,
            updateddate=entry.updated,
            unique_id=_for_ever(installation, "issue", newsletter.label, entry.slug),
            # Where a feed is read, "#note-1" leads nowhere.
            content=page.article.replace('href="#', f'href="{link}#'),
            language=language_tag(entry.language or newsletter.language),
        )
    written: str = feed.writeString("utf-8")
    return written


def _for_ever(installation: str, *what: str) -> str:
    """An id that stays when the newsletter moves to another domain: readers would meet every issue again."""
    return uuid5(UUID(installation), "/".join(what)).urn


class _WithContent(Atom1Feed):
    """Django's feed has summaries only."""

    def item_attributes(self, item: dict[str, Any]) -> dict[str, str]:
        return {"xml:lang": item["language"]}

    def add_item_elements(self, handler: SimplerXMLGenerator, item: dict[str, Any]) -> None:
        super().add_item_elements(handler, item)
        handler.addQuickElement("content", item["content"], {"type": "html"})
