"""Mistakes with one right answer, and what the text would be without them: `mailer check --fix`.

Only lines change that a fix is about. Code is never one of them, and neither is front matter.
"""

import re
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field

from markdown_it.token import Token

from mailer.content.markdown import parse, plain

# "##Heading" and "##中文"; one "#" alone may be a tag of a social network.
GLUED = re.compile(r"( {0,3}#{2,6})([^#\s\\].*)")
NUMBERED = re.compile(r" {0,3}(\d{1,3})[.)] +\S")
BEGINS_BLOCK = re.compile(r" {0,3}(#{1,6} |[-*+] |1[.)] |```|~~~)")
CODE_SPAN = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
BLOCKS = ("heading_open", "bullet_list_open", "ordered_list_open", "fence")


@dataclass
class Edits:
    """What to do with lines of the body, which count from 0."""

    changed: dict[int, str] = field(default_factory=dict)
    removed: set[int] = field(default_factory=set)
    blank_before: set[int] = field(default_factory=set)


def edits(lines: Sequence[str], title: str, secure: Set[str] = frozenset()) -> Edits:
    """Return the fixes for the lines of an issue's body; `secure`: http addresses whose sites answer over https."""
    tokens = parse("\n".join(lines)).tokens
    blocks = [token for token in tokens if token.level == 0 and token.map]
    found = Edits()
    for number, line in _glued_headings(blocks, lines):
        found.changed[number] = line
    found.removed.update(_repeated_titles(tokens, lines, title))
    found.blank_before.update(number for number in _joined_blocks(blocks, lines) if number not in found.removed)
    for number, line in _over_https(lines, _code_lines(tokens), secure):
        found.changed[number] = line
    return found


def apply(raw: Sequence[tuple[str, str]], found: Edits) -> str:
    """Return the text of lines, given with their line ends, after the edits."""
    made = []
    for number, (line, end) in enumerate(raw):
        if number in found.blank_before:
            made.append(raw[number - 1][1])
        if number not in found.removed:
            made.append(found.changed.get(number, line) + end)
    return "".join(made)


def _glued_headings(blocks: Sequence[Token], lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Return headings without the space that makes them some, where a paragraph begins with one."""
    for token in blocks:
        number = token.map[0] if token.map else 0
        if token.type == "paragraph_open" and (found := GLUED.fullmatch(lines[number])):
            yield number, f"{found[1]} {found[2]}"


def _repeated_titles(tokens: Sequence[Token], lines: Sequence[str], title: str) -> Iterator[int]:
    """Return the lines of a heading that repeats the title; the email already leaves out the first h1 that does."""
    left_out, first = False, True
    for position, token in enumerate(tokens):
        if token.level or token.nesting < 0 or token.type == "inline":
            continue
        is_title = token.type == "heading_open" and _same(plain(tokens[position + 1].children or []), title)
        if is_title and token.map and (left_out if token.tag == "h1" else first):
            yield from _with_blank(range(*token.map), lines)
        left_out = left_out or (is_title and token.tag == "h1")
        first = first and is_title


def _with_blank(rows: range, lines: Sequence[str]) -> Iterator[int]:
    """Return the rows of a block, and the blank line below it if there is one above it too."""
    yield from rows
    before, after = rows.start - 1, rows.stop
    if after < len(lines) and not lines[after].strip() and (before < 0 or not lines[before].strip()):
        yield after


def _same(one: str, other: str) -> bool:
    one, other = (re.sub(r"[\W_]+", "", text).casefold() for text in (one, other))
    return bool(one) and one == other


def _joined_blocks(blocks: Sequence[Token], lines: Sequence[str]) -> Iterator[int]:
    """Return where a blank line is missing: many programs see a block only below one, and mailer not always."""
    for token in blocks:
        begin, end = token.map or (0, 0)
        if token.type in BLOCKS and begin and lines[begin - 1].strip() and _ends_paragraph(blocks, begin):
            yield begin
        elif token.type == "paragraph_open":
            yield from _later_list(begin, end, lines)
        elif token.type == "html_block" and not re.match(r"\s*<(!|\?|pre|script|style|textarea)", lines[begin]):
            rest = range(begin + 1, end)
            yield from (n for n in rest if BEGINS_BLOCK.match(lines[n]) and lines[n - 1].rstrip().endswith(">"))


def _ends_paragraph(blocks: Sequence[Token], line: int) -> bool:
    return any(block.type == "paragraph_open" and block.map and block.map[1] == line for block in blocks)


def _later_list(begin: int, end: int, lines: Sequence[str]) -> Iterator[int]:
    """Return where a list goes on with 2, 3 below a paragraph: unless it begins with 1, it is text to Markdown."""
    for number in range(begin + 1, end - 1):
        one, other = NUMBERED.match(lines[number]), NUMBERED.match(lines[number + 1])
        if one and other and int(other[1]) == int(one[1]) + 1:
            yield number
            return


def _code_lines(tokens: Sequence[Token]) -> set[int]:
    return {row for token in tokens if token.type in ("fence", "code_block") for row in range(*(token.map or (0, 0)))}


def _over_https(lines: Sequence[str], code: Set[int], secure: Set[str]) -> Iterator[tuple[int, str]]:
    if not secure:
        return
    longest_first = "|".join(re.escape(address) for address in sorted(secure, key=len, reverse=True))
    address = re.compile(rf"(?<![\w=/:])({longest_first})(?![.,;:!]?[\w/#?&=%~+@-])")
    for number, line in enumerate(lines):
        if number not in code and "http:" in line.lower() and (made := _outside_code(address, line)) != line:
            yield number, made


def _outside_code(address: re.Pattern[str], line: str) -> str:
    made, at = "", 0
    for span in CODE_SPAN.finditer(line):
        made += address.sub(_secured, line[at : span.start()]) + span[0]
        at = span.end()
    return made + address.sub(_secured, line[at:])


def _secured(found: re.Match[str]) -> str:
    return over_https(found[0])


def over_https(address: str) -> str:
    return f"https{address[4:]}"


def unencrypted(targets: Iterable[str]) -> dict[str, str]:
    """Return the addresses without encryption and what they would be with it; a port is a site's own decision."""
    found = (target for target in targets if re.match(r"http://[^/?#:@]+([/?#]|$)", target, re.IGNORECASE))
    return {target: over_https(target) for target in found}
