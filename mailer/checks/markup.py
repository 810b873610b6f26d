"""Find what other programs would have replaced, and what is no Markdown though it was meant to be: subscribers see it.

It is looked for in the finished words, outside code, so that nothing that works can be found. What `dialects` calls
certain blocks a send; what may be meant is a warning.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from markdown_it.token import Token

from mailer.checks.dialects import ADMONITIONS, CONTENTS, IN_ADDRESSES, IN_FRONT, IN_WORDS
from mailer.checks.html_code import with_code
from mailer.checks.kinds import Markup
from mailer.checks.proofs import CODE_SPAN, Proof, shortened
from mailer.checks.words import LEAVES, OWN_LINK
from mailer.content.findings import Finding
from mailer.content.markdown.liquid import TAG

MOST = 50  # pieces of one block that are reported; a text made to be slow has thousands
# Notes of MyST and mdBook, which are written as code.
NOTES = frozenset(("admonish", *(f"{{{name}}}" for name in ADMONITIONS.split("|"))))
# Blocks that are drawn from their source elsewhere.
DIAGRAMS = frozenset(("mermaid", "plantuml", "puml", "dataview", "dataviewjs", "math", "chart", "tasks", "echarts"))
CODE = "\ufffc"  # stands for code in the words, so that what is around it does not touch


def look(proof: Proof) -> Iterator[Finding]:
    shown: set[str] = set()
    yield from _in_words(proof, shown)
    yield from _in_front(proof, shown)
    yield from _in_addresses(proof)
    yield from _in_titles(proof)
    yield from _cut_addresses(proof)
    yield from _diagrams(proof)


@dataclass(frozen=True)
class _Left:
    text: str
    markup: Markup
    start: int  # in the words


def _left(words: str, kinds: Sequence[Markup] = IN_WORDS) -> Iterator[_Left]:
    """Return all that is left in the words, each piece once: the first kind that finds a piece takes it."""
    taken = bytearray(len(words))
    for markup in kinds:
        for found in markup.find(words):
            start, end = found.span()
            if taken.find(1, start, end) < 0:
                taken[start:end] = b"\1" * (end - start)
                if markup.rule:
                    yield _Left(found[0], markup, start)


def _in_words(proof: Proof, shown: set[str]) -> Iterator[Finding]:
    """Look at what is below the title, or is the title; note in `shown` what is reported."""
    lines = proof.document.source.split("\n")
    for before, token in pairwise([Token("", "", 0), *proof.document.tokens]):
        if token.type in ("inline", "html_block"):
            for left in islice(_left(_words(token)), MOST):
                # "## TOC" is the name of a list of the editor's own.
                is_name = left.markup is CONTENTS and before.type == "heading_open" and left.text.isalpha()
                place = None if is_name else _place(token, left, lines)
                if place:
                    shown.add(left.text)
                    fix = (
                        OWN_LINK if left.markup.rule == "markup-left" and LEAVES.search(left.text) else left.markup.fix
                    )
                    yield proof.finding(*place, left.markup.rule, _message(left), fix)


def _words(token: Token) -> str:
    """Return what a subscriber reads, line by line."""
    parts = []
    for child in with_code(token.children or []):
        if child.type in ("softbreak", "hardbreak"):
            parts.append("\n")
        elif child.type == "code_inline":
            parts.append(CODE)
        elif child.type == "image":
            parts.append("".join(one.content for one in child.children or [] if one.type != "html_inline"))
        elif child.type in ("text", "text_special"):
            parts.append(child.content)
    return "".join(parts)


def _place(token: Token, left: _Left, lines: list[str]) -> tuple[int, int] | None:
    """Return line and column, from 0; None for what is not written so: `\\[[x]]` and `&#123;x}` are meant."""
    first = left.text.split("\n")[0].strip()
    # The same in code does not count.
    source = CODE_SPAN.sub(lambda code: CODE * len(code[0]), token.content)
    written = re.search(rf"(?<!\\){re.escape(first)}", source)
    if not written:
        written = _opening(first, source)
    if not written and "{%" in token.content and first in TAG.sub("", token.content):
        # [words]({% post_url … %}), whose address is left out
        written = re.search(re.escape(first[: first.find("(") + 1]), token.content)
    if not written and left.start == 0 and "|" in first and source[:1] == first[:1]:
        # The first line of a table, with code or an escape in it.
        written = re.match(r"", source)
    if not written:
        return None
    at = written.start()
    line = (token.map[0] if token.map else 0) + token.content.count("\n", 0, at)
    return line, max(lines[line].find(first), 0) if line < len(lines) else 0


def _opening(text: str, source: str) -> re.Match[str] | None:
    """Return where the text begins if there is Markdown in it, so that the source does not say the same."""
    marks = re.match(rf"<\w+>|[^\w\s{CODE}]{{2,4}}", text)
    if not marks:
        return None
    found = list(islice(re.finditer(rf"(?<!\\){re.escape(marks[0])}", source), 2))
    # Behind `\%%` the comment's end is not the beginning of one.
    return found[0] if found and (len(found) == 2 or not text.endswith(marks[0])) else None


def _message(left: _Left, where: str = "") -> str:
    return f'subscribers would see {left.markup.called}"{shortened(left.text.replace(CODE, "`…`"))}"{where}'


def _in_front(proof: Proof, shown: set[str]) -> Iterator[Finding]:
    """Look at subject and preheader, except for what the words have, too: the title may be a heading."""
    for name, words in {"subject": proof.rendered.subject, "preheader": proof.issue.preheader}.items():
        for left in (*_left(words), *_left(words, IN_FRONT)):
            if left.markup.in_front or left.markup in IN_FRONT:
                message = _message(left, f" in the {name}")
                found = proof.finding_at_title(left.markup.rule, message, left.markup.fix)
                if left.text not in shown or found.line < proof.issue.body_line:
                    yield found


def _in_addresses(proof: Proof) -> Iterator[Finding]:
    places = [(link.target, link.line, link.column) for link in proof.links]
    places += [(image.target, image.line, image.column) for image in proof.pictures]
    for target, line, column in places:
        if found := next(IN_ADDRESSES.find(target), None):
            yield proof.finding(
                line,
                column,
                "markup-left",
                f'the address "{shortened(target)}" has "{found[0]}" in it, which nothing replaces',
                IN_ADDRESSES.fix,
            )


def _in_titles(proof: Proof) -> Iterator[Finding]:
    """Look at what is shown beside a link or an image while the mouse is over it."""
    for token in proof.document.tokens:
        for title in (str(child.attrs["title"]) for child in token.children or () if "title" in child.attrs):
            for left in islice(_left(title), MOST):
                if left.markup.rule != "markup-maybe":
                    what = _message(left, " in a title")
                    yield proof.finding_in(token, left.text, left.markup.rule, what, left.markup.fix)


def _cut_addresses(proof: Proof) -> Iterator[Finding]:
    for link in proof.links:
        if link.cut:
            yield proof.finding(
                link.line,
                link.column,
                "markup-maybe",
                f'the link "{shortened(link.target)}" ends before "{shortened(link.cut, 30)}"',
                "put a space behind the address, or < and > around all of it if these words belong to it",
            )


def _diagrams(proof: Proof) -> Iterator[Finding]:
    for token in proof.document.tokens:
        written = token.info.strip().split(" ")[0].lower() if token.type == "fence" else ""
        name = written.strip("{}")
        if name in DIAGRAMS or name.startswith("ad-") or written in NOTES:
            yield proof.finding(
                token.map[0] if token.map else 0,
                0,
                "markup-maybe",
                f'subscribers would see the source of this "{name}" block',
                "show an image of it, or name no language if its source is meant",
            )
