"""Turn one row of a file into a newcomer. If cells disagree, the one that mails least counts."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from subscribers.addresses import INVISIBLE, LONGEST_NAME, clean_name, is_language_code, parse
from subscribers.files.columns import Columns
from subscribers.files.csv_records import formula_restored
from subscribers.files.stated_consent import Dates, claims
from subscribers.files.voices import BadRow, Mapped, UnknownState, away, by_word, here
from subscribers.files.words import UnknownWord, Verdict, is_leaving, least, state_of
from subscribers.records import Newcomer

MOST_WORDS = 1000


@dataclass
class Reading:
    """How the rows of a file are read, and what was odd in them."""

    columns: Columns
    newsletter: str
    default_state: str | None
    dates: Dates
    mapped: Mapped = field(default_factory=dict)
    usual: int = 0  # cells in most of the first rows, if all of them lack the last cell or end with a separator
    heard: dict[str, Verdict] = field(default_factory=dict)  # words for a state, as they are written
    long_names: int = 0
    first_long_name: int = 0  # its line
    unknown: Counter[str] = field(default_factory=Counter)  # unknown words for a state

    def count_unknown(self, words: Iterable[str]) -> None:
        for word in words:
            shown = "an address" if "@" in word else word.strip()[:40]
            if shown:  # a file may have a million
                self.unknown[shown if shown in self.unknown or len(self.unknown) < MOST_WORDS else "others"] += 1


def newcomer(cells: Sequence[str], reading: Reading) -> Newcomer:
    """Return the newcomer that the row describes. Raises BadRow, AddressError."""
    columns, dates = reading.columns, reading.dates
    if len(cells) != len(columns.heading) and is_shifted(cells, reading):
        raise BadRow(f"the row has {len(cells)} columns, but the heading {len(columns.heading)}")
    values = values_of(cells, columns)
    if (other := values.get("newsletter")) and other != reading.newsletter:
        raise BadRow(f"the row is for the newsletter {other[:64]!r}; this import is for {reading.newsletter!r}")
    address = parse(values.get("email", ""))
    state, suppressed = _state(values, reading)
    if "state 2" in values:
        values["state"] = " / ".join(values[field] for kind, field in columns.voices if kind == "state")
    return Newcomer(address, state, _name(values, reading), _language(values), suppressed, claims(values, state, dates))


def is_shifted(cells: Sequence[str], reading: Reading) -> bool:
    """Tell whether the row's cells cannot be matched to columns.

    There are more than the heading has names for. Or they are not as many as in other rows, so that a yes, a day or a
    word for leaving may stand in the place of another.
    """
    columns = reading.columns
    if any(cell.strip() for cell in cells[len(columns.heading) :]):
        return True
    places = [place for field, place in zip(columns.fields, columns.places, strict=True) if field in columns.speaking]
    if any(is_word_of_leaving(cell) for place, cell in enumerate(cells) if place not in places):
        return True
    if not is_odd(cells, reading) or not any(cell.strip() for cell in cells):
        return False
    return bool(places) and (not columns.only_a_word or places[0] >= len(cells))


def is_odd(cells: Sequence[str], reading: Reading) -> bool:
    """Tell whether the row has more or fewer cells than the heading, and than most of the first rows."""
    return len(cells) not in (len(reading.columns.heading), reading.usual)


def is_word_of_leaving(cell: str) -> bool:
    verdict = word_in_any_cell(cell)
    return verdict is not None and is_leaving(verdict)


def word_in_any_cell(cell: str) -> Verdict | None:
    """Return what a cell says that may be the state; a number may be anything."""
    word = formula_restored(cell.strip()).lower()
    if word[:1].isdigit():
        return None
    try:
        return state_of(word)
    except UnknownWord:
        return None


def values_of(cells: Sequence[str], columns: Columns) -> dict[str, str]:
    """Return the cells by field. Short rows lack the last fields."""
    if len(cells) < len(columns.heading):
        cells = [*cells, *[""] * (len(columns.heading) - len(cells))]
    values = dict(zip(columns.fields, [cells[place].strip() for place in columns.places], strict=True))
    all_of_it = ",".join(values.values())
    if "'" in all_of_it:
        values = {field: formula_restored(text).strip() for field, text in values.items()}
    if not all_of_it.isascii():
        values = {field: text.strip(INVISIBLE) for field, text in values.items()}
    return values


def _name(values: dict[str, str], reading: Reading) -> str:
    name = values.get("name") or f"{values.get('first_name', '')} {values.get('last_name', '')}"
    if len(name) > LONGEST_NAME:
        name = _cut(name, reading)
    return clean_name(name)


def _cut(name: str, reading: Reading) -> str:
    name = " ".join(unicodedata.normalize("NFC", name).split())
    if len(name) > LONGEST_NAME:
        reading.long_names += 1
        reading.first_long_name = reading.first_long_name or reading.dates.line
    return name[:LONGEST_NAME]


def _language(values: dict[str, str]) -> str:
    language = values.get("language", "")
    if language and not is_language_code(language):
        raise BadRow(f"language is {language[:40]!r}; write a code such as en or zh-hans, or nothing")
    return language


def _state(values: dict[str, str], reading: Reading) -> Verdict:
    columns = reading.columns
    if columns.only_a_word:
        said = values["state"]
        if verdict := reading.heard.get(said) or by_word(said, reading.mapped):
            reading.heard[said] = verdict  # a file of a million rows has five such words
            return verdict
    if values.get("permission") == "":
        raise BadRow("the permission for email is empty; write yes or no")
    voices = [(kind, text) for kind, field in columns.voices if (text := values[field])]
    present = [by_word(columns.whole, {}), *(here(kind, text, reading.mapped) for kind, text in voices)]
    gone = [away(kind, text, values, reading.dates, reading.mapped) for kind, text in voices]
    known = [verdict for verdict in (*present, *gone) if verdict]
    if not any(present):
        known += _by_default(reading.default_state, values, gone=bool(known))
    return known[0] if len(known) == 1 else least(known)


def _by_default(default_state: str | None, values: dict[str, str], gone: bool) -> list[Verdict]:
    """Return the state of a row in which no cell says that its subscriber is here."""
    if not gone and values.get("subscribed") == "":
        # A box that was not ticked: the column is there because others are.
        raise BadRow("the subscription is empty; write yes or no")
    if default_state is None and not gone:
        raise BadRow("the row has no state; add it, or import with --state")
    return [(default_state, "")] if default_state else []


def heard(values: dict[str, str], reading: Reading) -> tuple[list[Verdict], list[str]]:
    """Return what each column says that can be understood, and the words that cannot."""
    columns, mapped, unknown = reading.columns, reading.mapped, []
    found = [by_word(columns.whole, {})]
    for kind, name in columns.voices:
        if text := values[name]:
            try:
                found += [here(kind, text, mapped), away(kind, text, values, reading.dates, mapped)]
            except UnknownState as error:
                unknown.append(error.word)
    known = [verdict for verdict in found if verdict]
    if values.get("permission") == "" or (not known and values.get("subscribed") == ""):
        unknown.append("")  # a box that was not ticked
    return known + ([(reading.default_state, "")] if reading.default_state else []), unknown
