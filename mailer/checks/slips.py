"""Find what is Markdown, but not as it was meant: lists without a space, text that a line below makes a heading of, the
only heading that is underlined, short lines that run together, and text that is code because it is indented. `fixes`
corrects what is certain.
"""

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise

from markdown_it.token import Token

from mailer.checks.proofs import Proof, shortened
from mailer.content.findings import Finding
from mailer.content.markdown import display_width, plain
from mailer.content.patterns import lazy

# What follows is a word or its opening mark: no number, "1.5 km", no name, "3.x", and no option, "-v".
_WORD = r"(?=[^\W\d_]|[\[“\"「『（(《【`]|\*\*\w)(?![A-Za-z]\b)"
_GLUED = lazy(
    rf"(?P<before>[ \t>]*)(?:(?P<number>\d{{1,3}})(?P<end>[.)])\u00a0?{_WORD}|(?P<bullet>[-+])\u00a0?{_WORD}"
    rf"|(?P<star>\*)\u00a0?{_WORD}(?=(?:[^*]|\*\*[^*]+\*\*)*\Z)|(?P<wide>[＊－＋])[ \u3000]?(?![＊－＋\s]))"
)
_MARKS = tuple("-+*＊－＋")
SHORT = 40  # columns
SHORTEST = 25  # columns: no program wraps here
NO_BREAK = "\u00a0"
WIDE = "wide"  # the kind of a mark in full width
_SENTENCES = lazy(r"[.!?][\"”’)]*\s+\S|[。！？][\"”’）]*[^\s\"”’）]")
_WORDS = lazy(r"[\w\"“„«‘'(—–-][^|]*")
_CODE = lazy(r"[{}<>=;$\\|#@_`~^*]|\(\)|//|->|^[ \t]{0,20}[-+.]|:[ \t]{0,20}$|\S[ \t]{3,20}\S", re.MULTILINE)
_PROSE = lazy(
    r"(?:[^\W\d_][\w'’,]{0,30}[,.:!?…]?\s{1,3}){4}"
    "|[\u3040-\u30ff\u3400-\u9fff].{0,20}[，。！？、\u3040-\u30ff\u3400-\u9fff]{5}"
)


def look(proof: Proof) -> Iterator[Finding]:
    lines = proof.document.source.split("\n")
    runs = list(glued_items(proof.document.tokens, lines))
    for run in runs:
        what = f'"{shortened(lines[run.lines[0]], 30)}" begins no list, so its lines would run into each other'
        space = "an ordinary space" if NO_BREAK in lines[run.lines[0]] else "a space"
        yield proof.finding(run.lines[0], 0, "markup-maybe", what, f"put {space} behind the {run.mark}{run.more}")
    for heading, words in ruled_text(proof.document.tokens):
        what = f'the line of "{heading.markup}" below "{shortened(words, 40)}" makes a heading of it'
        line = heading.map[0] if heading.map else 0
        yield proof.finding(line, 0, "markup-maybe", what, "put an empty line between them, or write ## for a heading")
    yield from _unlike_the_others(proof, lines)
    yield from _short_lines(proof, lines, {line for run in runs for line in run.lines})
    yield from _indented(proof)


# ---------------------------------------------------------------- lists


@dataclass(frozen=True)
class Run:
    """Lines that follow each other and were meant as items of one list."""

    lines: tuple[int, ...]
    mark: str
    wide: bool  # written with marks of a Chinese or Japanese keyboard

    @property
    def more(self) -> str:
        return ", and write -, in half width" if self.wide else ", or let `mailer check --fix` do it"


def glued_items(tokens: Sequence[Token], lines: Sequence[str]) -> Iterator[Run]:
    """Return the lines without the space behind their mark: one in a list, or two that follow each other."""
    item = _Mark("", 0, "")
    for token in tokens:
        if token.type == "list_item_open":
            item = _Mark(token.markup, int(token.info or 0), "")
        elif token.type == "list_item_close":
            item = _Mark("", 0, "")
        elif token.type == "paragraph_open" and token.map:
            yield from _in_paragraph(range(*token.map), lines, item)


@dataclass(frozen=True)
class _Mark:
    kind: str
    number: int
    text: str

    def follows(self, other: "_Mark") -> bool:
        return bool(self.kind) and self.kind == other.kind and (not self.number or self.number == other.number + 1)


def _in_paragraph(rows: range, lines: Sequence[str], item: _Mark) -> Iterator[Run]:
    run: list[tuple[int, _Mark]] = []
    before = item
    for row in rows:
        mark = _mark(lines[row])
        if run and not mark.follows(before):
            yield from _as_run(run, rows, item)
            run = []
        if mark.kind:
            run.append((row, mark))
        before = mark if mark.kind else item
    yield from _as_run(run, rows, item)


def _as_run(run: list[tuple[int, _Mark]], rows: range, item: _Mark) -> Iterator[Run]:
    if not run:
        return
    first, mark = run[0]
    goes_on = first > rows.start and mark.follows(item)
    # "10.May" where a line happens to break is a date: only a list that begins with 1 may begin inside of a paragraph.
    begins = len(run) > 1 and (first == rows.start or mark.number <= 1)
    if goes_on or begins:
        yield Run(tuple(row for row, _ in run), mark.text, mark.kind == WIDE)


