"""Give each section of an issue's page an address, and name the sections where they are many."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape, unescape

HEADING = re.compile(r'<h(?P<level>[23])(?P<attributes>(?:\s[\w-]+="[^"]*")*)>(?P<words>.*?)</h(?P=level)>', re.DOTALL)
ID = re.compile(r'\sid="([^"]*)"')
ANCHOR_LINK = re.compile(r'<a(?:\s[\w-]+="[^"]*")*?\shref="#([^"]*)"')
TAG = re.compile(r"<[^>]*>")
OF_THE_PAGE = ("title", "contents")  # ids of what stands around the article
MANY = 3  # sections
# What scrolls must be reached by the keyboard, too; some browsers see to that themselves.
SCROLLS, REACHED = '<div class="wide">', '<div class="wide" tabindex="0">'


@dataclass(frozen=True)
class Section:
    """A section of an issue that has a heading."""

    anchor: str
    title: str


@dataclass(frozen=True)
class Divided:
    """An article whose headings link to themselves."""

    article: str  # HTML
    contents: tuple[Section, ...]  # nothing if it has few sections, or lists them itself


def divided(article: str, label: str) -> Divided:
    """Add an id and a link to each heading of an article; `label` says what such a link is. Let keyboards scroll."""
    taken = {*OF_THE_PAGE, *ID.findall(article)}
    sections: list[Section] = []

    def linked(found: re.Match[str]) -> str:
        level, attributes, words = found["level"], found["attributes"], found["words"]
        title = " ".join(unescape(TAG.sub("", words)).split())
        if not title:
            return found[0]
        own = ID.search(attributes)
        anchor = unescape(own[1]) if own else _free(title, taken)
        if level == "2":
            sections.append(Section(anchor, title))
        taken.add(anchor)
        named = attributes if own else f' id="{escape(anchor)}"{attributes}'
        link = f'<a class="anchor" href="#{escape(anchor)}" aria-label="{escape(label)}">#</a>'
        return f"<h{level}{named}>{words} {link}</h{level}>"

    changed = HEADING.sub(linked, article).replace(SCROLLS, REACHED)
    return Divided(changed, () if _needs_none(article, sections) else tuple(sections))


def _free(title: str, taken: set[str]) -> str:
    """Return an id made of the title as most sites do, that nothing else has."""
    name = re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", title.lower()).strip())[:60] or "section"
    return next(one for one in _numbered(name) if one not in taken)


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1


def _needs_none(article: str, sections: list[Section]) -> bool:
    """Tell whether there are few sections, or the editor listed most of them."""
    aimed_at = {unescape(target) for target in ANCHOR_LINK.findall(article)}
    return len(sections) < MANY or 2 * sum(one.anchor in aimed_at for one in sections) > len(sections)
