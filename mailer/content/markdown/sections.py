"""Split tokens into sections at h2, and turn list items of the form "link, hard break, summary" into stories."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from unicodedata import normalize

from markdown_it.token import Token

from mailer.content.markdown.text import closing, plain

# "Title | Source": where the source is set muted.
SOURCE = re.compile(r"^(?P<title>.*?\S)?(?P<source>\s*[|｜]\s*[^|｜]{1,120})$", re.DOTALL)


@dataclass(frozen=True)
class Section:
    title: str  # "" before the first heading and after the last rule
    heading: tuple[Token, ...]  # children of the heading, which may be links
    tokens: tuple[Token, ...]
    stories: int
    anchor: str = ""  # the heading's id, if a link of the issue points at it


def split(tokens: list[Token], title: str) -> tuple[Section, ...]:
    """Return the sections that have content; drop the h1 that repeats the issue's title."""
    sections = []
    for run in _runs(_without_title(tokens, title)):
        heading: tuple[Token, ...] = ()
        anchor = ""
        if run and run[0].type == "heading_open":
            anchor = str(run[0].attrs.get("id", ""))
            heading, run = tuple(run[1].children or []), run[3:]
        if _holds_something(run):
            body, stories = _with_stories(_trim_rules(run))
            sections.append(Section(plain(heading), heading, tuple(body), stories, anchor))
    return tuple(sections)


def empty_sections(tokens: list[Token], title: str) -> Iterator[tuple[Token, str]]:
    """Return the headings that `split` drops because there is nothing below them, with their words."""
    for run in _runs(_without_title(tokens, title)):
        if run and run[0].type == "heading_open" and not _holds_something(run[3:]):
            yield run[0], plain(run[1].children or [])


def needs_contents(sections: tuple[Section, ...]) -> bool:
    """Tell whether a line that names the sections helps: there are several, and the editor did not list them."""
    titled = [section for section in sections if section.title]
    linked_to = [section for section in titled if section.anchor]
    for section in sections if 2 * len(linked_to) > len(titled) - 1 else ():
        inside = (child for token in section.tokens for child in token.children or ())
        linked = {str(child.attrs.get("href")).removeprefix("#") for child in inside if child.type == "link_open"}
        others = [other for other in titled if other is not section]
        if others and 2 * sum(bool(other.anchor) and other.anchor in linked for other in others) > len(others):
            return False
    return len(titled) > 1


def _holds_something(run: list[Token]) -> bool:
    return any(token.type != "hr" for token in run)


def _runs(tokens: list[Token]) -> list[list[Token]]:
    return _apart_after_last_rule(list(_at_headings(tokens)))


def title_heading(tokens: list[Token], title: str) -> int | None:
    """Return the position of the h1 that `split` drops, because it repeats the issue's title; None without one."""
    for position, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag == "h1":
            return position if same_title(plain(tokens[position + 1].children or []), title) else None
    return None


def _without_title(tokens: list[Token], title: str) -> list[Token]:
    position = title_heading(tokens, title)
    return tokens if position is None else tokens[:position] + tokens[position + 3 :]


def same_title(one: str, other: str) -> bool:
    """Tell whether two titles have the same letters and digits; without any, whether they are the same text."""
    # A title in front matter may say 10^6^ for what a heading shows as 10⁶.
    one, other = (normalize("NFKC", text) for text in (one, other))
    return _letters(one) == _letters(other) if _letters(one) else one == other


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()


def _at_headings(tokens: list[Token]) -> Iterator[list[Token]]:
    """Split tokens at each h1 or h2 at the top level; an h1 right above an h2 stays with it."""
    run: list[Token] = []
    for token in tokens:
        begins = token.type == "heading_open" and token.tag in ("h1", "h2") and token.level == 0
        only_h1 = len(run) == 3 and run[0].type == "heading_open" and run[0].tag == "h1"
        if (begins and not (only_h1 and token.tag == "h2")) or token.type == "footnote_block_open":
            yield run
            run = []
        run.append(token)
    yield run


