"""One row of a file, whoever wrote it, as what it makes of a reader. Where cells disagree, what mails least counts."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from subscribers.addresses import LONGEST_NAME, clean_name, is_language_code, parse
from subscribers.files.claims import Dates, claims, moment
from subscribers.files.csv_records import formula_restored
from subscribers.files.headings import Columns
from subscribers.files.words import AWAY, COMPLAINED, HERE, LEFT, NO, NOTHING, STATES, YES, Verdict, is_leaving, least
from subscribers.models import Suppression
from subscribers.records import Newcomer

_A_DAY = re.compile(r"\d{2}")  # in whatever order: enough to know that there is one


class BadRow(ValueError):
    """The row makes no reader; the message is the reason."""


class UnknownState(BadRow):
    """The word for the state is none of `STATES`."""


@dataclass
class Reading:
    """How the rows of a file are read, and what was odd in them."""

    columns: Columns
    newsletter: str
    default_state: str | None
    dates: Dates
    long_names: int = 0
    first_long_name: int = 0  # its line


def newcomer(cells: Sequence[str], reading: Reading) -> Newcomer:
    """The reader of a row. Raises BadRow, AddressError."""
    columns, dates = reading.columns, reading.dates
    if len(cells) != len(columns.heading) and is_shifted(cells, columns):
        raise BadRow(f"the row has {len(cells)} columns, the heading {len(columns.heading)}")
    values = values_of(cells, columns)
    if (other := values.get("newsletter")) and other != reading.newsletter:
        raise BadRow(f"the row is for the newsletter {other[:64]!r}; this import is for {reading.newsletter!r}")
    address = parse(values.get("email", ""))
    state, suppressed = _state(values, reading)
    if "state 2" in values:
        values["state"] = " / ".join(values[field] for kind, field in columns.voices if kind == "state")
    return Newcomer(address, state, _name(values, reading), _language(values), suppressed, claims(values, state, dates))


def is_shifted(cells: Sequence[str], columns: Columns) -> bool:
    """Whether nobody knows which cell is which: there are more than the heading has names for, or too few of them and
    a word of leaving where none belongs."""
    count = len(columns.heading)
    if len(cells) >= count:
        return any(cell.strip() for cell in cells[count:])
    voices = {place for field, place in zip(columns.fields, columns.places, strict=True) if field in columns.speaking}
    return any(
        place not in voices and (verdict := word_in_any_cell(cell)) and is_leaving(verdict)
        for place, cell in enumerate(cells)
    )


def word_in_any_cell(cell: str) -> Verdict | None:
    """What a cell says that may be the state; a number may be anything."""
    word = formula_restored(cell.strip()).lower()
    return None if word.isdigit() else STATES.get(word)


def values_of(cells: Sequence[str], columns: Columns) -> dict[str, str]:
    """The cells by field. Short rows lack the last fields."""
    if len(cells) < len(columns.heading):
        cells = [*cells, *[""] * (len(columns.heading) - len(cells))]
    values = dict(zip(columns.fields, [cells[place].strip() for place in columns.places], strict=True))
    if "'" in ",".join(values.values()):
        return {field: formula_restored(text).strip() for field, text in values.items()}
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
    if columns.only_a_word and (word := _by_word(values["state"])):
        return word
    said = [(kind, text) for kind, field in columns.voices if (text := values[field])]
    here = [_by_word(columns.whole), *(_here(kind, text) for kind, text in said)]
    away = [_away(kind, text, values, reading.dates) for kind, text in said]
    known = [verdict for verdict in (*here, *away) if verdict]
    if not any(here):
        known += _by_default(reading.default_state, values, gone=bool(known))
    return known[0] if len(known) == 1 else least(known)


def _by_default(default_state: str | None, values: dict[str, str], gone: bool) -> list[Verdict]:
    """The state of a row of which no cell says that its reader is here."""
    if not gone and values.get("subscribed") == "":
        # A tick that nobody made: that others are ticked is why the column is there.
        raise BadRow("whether they are subscribed is left empty; write yes or no")
    if default_state is None and not gone:
        raise BadRow("the row does not say the reader's state; add it, or import with --state")
    return [(default_state, "")] if default_state else []


def heard(values: dict[str, str], reading: Reading) -> tuple[list[Verdict], bool]:
    """What each column says that can be understood, and whether there is one that cannot."""
    found: list[Verdict | None] = []
    understood = True
    for kind, field in reading.columns.voices:
        if text := values[field]:
            try:
                found += [_here(kind, text), _away(kind, text, values, reading.dates)]
            except BadRow:
                understood = False
    known = [verdict for verdict in (_by_word(reading.columns.whole), *found) if verdict]
    if not known and values.get("subscribed") == "":
        understood = False  # a tick that nobody made
    return known + ([(reading.default_state, "")] if reading.default_state else []), understood


def _here(kind: str, said: str) -> Verdict | None:
    """What a column says that can say of readers that they are here."""
    if kind == "state":
        return _by_word(said)
    if kind not in ("subscribed", "disabled"):
        return None
    word = said.lower()
    if word in STATES:
        return STATES[word]
    yes = word in YES or moment(said) is not None  # the day on which they did it
    if not yes and word not in NO:
        raise BadRow(f"whether they get mail is {said[:40]!r}; write yes or no")
    return HERE if yes == (kind == "subscribed") else LEFT


def _by_word(said: str) -> Verdict | None:
    word = said.lower()
    if not word or word in NOTHING:
        return None
    if word not in STATES:
        raise UnknownState(f"state is {said[:40]!r}, which is no state that we know")
    return STATES[word]


def _away(kind: str, said: str, values: dict[str, str], dates: Dates) -> Verdict | None:
    """What a column says that can only say of readers that they are gone."""
    if said.lower() in NOTHING:
        return None
    if kind in AWAY:
        return _by_switch(kind, said)
    if kind == "unsubscribed_at":
        return _by_date(said, values, dates)
    if kind == "suppressed":
        if said.lower() not in Suppression.Reason.values:
            raise BadRow(f"suppressed is {said[:40]!r}; known are {', '.join(Suppression.Reason.values)}")
        return ("active", said.lower())
    if kind == "left_because" and ("abuse" in said.lower() or "spam" in said.lower()):
        return COMPLAINED
    return None


def _by_switch(kind: str, said: str) -> Verdict | None:
    word = said.lower()
    if word in NO:
        return None
    if word in STATES:
        return STATES[word] if STATES[word] in AWAY.values() else None
    if word not in YES and not _A_DAY.search(word):
        raise BadRow(f"whether they are {kind} is {said[:40]!r}; write yes or no")
    return AWAY[kind]


def _by_date(said: str, values: dict[str, str], dates: Dates) -> Verdict | None:
    """Who left later than they came has left, whatever their state says; and so has who left we cannot read when."""
    left = moment(said)
    came = [at for name in ("requested_at", "confirmed_at") if (at := dates.past(values.get(name, "")))]
    return None if left and any(at >= left for at in came) else LEFT
