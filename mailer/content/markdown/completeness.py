"""Check that the finished email still holds every word and link of the issue.

Sanitising, inlining and MJML each have inputs on which they silently drop text. This is where that shows.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree
from markdown_it.token import Token

from mailer.content.markdown.sections import Section


@dataclass(frozen=True)
class Lost:
    text: str
    line: int


def lost_words_or_links(page: str, sections: tuple[Section, ...]) -> Lost | None:
    """Return the first words or address of the sections that the page lacks, or None."""
    # Not lxml.html, which asks a function of its own for the class of each element.
    tree = etree.fromstring(page.encode(), etree.HTMLParser(huge_tree=True, encoding="utf-8"))
    words = _bare(tree.xpath("string(body)"))
    addresses = {link.get("href") for link in tree.iter("a")} | {image.get("src") for image in tree.iter("img")}
    position = 0
    for token, line in _inside(sections):
        if token.type in ("link_open", "image"):
            address = token.attrs.get("href") or token.attrs.get("src")
            if address and address not in addresses:
                return Lost(str(address), line)
        elif token.type in ("text", "text_special", "code_inline", "fence", "code_block"):
            wanted = _bare(token.content)
            # Words keep their order, except where a browser moves them out of a broken table.
            found = words.find(wanted, position)
            if found < 0 and wanted not in words:
                return Lost(token.content.strip(), line)
            position = max(position, found + len(wanted))
    return None


def _inside(sections: tuple[Section, ...]) -> Iterator[tuple[Token, int]]:
    for section in sections:
        for child in section.heading:
            yield child, 0
        for token in section.tokens:
            line = token.map[0] if token.map else 0
            yield token, line
            for child in token.children or []:
                yield child, line


def _bare(text: str) -> str:
    return "".join(text.split())