def _mark(line: str) -> _Mark:
    begin = line.lstrip(" \t>")[:1]
    found = _GLUED.match(line) if begin.isdecimal() or begin in _MARKS else None
    if not found:
        return _Mark("", 0, "")
    kind = found["end"] or found["bullet"] or found["star"] or WIDE
    return _Mark(kind, int(found["number"] or 0), f"{found['number'] or ''}{found['wide'] or kind}")


def with_space(line: str) -> str:
    """Return a line of a list with the space that was missing."""
    found = _GLUED.match(line)
    return " ".join((line[: found.end()].rstrip(NO_BREAK), line[found.end() :])) if found else line


# ---------------------------------------------------------------- headings and code


def ruled_text(tokens: Sequence[Token]) -> Iterator[tuple[Token, str]]:
    """Return the headings that are text with a line below it, without the empty line that a rule needs."""
    for token, inside in pairwise(tokens):
        if token.type == "heading_open" and token.markup in ("-", "=") and token.map:
            words = plain(inside.children or [])
            if _reads_as_text(words) or token.map[1] - token.map[0] > 2:
                yield token, words


def _reads_as_text(words: str) -> bool:
    width = display_width(words)
    return (
        words.endswith((",", "，", ";", "；", "、"))
        or (words.endswith((".", "。")) and width >= 40)
        or (width > 40 and bool(_SENTENCES.search(words)))
        or width > 100
    )


def is_rule(line: str, words: str) -> bool:
    """Tell whether the line below the text was certainly meant as a line across the page."""
    return line.strip().startswith("---") and words.endswith((".", "。", ",", "，", ";", "；", "!", "！", "…"))


def _unlike_the_others(proof: Proof, lines: Sequence[str]) -> Iterator[Finding]:
    """Report text with a line `---` right below where all other sections are written with ##."""
    tokens = proof.document.tokens
    told = {id(token) for token, _ in ruled_text(tokens)}
    headings = [(token, inside) for token, inside in pairwise(tokens) if token.type == "heading_open" and token.map]
    if not any(token.markup == "##" for token, _ in headings):
        return
    ruled = [(token, inside) for token, inside in headings if token.markup == "-"]
    for token, inside in ruled if len(ruled) == 1 else ():
        words = plain(inside.children or [])
        begin, end = token.map or (0, 1)
        if id(token) not in told and lines[end - 1].strip() == "---" and display_width(words) > 15:
            what = f'the line of "-" below "{shortened(words, 40)}" makes a heading of it'
            fix = "put an empty line between them, or write ## as for the other headings"
            yield proof.finding(begin, 0, "markup-maybe", what, fix)


def _short_lines(proof: Proof, lines: Sequence[str], items: Set[int]) -> Iterator[Finding]:
    """Report verses and addresses: prose that an editor's program wrapped has longer lines, and `items` are a list."""
    for token, inside in pairwise(proof.document.tokens):
        if token.type != "paragraph_open" or not token.map or not items.isdisjoint(range(*token.map)):
            continue
        breaks = [child.type for child in inside.children or [] if child.type in ("softbreak", "hardbreak")]
        rows = [line.strip(" \t>") for line in lines[slice(*token.map)]]
        if breaks.count("softbreak") < 2 or "hardbreak" in breaks or not _were_meant_as_lines(rows):
            continue
        what = f'{len(rows)} short lines, from "{shortened(rows[0], 40)}" on, would be shown as one'
        yield proof.finding(token.map[0], 0, "markup-maybe", what, "end each with a backslash, or write them as one")


def _were_meant_as_lines(rows: Sequence[str]) -> bool:
    """Tell whether lines are short, and half end although the next word had room: a person ended them, no program."""
    widths = [display_width(row) for row in rows]
    if max(widths) > SHORT or not all(map(_WORDS.fullmatch, rows)):
        return False
    if max(widths) <= SHORTEST and all(map(_begins_anew, rows)):
        return True
    needed = [width + 1 + display_width(row.split()[0]) for width, row in zip(widths[:-1], rows[1:], strict=True)]
    return 2 * sum(width <= max(widths) for width in needed) >= len(needed)


def _begins_anew(row: str) -> bool:
    """Tell whether a line begins with a capital letter, or with a number as that of a house."""
    return row[0].isupper() or (row[0].isdigit() and row.split()[0].isalnum())


def _indented(proof: Proof) -> Iterator[Finding]:
    tokens = proof.document.tokens
    begins = 3 if tokens and tokens[0].tag == "h1" else 0  # a heading is three tokens
    for number, token in enumerate(tokens):
        if token.type == "code_block" and token.map and _is_prose(token.content, first=number == begins):
            what = f'"{shortened(token.content, 40)}" would be shown as code, because it is indented'
            yield proof.finding(
                token.map[0], 0, "markup-maybe", what, "remove the spaces before it, or write ``` around code"
            )


def _is_prose(text: str, *, first: bool) -> bool:
    ends = text.rstrip().endswith((".", "!", "?", "。", "！", "？", "…"))
    return not _CODE.search(text) and (_begins_a_sentence(text) or ((first or ends) and bool(_PROSE.search(text))))


def _begins_a_sentence(text: str) -> bool:
    """Tell whether the text begins with a capital and has words enough; a command begins with a small letter."""
    words = text.split()
    begin = words[0].lstrip("“\"„«‘'") if words else ""
    return len(words) >= 4 and begin[:1].isupper() and (begin[1:].islower() or begin in ("A", "I"))
