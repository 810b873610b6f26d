"""Search the issues of a newsletter: those that say all words of a query, with the place where they do.

Issues whose title has them all come first, then the newest: readers look for an issue that they remember.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import date
from itertools import islice

from django.db import connection
from django.db.models.expressions import RawSQL

from mailer.archive.excerpts import NUMBER
from mailer.archive.terms import RUN, Wanted, as_fts5, as_tsquery, folded, wanted
from mailer.models import IndexedIssue, RemovedPage

A_PAGE = 20  # results
MOST = 1_000  # results that can be looked through
AROUND = 90  # characters before and after what is found; half as many where the language has no spaces

_MATCHING = {
    "sqlite": ("SELECT rowid FROM mailer_issueterms WHERE mailer_issueterms MATCH %s", as_fts5),
    # As a subquery, so that the planner does not know how many issues have the words. For words that many have it
    # would read the whole table and unpack the terms of each issue: 12 ms of CPU for 1,000 issues; the index takes 2.
    "postgresql": ("SELECT id FROM mailer_indexedissue WHERE terms @@ (SELECT %s::tsquery)", as_tsquery),
}


@dataclass(frozen=True)
class Piece:
    """A piece of text; `hit` if it is what was looked for."""

    text: str
    hit: bool


@dataclass(frozen=True)
class Result:
    """An issue that was found."""

    slug: str
    dated: date
    language: str
    title: tuple[Piece, ...]
    excerpt: tuple[Piece, ...]


@dataclass(frozen=True)
class Found:
    """A page of results."""

    count: int
    number: int  # of this page, from 1
    results: tuple[Result, ...]

    @property
    def last(self) -> int:
        return max(1, -(-self.count // A_PAGE))


def search(newsletter: str, query: str, number: int = 1) -> Found | None:
    """Return the issues that say all words of the query, or None if it has no word."""
    words = wanted(query)
    if not words:
        return None
    statement, written = _MATCHING[connection.vendor]
    # Django knows neither FTS5 nor a column of terms. The statement is one of ours, the query its parameter.
    found = RawSQL(statement, [written(words)])  # noqa: S611
    # A worker that was indexing a page when it was removed may have written it back.
    removed = RemovedPage.objects.filter(newsletter=newsletter).values("slug")
    matching = IndexedIssue.objects.filter(newsletter=newsletter, pk__in=found).exclude(slug__in=removed)
    titles = list(matching.order_by("-dated", "-pk").values_list("pk", "title")[:MOST])
    named = {title: _says_all(title, words) for title in {title for _, title in titles}}
    titles.sort(key=lambda one: not named[one[1]])  # stable
    number = min(max(1, number), max(1, -(-len(titles) // A_PAGE)))
    chosen = [pk for pk, _ in titles[(number - 1) * A_PAGE : number * A_PAGE]]
    rows = IndexedIssue.objects.in_bulk(chosen) if chosen else {}
    likely = {pk: _likely_lines(rows[pk].text, words, str.lower) for pk in chosen if pk in rows}
    repeated = _repeated(likely.values())
    results = tuple(_result(rows[pk], words, lines, repeated) for pk, lines in likely.items())
    return Found(len(titles), number, results)


def _result(row: IndexedIssue, words: Sequence[Wanted], likely: Sequence[str], repeated: Set[str]) -> Result:
    own = [line for line in likely if _but_for_numbers(line) not in repeated]
    best = _best_line(own, words) or _best_line(likely, words)
    # Folding each line takes ten times as long, and is seldom needed.
    best = best or _best_line(_likely_lines(row.text, words, folded), words)
    shown = marked(_around_first(best, words) if best else row.excerpt, words)
    return Result(row.slug, row.dated, row.language, tuple(marked(row.title, words)), tuple(shown))


def _says_all(text: str, words: Sequence[Wanted]) -> bool:
    said = folded(text)
    if not all(_may_say(said, word) for word in words):
        return False
    pieces = [folded(run[0]) for run in RUN.finditer(text)]
    return all(any(_places(piece, word) for piece in pieces) for word in words)


def _likely_lines(text: str, words: Sequence[Wanted], likened: Callable[[str], str]) -> list[str]:
    """Return the lines of the text that seem to have any of the words."""
    return [line for line in text.split("\n") if _may_say_any(likened(line), words)]


def _may_say_any(line: str, words: Sequence[Wanted]) -> bool:
    return any(_may_say(line, word) for word in words)


def _repeated(issues: Iterable[Sequence[str]]) -> Set[str]:
    """Return the lines that occur in several results, such as a motto."""
    counted = Counter(line for lines in issues for line in set(map(_but_for_numbers, lines)))
    return {line for line, count in counted.items() if count > 1}


def _but_for_numbers(line: str) -> str:
    return NUMBER.sub("0", line)


def _best_line(lines: Sequence[str], words: Sequence[Wanted]) -> str:
    """Return the line that has the most of these words, the first of equals, or "" if none has any."""
    best, most = "", 0
    for line in lines:
        many = sum(_says_all(line, [word]) for word in words)
        best, most = (line, many) if many > most else (best, most)
        if most == len(words):
            break
    return best


def _may_say(line: str, word: Wanted) -> bool:
    return all(term in line for term in word.terms)


def _around_first(line: str, words: Sequence[Wanted]) -> str:
    begin, end = next(_hits(line, words), (0, 0))
    spaced = " " in line[max(0, begin - AROUND) : end + AROUND]
    reach = AROUND if spaced else AROUND // 2
    first, last = max(0, begin - reach // 2), min(len(line), end + reach * 3 // 2)
    if spaced and first and (space := line.find(" ", first, begin)) >= 0:
        first = space + 1
    if spaced and last < len(line) and (space := line.rfind(" ", end, last)) >= 0:
        last = space
    return f"{'…' if first else ''}{line[first:last]}{'…' if last < len(line) else ''}"


def marked(text: str, words: Sequence[Wanted]) -> Iterator[Piece]:
    """Yield the text in pieces, of which those are hits that the words find."""
    at = 0
    for begin, end in _hits(text, words):
        if begin > at:
            yield Piece(text[at:begin], False)
        yield Piece(text[begin:end], True)
        at = end
    if at < len(text):
        yield Piece(text[at:], False)


def _hits(text: str, words: Sequence[Wanted]) -> Iterator[tuple[int, int]]:
    """Yield where hits begin and end, in order and apart."""
    for run in RUN.finditer(text):
        places = sorted(place for word in words for place in _places(folded(run[0]), word))
        # Folding may make a run longer or shorter; then all of it is the hit.
        if places and (run["unspaced"] is None or len(folded(run[0])) != len(run[0])):
            yield run.span()
            continue
        end = 0
        for first, last in places:
            if last > end:
                yield run.start() + max(first, end), run.start() + last
                end = last


def _places(run: str, word: Wanted) -> list[tuple[int, int]]:
    """Return where a folded run says the word."""
    found = RUN.match(run)
    if found is None or found["unspaced"] is None:
        term = word.terms[0]
        says = run.startswith(term) if word.begins else run == term
        return [(0, len(run))] if says and len(word.terms) == 1 else []
    looked_for = word.terms[0] + "".join(term[-1] for term in word.terms[1:])
    return [found.span() for found in islice(re.finditer(re.escape(looked_for), run), 50)]
