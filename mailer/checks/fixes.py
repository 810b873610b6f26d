"""Mistakes with one right answer, and what the text would be without them: `mailer check --fix`.

Only lines change that a fix is about. Code is never one of them, and neither is front matter.
"""

import re
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field

from markdown_it.token import Token

from mailer.checks.slips import glued_items, is_rule, ruled_text, with_space
from mailer.content.markdown import parse, plain, same_title

# "##Heading" and "##中文"; one "#" alone may be a tag of a social network.
GLUED = re.compile(r"( {0,3}(?:#{2,6}(?=[^#\s\\])|#{1,6}(?=[\u00a0\u3000])))[\u00a0\u3000]*(\S.*)")
INDENTED = re.compile(r" {0,3}\t| {4}")
NUMBERED = re.compile(r" {0,3}(\d{1,3})[.)] +\S")
BEGINS_BLOCK = re.compile(r" {0,3}(#{1,6} |[-*+] |1[.)] |```|~~~)")
CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)")
# In an HTML block: text that is code, or a comment of several lines, which a blank line would end.
HTML_CODE = re.compile(r"<(pre|script|style|textarea)\b|<code\b(?!.*</code)|<!--(?!.*-->)", re.IGNORECASE)
MOST_ROUNDS = 20
BLOCKS = ("heading_open", "bullet_list_open", "ordered_list_open", "fence")


@dataclass
class Edits:
    """What to do with lines of the body, which count from 0."""

    changed: dict[int, str] = field(default_factory=dict)
    removed: set[int] = field(default_factory=set)
    blank_before: set[int] = field(default_factory=set)


def fixed(body: str, title: str, secure: Set[str] = frozenset()) -> str:
    """Return the body of an issue after the fixes; `secure`: http addresses whose sites answer over https.

    What one fix makes visible may need another. If code would change, which hardly ever happens, none is made. Raises
    MarkupError.
    """
    code = _code(body)
    for _ in range(MOST_ROUNDS):
        pieces = re.split(r"(\r\n|\r|\n)", body)
        raw = list(zip(pieces[::2], [*pieces[1::2], ""], strict=True))
        before, body = body, apply(raw, edits([line for line, _ in raw], title, secure))
        if body == before or _code(body) != code:
            return before
    return body


def _code(body: str) -> list[str]:
    tokens = parse(body).tokens
    blocks = [token.content for token in tokens if token.type in ("fence", "code_block")]
    return blocks + [one.content for token in tokens for one in token.children or [] if one.type == "code_inline"]


def edits(lines: Sequence[str], title: str, secure: Set[str] = frozenset()) -> Edits:
    """Return the fixes for the lines of an issue's body."""
    now, found = list(lines), Edits()
    _change(now, _glued_headings(_parsed(now), now))
    _change(now, _glued_items(_parsed(now), now))
    tokens = _parsed(now)
    found.removed.update(_repeated_titles(tokens, now, title))
    _change(now, titles_of_sections(tokens, now, title, found.removed))
    found.blank_before.update(_joined_blocks(tokens, now) - found.removed)
    found.blank_before.update(_rules_below_text(tokens, now) - found.removed)
    _change(now, _over_https(now, code_lines(tokens, now), secure))
    found.changed.update((number, line) for number, line in enumerate(now) if line != lines[number])
    return found


def _parsed(lines: Sequence[str]) -> list[Token]:
    return parse("\n".join(lines)).tokens


def _change(lines: list[str], changed: Iterable[tuple[int, str]]) -> None:
    for number, line in list(changed):
        lines[number] = line


def _rows(token: Token) -> tuple[int, int]:
    """Return the first line of a block, and the one behind its last."""
    begin, end = token.map or (0, 0)
    return begin, end


def apply(raw: Sequence[tuple[str, str]], found: Edits) -> str:
    """Return the text of lines, given with their line ends, after the edits."""
    made = []
    for number, (line, end) in enumerate(raw):
        if number in found.blank_before:
            made.append(raw[number - 1][1])
        if number not in found.removed:
            made.append(found.changed.get(number, line) + end)
    return "".join(made)


