"""What issues are found by: the terms that a text is indexed under, and those that a visitor types.

Chinese and Japanese put no spaces between words, and many of their words have two characters. So a run of them is
indexed as its pairs, 嵌入 and 入式 for 嵌入式, and its last character alone: a longer word is pairs in a row, a single
character the beginning of a pair. Other words are terms as they are, and found by their beginning.

Case, width (ＡＢＣ) and the accents of Latin, Greek, Cyrillic, Hebrew and Arabic make no difference.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

LONGEST_TERM = 40  # characters; PostgreSQL takes 2,046 bytes
MOST_BYTES = 500_000  # of one issue's terms; PostgreSQL takes 1 MB with their positions
MOST_WANTED = 8  # words of a query
LONGEST_QUERY = 100  # characters
SHORTEST_BEGINNING = 3  # letters; "go" is not looked for in "good"
# PostgreSQL keeps positions up to 16,383, and 255 of a term. Behind them they begin anew: a phrase may then be found
# where none is, which is better than not finding one that is there.
POSITIONS, POSITIONS_OF_A_TERM = 16_000, 255

# Han, kana, and other scripts without spaces between words: Thai, Lao, Burmese, Khmer.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fd5\u3005-\u3007\u3041-\u3096\u3099\u309a\u309d-\u309f"
    "\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U000323af"
)
# Signs among them, such as radicals: SQLite's tokenizer divides a term there. Characters for private use it keeps.
_SIGNS = [
    char for char in map(chr, (*range(0xE00, 0x1800), *range(0x2E80, 0x2FD6))) if unicodedata.category(char)[0] in "PS"
]
_IN_FTS5 = str.maketrans({char: chr(0xE000 + number) for number, char in enumerate(_SIGNS)})
MARKS = "".join(char for char in map(chr, range(0x300, 0x1D00)) if unicodedata.category(char) in ("Mn", "Mc"))
RUN = re.compile(f"(?P<unspaced>[{UNSPACED}]+)|(?:[^\\W_{UNSPACED}][{MARKS}]*)+")
# Accents and the vowel signs that Hebrew and Arabic may leave out, but not those that make another letter elsewhere.
ACCENTS = re.compile("[\u0300-\u036f\u0591-\u05c7\u0640\u064b-\u065f\u0670]")


@dataclass(frozen=True)
class Wanted:
    """One word of a query: terms that must stand in a row, the last of them perhaps only as a beginning."""

    terms: tuple[str, ...]
    begins: bool


def folded(text: str) -> str:
    """Return the text without what makes no difference; not always as long as it was."""
    if text.isascii():
        return text.lower()
    even = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFC", ACCENTS.sub("", even))


def terms_of(text: str) -> Iterator[str]:
    """Yield the terms of a text, in order."""
    for found in RUN.finditer(folded(text)):
        run = found[0]
        if found.lastgroup is None:
            yield run[:LONGEST_TERM]
        else:
            yield from _pairs(run)
            yield run[-1]


def readable(query: str) -> str:
    """Return what a visitor typed as pages may show it: short, and without what HTML cannot hold."""
    return " ".join("".join(char for char in query if char.isprintable() or char.isspace())[:LONGEST_QUERY].split())


def wanted(query: str) -> tuple[Wanted, ...]:
    """Return what must all be found; nothing if the query has no word."""
    found = dict.fromkeys(_wanted(one) for one in RUN.finditer(folded(query[:LONGEST_QUERY])))
    return tuple(found)[:MOST_WANTED]


def _wanted(found: re.Match[str]) -> Wanted:
    run = found[0]
    if found["unspaced"] is None:
        return Wanted((run[:LONGEST_TERM],), begins=len(run) >= SHORTEST_BEGINNING or not run.isascii())
    return Wanted(tuple(_pairs(run)) or (run,), begins=len(run) == 1)


def _pairs(run: str) -> Iterator[str]:
    return (run[at : at + 2] for at in range(len(run) - 1))


def within_limits(terms: Iterable[str]) -> list[str]:
    """Return terms up to as many bytes as a database takes."""
    found = list(terms)
    if 4 * sum(map(len, found)) <= MOST_BYTES:  # a character has four at most
        return found
    sizes = accumulate(len(term.encode()) for term in found)
    return [term for term, size in zip(found, sizes, strict=True) if size <= MOST_BYTES]


# A term has letters, digits and marks alone, so none of these needs to escape anything.


def as_fts5(words: Iterable[Wanted]) -> str:
    """Return a query of SQLite's FTS5."""
    return " AND ".join(f'"{for_fts5(word.terms)}"{"*" if word.begins else ""}' for word in words)


def for_fts5(terms: Iterable[str]) -> str:
    """Return the terms as FTS5 divides them again, and at no other place."""
    return " ".join(terms).translate(_IN_FTS5)


def as_tsquery(words: Iterable[Wanted]) -> str:
    """Return a query of PostgreSQL."""
    phrases = (" <-> ".join(f"'{term}'{':*' if word.begins else ''}" for term in word.terms) for word in words)
    return " & ".join(f"({phrase})" for phrase in phrases)


def as_tsvector(terms: Iterable[str]) -> str:
    """Return the terms with their positions, as PostgreSQL reads them: its own parser would divide them otherwise."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for number, term in enumerate(terms):
        if len(places[term]) < POSITIONS_OF_A_TERM:
            places[term].append(str(number % POSITIONS + 1))
    return " ".join(f"'{term}':{','.join(at)}" for term, at in places.items())
