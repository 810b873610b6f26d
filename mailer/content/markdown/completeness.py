"""Check that the finished email still holds every word and link of the issue.

Sanitising, inlining and MJML each have inputs on which they silently drop text. This is where that shows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

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
    written = {link.get("href") for link in tree.iter("a")} | {image.get("src") for image in tree.iter("img")}
    addresses = set(map(_in_one_spelling, filter(None, written)))
    if all(_holds_at_once(words, addresses, section) for section in sections):
        return None
    for token, line in _inside(sections):
        address = _address(token)
        if address and address not in addresses:
            return Lost(str(address), line)
        # Words need not keep their order: a browser moves them out of a broken table.
        if token.type in _SHOWN and _bare(token.content) not in words:
            return Lost(token.content.strip(), line)
    return None


_SHOWN = frozenset({"text", "text_special", "code_inline", "fence", "code_block"})
_POINTING = frozenset({"link_open", "image"})


def _holds_at_once(words: str, addresses: set[str], section: Section) -> bool:
    """Tell whether the page holds the section's words in one run, as nearly all do, and its addresses."""
    tokens = list(section.heading)
    for token in section.tokens:
        tokens.append(token)
        tokens += token.children or ()
    run = _bare("".join([token.content for token in tokens if token.type in _SHOWN]))
    pointing = [address for token in tokens if token.type in _POINTING and (address := _address(token))]
    return run in words and addresses.issuperset(pointing)


def _address(token: Token) -> str | None:
    if token.type not in _POINTING:
        return None
    return _in_one_spelling(str(token.attrs.get("href") or token.attrs.get("src") or "")) or None


def _in_one_spelling(address: str) -> str:
    """Return the address as it is compared: "#über-uns" and "#%C3%BCber-uns" are the same place of the email."""
    return unquote(address) if address.startswith("#") else address


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