def _glued_headings(tokens: Sequence[Token], lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Return headings without the space that makes them some, where a paragraph begins with one.

    A line that is indented far goes on in a paragraph, but would be code below a heading; and code that begins in the
    line may end below it.
    """
    for token in tokens:
        number, end = _rows(token)
        if token.type != "paragraph_open" or token.level or (number + 1 < end and INDENTED.match(lines[number + 1])):
            continue
        if (found := GLUED.fullmatch(lines[number])) and "`" not in CODE_SPAN.sub("", lines[number]):
            yield number, f"{found[1]} {found[2]}"


def _glued_items(tokens: Sequence[Token], lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    for run in glued_items(tokens, lines):
        # A mark in full width may be a dash, and code that begins in the line may end below it.
        if not run.wide and not any("`" in CODE_SPAN.sub("", lines[number]) for number in run.lines):
            yield from ((number, with_space(lines[number])) for number in run.lines)


def _rules_below_text(tokens: Sequence[Token], lines: Sequence[str]) -> set[int]:
    """Return the lines that make a heading of the sentence above them, and were meant to stand across the page."""
    below = ((_rows(token)[1] - 1, words) for token, words in ruled_text(tokens) if not token.level)
    return {number for number, words in below if is_rule(lines[number], words)}


def titles_of_sections(
    tokens: Sequence[Token], lines: Sequence[str], title: str, removed: Set[int]
) -> Iterator[tuple[int, str]]:
    """Return the headings from the second title on, one level lower: an email has one title, and sections below it."""
    headings = [
        (token, plain(tokens[position + 1].children or []))
        for position, token in enumerate(tokens)
        if token.type == "heading_open" and not token.level and _rows(token)[0] not in removed
    ]
    titles = [number for number, (token, _) in enumerate(headings) if token.tag == "h1"]
    if len(titles) < 2:
        return
    first = titles[1] if same_title(headings[titles[0]][1], title) else titles[0]
    later = [token for token, _ in headings[first:]]
    # Underlined headings have two levels only, and numbered ones six.
    if any(token.markup in ("=", "-") or token.tag == "h6" for token in later):
        return
    for token in later:
        number = _rows(token)[0]
        yield number, lines[number].replace("#", "##", 1)


def _repeated_titles(tokens: Sequence[Token], lines: Sequence[str], title: str) -> Iterator[int]:
    """Return the lines of a heading that repeats the title; the email already leaves out the first h1 that does."""
    left_out, first = False, True
    for position, token in enumerate(tokens if title else ()):
        if token.level or token.nesting < 0 or token.type == "inline":
            continue
        words = tokens[position + 1].children or [] if token.type == "heading_open" else []
        is_title = same_title(plain(words), title) and not any(one.type == "code_inline" for one in words)
        if is_title and (left_out if token.tag == "h1" else first):
            yield from _with_blank(range(*_rows(token)), lines)
        left_out = left_out or (is_title and token.tag == "h1")
        first = first and is_title


def _with_blank(rows: range, lines: Sequence[str]) -> Iterator[int]:
    """Return the rows of a block, and the blank line below it if there is one above it too."""
    yield from rows
    before, after = rows.start - 1, rows.stop
    if after < len(lines) and not lines[after].strip() and (before < 0 or not lines[before].strip()):
        yield after


def _joined_blocks(tokens: Sequence[Token], lines: Sequence[str]) -> set[int]:
    """Return where a blank line is missing: many programs see a block only below one, and mailer not always."""
    blocks = [token for token in tokens if token.map and not token.level]
    ends = {_rows(token)[1] for token in blocks if token.type == "paragraph_open"}
    found: set[int] = set()
    for token in blocks:
        begin, end = _rows(token)
        if token.type in BLOCKS and begin in ends and lines[begin - 1].strip():
            found.add(begin)
        elif token.type == "paragraph_open":
            found.update(_later_list(begin, end, lines))
        elif token.type == "html_block" and not re.match(r"\s*<[!?]", lines[begin]) and not _is_code(token, lines):
            rest = range(begin + 1, end)
            found.update(n for n in rest if BEGINS_BLOCK.match(lines[n]) and lines[n - 1].rstrip().endswith(">"))
    return found


def _later_list(begin: int, end: int, lines: Sequence[str]) -> Iterator[int]:
    """Return where a list of 2, 3 follows a colon: unless it begins with 1, it is text to Markdown.

    Without a colon it may be a date where the editor's program broke a line: "10. May".
    """
    for number in range(begin + 1, end - 1):
        if not lines[number - 1].rstrip().endswith((":", "：")):
            continue
        one, other = NUMBERED.match(lines[number]), NUMBERED.match(lines[number + 1])
        if one and other and int(other[1]) == int(one[1]) + 1:
            yield number
            return


def _is_code(token: Token, lines: Sequence[str]) -> bool:
    """Tell whether a block is code, or HTML with code in it, wherever its `<pre>` stands."""
    if token.type == "html_block":
        return any(HTML_CODE.search(line) for line in lines[slice(*_rows(token))])
    return token.type in ("fence", "code_block")


def code_lines(tokens: Sequence[Token], lines: Sequence[str]) -> set[int]:
    return {row for token in tokens if _is_code(token, lines) for row in range(*_rows(token))}


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
