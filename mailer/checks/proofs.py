"""A proof: everything that the rules look at, parsed once."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lxml import html
from markdown_it.token import Token

from mailer.config.newsletter import Newsletter
from mailer.config.rules import RULES
from mailer.content.findings import Finding
from mailer.content.frontmatter import SUBJECTS
from mailer.content.issues import Issue
from mailer.content.markdown import Document, cut_behind, parse, plain
from mailer.content.rendering import RenderedIssue

CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)


@dataclass(frozen=True)
class Link:
    target: str  # as written
    words: str  # the link's text; an image counts as its alt text
    line: int  # of the body, from 0
    column: int
    bare: bool  # an address in running text, without brackets of any kind
    leads: bool  # the first in its paragraph, as the title of a story is
    holds_image: bool
    cut: str  # the words that a bare address touches, and was taken to end before
    kind: str  # of the block that it stands in: headings, items and paragraphs are told apart by type and depth


@dataclass(frozen=True)
class ImageReference:
    target: str  # as written
    alt: str  # "" for none
    line: int  # of the body, from 0
    column: int


@dataclass(frozen=True)
class Proof:
    issue: Issue
    rendered: RenderedIssue
    newsletter: Newsletter
    rehearsal: bool
    base_url: str
    known_slugs: frozenset[str]  # the newsletter's issues that have a page, whether or not their files are here
    local: bool = False  # the provider is on this machine, so subscribers' links may be too

    @property
    def ignored(self) -> frozenset[str]:
        return self.issue.ignore | self.newsletter.ignore

    @cached_property
    def document(self) -> Document:
        return parse(self.issue.body)

    @cached_property
    def links(self) -> tuple[Link, ...]:
        return tuple(links_of(self.document))

    @cached_property
    def pictures(self) -> tuple[ImageReference, ...]:
        return tuple(
            ImageReference(image.target.strip(), plain(image.token.children or []), image.line, image.column)
            for image in self.document.images()
        )

    @cached_property
    def page(self) -> Any:
        """Return the finished HTML as a tree."""
        parser = html.HTMLParser(huge_tree=True, encoding="utf-8")
        return html.document_fromstring(self.rendered.html.encode(), parser=parser)

    def finding(self, line: int, column: int, rule: str, message: str, fix: str) -> Finding:
        """Make a finding at `line` and `column` of the body, from 0, as the Markdown parser counts."""
        return Finding(self.issue.body_line + line, column + 1, rule, RULES[rule].severity, message, fix)

    def finding_in(self, block: Token, words: str, rule: str, message: str, fix: str) -> Finding:
        """Make a finding where the words stand in a block, or where it begins if Markdown is among them."""
        begin, end = block.map or (0, None)
        lines = self.document.source.split("\n")[begin:end]
        # The same in code is meant.
        outside = CODE_SPAN.sub(lambda span: re.sub(r"[^\n]", " ", span[0]), "\n".join(lines))
        for number, line in enumerate(outside.split("\n")):
            if (column := line.find(words)) >= 0:
                return self.finding(begin + number, column, rule, message, fix)
        return self.finding(begin, 0, rule, message, fix)

    def finding_at_title(self, rule: str, message: str, fix: str) -> Finding:
        return Finding(*self._title_place, rule, RULES[rule].severity, message, fix)

    def finding_on_top(self, rule: str, message: str, fix: str) -> Finding:
        """Make a finding that no line of the issue causes."""
        return Finding(1, 1, rule, RULES[rule].severity, message, fix)

    @cached_property
    def front_lines(self) -> list[str]:
        return self.issue.source.decode("utf-8-sig", "replace").splitlines()[: self.issue.body_line - 1]

    @cached_property
    def _title_place(self) -> tuple[int, int]:
        for key in ("title", *SUBJECTS):
            for number, line in enumerate(self.front_lines, 1):
                if found := re.match(rf"\s*[\"']?{key}[\"']?\s*[:：=]\s*", line, re.IGNORECASE):
                    return number, found.end() + 1
        for token in self.document.tokens:
            if token.type == "heading_open" and token.tag == "h1" and token.map:
                return self.issue.body_line + token.map[0], 1
        return self.issue.body_line, 1


def links_of(document: Document) -> Iterator[Link]:
    """Return the links of a text with their own text, in order."""
    places = {id(reference.token): reference for reference in document.links()}
    lines = document.source.split("\n")
    for number, block in enumerate(document.tokens):
        children = block.children or []
        leads = True
        for position, token in enumerate(children):
            if token.type != "link_open":
                leads = leads and not token.content.strip()
                continue
            reference = places[id(token)]
            end = _end(children, position)
            inside = children[position + 1 : end]
            following = children[end + 1].content if children[end + 1 :] else ""
            bare = token.markup == "linkify"
            yield Link(
                target=reference.target.strip(),
                words=plain(inside),
                line=reference.line,
                column=max(lines[reference.line].find(reference.target), 0) if bare else reference.column,
                bare=bare,
                leads=leads,
                holds_image=any(child.type == "image" for child in inside),
                cut=cut_behind(reference.target, following) if bare else "",
                kind=f"{document.tokens[number - 1].type} {block.level}",
            )


def _end(children: list[Token], start: int) -> int:
    """Return where the link that opens at `start` closes; links do not nest."""
    ends = (n for n in range(start + 1, len(children)) if children[n].type in ("link_close", "link_open"))
    return next(ends, len(children))


def shortened(text: str, longest: int = 60) -> str:
    """Shorten the text to fit one line of a message."""
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
