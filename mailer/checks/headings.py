"""Check that the headings show the issue's structure, which screen readers use for navigation."""

from collections.abc import Iterator

from markdown_it.token import Token

from mailer.checks.fixes import titles_of_sections
from mailer.checks.proofs import Proof, shortened
from mailer.content.findings import Finding
from mailer.content.markdown import plain, title_heading
from mailer.content.patterns import lazy


def look(proof: Proof) -> Iterator[Finding]:
    tokens = proof.document.tokens
    headings = [
        (int(token.tag[1]), token.map[0] if token.map else 0, plain(tokens[position + 1].children or []))
        for position, token in enumerate(tokens)
        if token.type == "heading_open"
    ]
    yield from _skipped(proof, headings)
    yield from _several_h1(proof, headings)
    yield from _section_as_title(proof, [(line, words) for level, line, words in headings if level == 1])
    yield from _links_in_title(proof)


def _skipped(proof: Proof, headings: list[tuple[int, int, str]]) -> Iterator[Finding]:
    before = 1  # the issue's title
    for level, line, words in headings:
        if level > before + 1:
            yield proof.finding(
                line,
                0,
                "heading-skipped",
                f'heading "{shortened(words, 40)}" has level {level}, directly below one of level {before}',
                f"write it with {'#' * (before + 1)}",
            )
        before = level


def _several_h1(proof: Proof, headings: list[tuple[int, int, str]]) -> Iterator[Finding]:
    ones = [(line, words) for level, line, words in headings if level == 1]
    if len(ones) > 1:
        line, words = ones[1]
        rows = proof.document.source.split("\n")
        by_itself = any(titles_of_sections(proof.document.tokens, rows, proof.issue.title, frozenset()))
        yield proof.finding(
            line,
            0,
            "heading-h1s",
            f'"{shortened(words, 40)}" is one of {len(ones)} headings of level 1; an email has one title',
            "write sections with ##" + (", or let `mailer check --fix` do it" if by_itself else ""),
        )


def _section_as_title(proof: Proof, ones: list[tuple[int, str]]) -> Iterator[Finding]:
    """Report a subject that is the heading of a section: all are written with one #, and none is the title."""
    if not proof.issue.titled_by_text or len(ones) < 3:
        return
    (line, words), (_, following), *_ = ones
    text_above = any(token.type == "paragraph_open" and token.map and token.map[0] < line for token in _top(proof))
    counted = _FIRST.match(words) and _SECOND.match(following)
    if text_above or counted:
        what = f'the subject is "{shortened(words, 40)}", the first of {len(ones)} headings with one #'
        fix = 'if that is a section, write "title: …" at the top, between two lines ---'
        yield proof.finding(line, 0, "title-section", what, fix)


def _top(proof: Proof) -> Iterator[Token]:
    return (token for token in proof.document.tokens if token.level == 0)


_FIRST = lazy(r"(?:1|一|I)(?:[.、．):：]|\s)")
_SECOND = lazy(r"(?:2|二|II)(?:[.、．):：]|\s)")


def _links_in_title(proof: Proof) -> Iterator[Finding]:
    """Report what a title of an email cannot hold: it is the subject, and set as plain text above the issue."""
    position = title_heading(proof.document.tokens, proof.issue.title)
    if position is None:
        return
    heading = proof.document.tokens[position + 1]
    lost = [
        f'"{shortened(str(token.attrs.get("href") or token.attrs.get("src") or token.meta.get("label") or ""))}"'
        for token in heading.children or []
        if token.type in ("link_open", "image", "footnote_ref")
    ]
    lost += ["the line through words" for token in heading.children or [] if token.type == "s_open"]
    if lost:
        what = f"the title is plain text in the email, so {' and '.join(lost)} in it would be lost"
        line = heading.map[0] if heading.map else 0
        yield proof.finding(line, 0, "title-link", what, "put links, images and notes into the text below the title")
