"""Look into the columns that nothing reads, and ask about one that may say who must not be mailed."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from subscribers.files.columns import Columns, printable
from subscribers.files.fields import HARMLESS, is_of_others, sounds_of_consent, sounds_of_leaving
from subscribers.files.words import NOTHING, UnknownWord, folded, is_leaving, is_no, is_yes, state_of

MOST_VALUES = 200  # different ones in a column; more are names, notes or numbers
BATCH = 2000  # rows counted at once, which takes a fifth of the time of counting each
_TAGS, _BETWEEN_TAGS = re.compile(r"\b(tag|label|group|segment|etikett|etiquet|标签)"), re.compile(r"[,;|]")
_EMPTY = NOTHING | {"", "[]", "{}"}


@dataclass
class _Column:
    heading: str
    place: int
    leaving: bool  # its heading sounds so
    consent: bool
    tags: bool  # each value may hold several words
    values: Counter[str] = field(default_factory=Counter)

    def thin_out(self) -> bool:
        """Keep only what matters, where there are too many values; return False if nothing can."""
        if len(self.values) <= MOST_VALUES:
            return True
        matters = {value: count for value, count in self.values.items() if self._matters(_plain(value))}
        if self.leaving:
            matters = dict(list(matters.items())[:MOST_VALUES])
        self.values = Counter(matters)
        return self.consent or self.tags

    def telling(self) -> Counter[str]:
        """Return the values that may say who must not be mailed."""
        plain = Counter[str]()
        for value, count in self.values.items():
            if (word := _plain(value)) and word.lower() not in _EMPTY:
                plain[word] += count
        numbers = {word for word in plain if word.isdigit()}
        # Other numbers count something, and a 1 in every row is a yes of everybody, or nothing.
        if not self.leaving and (numbers - {"0", "1"} or numbers == {"1"}):
            plain = Counter({word: count for word, count in plain.items() if word not in numbers})
        return plain if any(map(self._matters, plain)) else Counter()

    def _matters(self, word: str) -> bool:
        low = word.lower()
        if low in _EMPTY:
            return False
        if self.leaving:
            return not is_no(low)
        if self.tags and any(_says_gone(part.strip(" \"'[]")) for part in _BETWEEN_TAGS.split(low)):
            return True
        return _says_gone(low) or (self.consent and (is_yes(low) or is_no(low)))


class Unread:
    """The columns that nothing reads, with counts of their values, as long as these are few."""

    def __init__(self, columns: Columns) -> None:
        watched = [place for place in columns.unread if place not in columns.ignored]
        self._columns = [
            _Column(name, place, sounds_of_leaving(name), sounds_of_consent(name), bool(_TAGS.search(folded(name))))
            for place in watched
            if folded(name := columns.heading[place]) not in HARMLESS and not is_of_others(name)
        ]
        self._rows: list[Sequence[str]] = []

    def look(self, cells: Sequence[str]) -> None:
        self._rows.append(cells)
        if len(self._rows) >= BATCH:
            self._count()

    def telling(self) -> dict[str, Counter[str]]:
        """Return heading → values with counts, of the columns that may say who must not be mailed."""
        self._count()
        found = [(column.heading, column.telling()) for column in self._columns]
        return {printable(heading): values for heading, values in found if values}

    def _count(self) -> None:
        for column in self._columns:
            place = column.place
            column.values.update([row[place] for row in self._rows if len(row) > place])
        self._columns = [column for column in self._columns if column.thin_out()]
        self._rows = []


def _plain(value: str) -> str:
    return " ".join(value.split())[:80]


def _says_gone(word: str) -> bool:
    """Tell whether it is a word for leaving, or for not having confirmed; a number may be anything."""
    if word[:1].isdigit():
        return False
    try:
        verdict = state_of(word)
    except UnknownWord:
        return False
    return verdict is not None and (is_leaving(verdict) or verdict[0] != "active")