def _apart_after_last_rule(runs: list[list[Token]]) -> list[list[Token]]:
    """Split off a colophon, what follows the first rule of the last section: a card of its own, without a title.

    Footnotes belong to what is above it, unless there is a mark of one in it: then it is no colophon.
    """
    footnotes = [runs.pop()] if runs and runs[-1][:1] and runs[-1][0].type == "footnote_block_open" else []
    if len(runs) < 2:
        return [*runs, *footnotes]
    *before, last = runs
    rule = next((n for n, token in enumerate(last) if token.type == "hr" and token.level == 0), len(last))
    end = last[rule + 1 :]
    if any(child.type == "footnote_ref" for token in end for child in token.children or ()):
        return [*before, last[:rule], end, *footnotes]
    return [*before, last[:rule], *footnotes, end]


def _trim_rules(run: list[Token]) -> list[Token]:
    """Remove rules at the beginning and end of a card, where they mean nothing."""
    while run and run[0].type == "hr":
        run = run[1:]
    while run and run[-1].type == "hr":
        run = run[:-1]
    return run


# ---------------------------------------------------------------- stories


def _with_stories(run: list[Token]) -> tuple[list[Token], int]:
    result: list[Token] = []
    stories = position = 0
    while position < len(run):
        token = run[position]
        if token.type == "bullet_list_open" and token.level == 0:
            end = closing(run, position)
            items = list(_items(run[position + 1 : end]))
            if _are_stories(items):
                for item in items:
                    result += _story(item)
                stories += len(items)
            else:
                result += run[position : end + 1]
            position = end + 1
        else:
            result.append(token)
            position += 1
    return result, stories


def _items(tokens: list[Token]) -> Iterator[list[Token]]:
    position = 0
    while position < len(tokens):
        end = closing(tokens, position)
        yield tokens[position + 1 : end]
        position = end + 1


def _are_stories(items: list[list[Token]]) -> bool:
    """Tell whether most items are a title, a hard break and a summary, and at least one title is a link."""
    broken = [item for item in items if _title_end(item)]
    linked = [item for item in broken if any(child.type == "link_open" for child in _title(item))]
    return bool(linked) and 2 * len(broken) > len(items)


def _title_end(item: list[Token]) -> int:
    if len(item) < 3 or item[0].type != "paragraph_open":
        return 0
    children = item[1].children or []
    return next((n for n, child in enumerate(children) if child.type == "hardbreak"), 0)


def _title(item: list[Token]) -> list[Token]:
    children = item[1].children or []
    while children and children[0].type == "text" and not children[0].content.strip():
        children = children[1:]
    end = next((n for n, child in enumerate(children) if child.type == "hardbreak"), len(children))
    return children[:end]


def _story(item: list[Token]) -> list[Token]:
    """Return a heading with the title, a paragraph for each line of the summary, then whatever else the item holds."""
    if len(item) < 3 or item[0].type != "paragraph_open":
        return item
    title = _title(item)
    tokens = [
        Token("heading_open", "h3", 1, attrs={"class": "story"}, map=item[1].map),
        _line(item[1], _mute_source(title)),
        Token("heading_close", "h3", -1),
    ]
    for line in _lines((item[1].children or [])[_title_end(item) + 1 :] if _title_end(item) else []):
        tokens += [
            Token("paragraph_open", "p", 1, map=item[1].map),
            _line(item[1], line),
            Token("paragraph_close", "p", -1),
        ]
    return tokens + item[3:]


def _line(inline: Token, children: list[Token]) -> Token:
    """Return a part of an item's first paragraph. `dataclasses.replace` takes five times as long."""
    return Token("inline", "", 0, map=inline.map, level=1, children=children, content=inline.content, block=True)


def _lines(children: list[Token]) -> Iterator[list[Token]]:
    line: list[Token] = []
    depth = 0
    for child in children:
        depth += child.nesting
        if child.type == "hardbreak" and depth == 0:
            if line:
                yield line
            line = []
        else:
            line.append(child)
    if line:
        yield line


def _mute_source(title: list[Token]) -> list[Token]:
    """Put the "| Source" at the end of a title into a span of its own."""
    texts = [n for n, child in enumerate(title) if child.type == "text" and child.content.strip()]
    if not texts:
        return title
    at = texts[-1]
    found = SOURCE.match(title[at].content)
    if not found or (found["title"] is None and len(texts) == 1):
        return title
    muted = [
        Token("source_open", "span", 1, attrs={"class": "source"}),
        Token("text", "", 0, content=found["source"]),
        Token("source_close", "span", -1),
    ]
    before = [Token("text", "", 0, content=found["title"])] if found["title"] else []
    return [*title[:at], *before, *muted, *title[at + 1 :]]
