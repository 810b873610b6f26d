"""Check that every word of the file is in the email, or was named as left out.

The renderer compares the email with what it understood of the file. This looks at the file itself, before anything
understood it, so that what a parser drops without a word shows too.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from html import unescape

from markdown_it.token import Token

from mailer.checks.proofs import Proof, shortened
from mailer.content.findings import Finding
from mailer.content.markdown import Document
from mailer.content.markdown.attributes import ATTRIBUTES
from mailer.content.markdown.emoji_codes import with_emoji
from mailer.content.markdown.liquid import TAG
from mailer.content.patterns import lazy

# What Markdown reads and does not show: a link's address, the name of a note or a reference, the mark of a list.
_ADDRESS = re.compile(r"\]\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)")
_NAME = re.compile(
    r"\[\^[^\[\]\s]+\]:?|(?<=\])\[[^\[\]]{1,300}\]|^[ \t>]*\[[^\[\]\n]+\]:.*$|^[ \t>]*[*+-] \[[xX]\]"
    # `{width=300}`, `![The board|300]`, `> [!NOTE]`.
    rf"|{ATTRIBUTES.pattern}|\|[\dx ]+(?=\])|(?<=\[)![\w-]+(?:\|[^\]\n]*)?(?=\])",
    re.MULTILINE,
)
_TAG = re.compile(r"<!--(?:(?!<!--).){0,1000}?-->|</?[A-Za-z][^<>]*>")
_LIST_MARKS = re.compile(r"[ \t>]*(?:(?:[*+-]|\d{1,9}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?)*")
# What is shown in code and in prose like "a<b or c>d", "text[1][2]", and not shown where it is Markdown or HTML.
_MAYBE_SHOWN = lazy(rf"{_NAME.pattern}|{_ADDRESS.pattern}|{_TAG.pattern}")
_INSIDE = re.compile(
    r"<!--|</?(?:a|abbr|b|code|del|em|font|i|ins|kbd|mark|q|s|small|span|strong|sub|sup|u|var)[\s/>]", re.I
)
_ENTITY = re.compile(r"&#?\w+;")
_MARKS = re.compile(r"(?:[*_~`\\\[\]]|\^(?!\[))+")
# Each character of a script without spaces counts by itself: its lines are joined.
_WIDE = "\u2e80-\u2fdf\u3040-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_WIDE}]|[^\W_{_WIDE}]+")


def look(proof: Proof) -> Iterator[Finding]:
    raw = TAG.sub(_as_lines, with_emoji(proof.document.source))
    source = _NAME.sub(_as_lines, raw)
    # Brackets that are shown are text: in `[words][name]` they stand between two words.
    blocks = [re.sub(r"[\[\]]", " ", block) for block in _shown(proof.document.tokens)]
    # "&amp;nbsp;" is shown as "&nbsp;", which `_words` would take for a space.
    literal = [block.replace("&", "&amp;") for block in blocks if _ENTITY.search(block)]
    shown = _words("\n".join(blocks + literal))
    lost = _written(source) - Counter(shown) - Counter(_words("\n".join(_unseen(proof.document))))
    if lost:
        yield from _where(proof, source.split("\n"), raw.split("\n"), lost, "".join(shown))


def _as_lines(found: re.Match[str]) -> str:
    """Return nothing of what was found but its line breaks, so that lines can be counted."""
    return "\n" * found[0].count("\n")


def _where(proof: Proof, lines: list[str], raw: list[str], lost: Counter[str], run: str) -> Iterator[Finding]:
    """Return a finding for each line that lost words; `run` is all that the email shows, without spaces.

    `raw` is the lines with all that Markdown does not show.
    """
    losers = {number: found for number, line in enumerate(lines) if (found := _written(line)) & lost}
    # A line that stands in the email as it is lost nothing, though it shares words with one that did.
    alike, same = Counter(lines), Counter(raw)
    losers = {
        number: found
        for number, found in losers.items()
        if run.count(bare := _bare(lines[number])) < alike[lines[number]]
        and sum(reading != bare for reading in _readings(raw[number]).findall(run)) < same[raw[number]]
    }
    times = sum(losers.values(), Counter[str]())
    share = {
        number: sum(lost[word] / times[word] for word in found) / found.total() for number, found in losers.items()
    }
    for number in sorted(share, key=lambda one: (-share[one], one)):
        if here := losers[number] & lost:
            lost -= here
            text = " ".join(word for word in _WORD.findall(_plain(lines[number])) if word.casefold() in here)
            text = re.sub(rf"(?<=[{_WIDE}]) (?=[{_WIDE}])", "", text) or raw[number].strip()
            what = f'"{shortened(text)}" would not be in the email'
            yield proof.finding(number, 0, "text-lost", what, "simplify the Markdown or HTML around it, or remove it")


def _written(source: str) -> Counter[str]:
    """Count the words of Markdown, those of addresses and tags included."""
    beside = " ".join((*_ADDRESS.findall(source), *_TAG.findall(source)))
    return Counter(_words(_without_markup(source))) + Counter(_words(beside))


def _without_markup(source: str) -> str:
    """Remove what stands between the words of a paragraph, so that "**ab**c" and "<b>ab</b>c" are one word."""
    return _TAG.sub(lambda tag: "" if _INSIDE.match(tag[0]) else " ", _ADDRESS.sub("", source))


def _bare(line: str) -> str:
    return _letters(_without_markup(_LIST_MARKS.sub("", line, count=1)))


def _readings(line: str) -> re.Pattern[str]:
    """Return a pattern of the line's letters, in which those that may be markup can be missing."""
    line = _LIST_MARKS.sub("", line, count=1)
    found = list(_MAYBE_SHOWN.finditer(line))
    begins, ends = [0, *(one.end() for one in found)], [*(one.start() for one in found), len(line)]
    pattern, *certain = [_letters(line[begin:end]) for begin, end in zip(begins, ends, strict=True)]
    for one, following in zip(found, certain, strict=True):
        # Possessive, so that no line takes exponential time. What follows tells the b of <b> from that of bold.
        maybe = f"(?:{_letters(one[0])}(?={following[:30]}))?+" if pattern else ""
        pattern += maybe + following
    return re.compile(pattern)


def _letters(text: str) -> str:
    return "".join(_words(text))


def _words(text: str) -> list[str]:
    return _WORD.findall(_plain(text).casefold())


def _plain(text: str) -> str:
    """Return the text without the marks that may stand inside of a word."""
    return _MARKS.sub("", unescape(text))


def _shown(tokens: Iterable[Token]) -> Iterator[str]:
    """Return the text of each block: what stands in one is one run, however many links it holds."""
    for token in tokens:
        if token.type in ("fence", "code_block"):
            yield token.content
        if token.children:
            yield "".join(map(_text, token.children))


def _text(child: Token) -> str:
    if child.type in ("softbreak", "hardbreak"):
        return " "
    if child.type == "html_inline":
        return " " if child.meta.get("breaks") else ""
    return "".join(map(_text, child.children)) if child.type == "image" and child.children else child.content


def _unseen(document: Document) -> Iterator[str]:
    yield from document.unseen
    for token in document.tokens:
        for one in (token, *(token.children or ())):
            yield one.info
            yield from (f"{name} {value}" for name, value in one.attrs.items())
