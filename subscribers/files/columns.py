"""Decide which column of a file says what."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from subscribers.files.csv_records import formula_restored
from subscribers.files.fields import NAMES, STATES, VOICES, sounds_of_consent
from subscribers.files.words import UnknownWord, folded, is_no, is_yes, state_of

# The columns that we add in front of rejected rows; nothing else reads them.
REJECTED_LINE, REJECTED_BECAUSE = "rejected line", "rejected because"


class HeadingError(ValueError):
    """The columns do not say what an import needs; the message is the reason, and what to do."""


@dataclass(frozen=True)
class Columns:
    heading: tuple[str, ...]
    fields: tuple[str, ...]  # `state`, and for a further column of that field `state 2`
    places: tuple[int, ...]  # where each field stands
    voices: tuple[tuple[str, str], ...] = ()  # (what it is, field) of each that says who gets mail
    whole: str = ""  # the state of every row, where headings and the file's name tell it
    only_a_word: bool = False  # one column tells the state, and nothing else does
    ignored: frozenset[int] = frozenset()  # places of columns that an operator declared meaningless

    @property
    def says_state(self) -> bool:
        return bool(self.whole) or any(kind in STATES for kind, _ in self.voices)

    @property
    def speaking(self) -> frozenset[str]:
        """Return the fields that say who gets mail."""
        return frozenset(field for _, field in self.voices)

    @property
    def read(self) -> tuple[tuple[str, str], ...]:
        """Return (heading, the field it was read as), in the file's order."""
        pairs = sorted(zip(self.places, self.fields, strict=True))
        return tuple((printable(self.heading[place]), field.partition(" ")[0]) for place, field in pairs)

    @property
    def not_read(self) -> tuple[str, ...]:
        return tuple(map(printable, self._not_read()))

    @property
    def doubtful(self) -> tuple[str, ...]:
        """Return unread columns whose headings sound as if they told who gets mail."""
        unread = [self.heading[place] for place in self.unread if place not in self.ignored]
        return tuple(printable(name) for name in unread if sounds_of_consent(name))

    @property
    def also_email(self) -> tuple[str, ...]:
        """Return unread columns that could hold the address too."""
        return tuple(printable(name) for name in self._not_read() if folded(name) in NAMES["email"])

    def says_numbers(self, examples: Sequence[Sequence[str]]) -> bool:
        """Tell whether the state's column holds numbers, which mean different things in different services."""
        places = dict(zip(self.fields, self.places, strict=True))
        columns = [_cells(examples, places[field]) for kind, field in self.voices if kind == "state"]
        return any(cells and all(map(str.isdigit, cells)) for cells in columns)

    def _not_read(self) -> Iterator[str]:
        yield from (self.heading[place] for place in self.unread)

    @property
    def unread(self) -> tuple[int, ...]:
        """Return the places of the columns that were not read."""
        read, ours = set(self.places), (REJECTED_LINE, REJECTED_BECAUSE)
        return tuple(
            place
            for place, name in enumerate(self.heading)
            if place not in read and name.strip() and folded(name) not in ours
        )


def recognise(
    heading: Sequence[str],
    chosen: Mapping[str, str],
    file_name: str,
    ignored: Sequence[str] = (),
    examples: Sequence[Sequence[str]] = (),
) -> Columns:
    """Find the column of each field that the heading names. Raises HeadingError.

    `chosen` (field → heading) and `ignored` (headings) go first, then what stands in the first rows, the `examples`.
    """
    everywhere: dict[str, list[int]] = {}
    for place, name in enumerate(map(folded, heading)):
        everywhere.setdefault(name, []).append(place)
    left_out = frozenset(_place("--ignore-column ", name, everywhere, heading) for name in ignored)
    taken = {field: _chosen(field, name, everywhere, heading) for field, name in chosen.items()}
    free = {
        name: [p for p in there if p not in left_out and p not in taken.values()] for name, there in everywhere.items()
    }
    found = {field: there for field in NAMES if (there := [p for name in NAMES[field] for p in free.get(name, ())])}
    places = {name: there for name, there in free.items() if there}
    # Buttondown's `type` tells who gets mail; Substack's, who pays.
    if "state" not in found and "type" in places and "creation date" in places:
        found["state"] = places["type"]
    if "delivery status" in places and "role" in places:
        found["role"] = places["role"]
    _correct(found, examples)
    found |= {field: [place] for field, place in taken.items()}
    if "email" not in found:
        raise HeadingError(
            "the first line must name the columns, and one must be email; there "
            f"{_listed(heading)}. --map email=COLUMN names it."
        )
    columns = dict(_numbered(found))
    voices = tuple((kind, field) for field in columns if (kind := field.partition(" ")[0]) in VOICES)
    whole = _whole("state" in found, places, file_name)
    only_a_word = not whole and voices == (("state", "state"),)
    return Columns(tuple(heading), tuple(columns), tuple(columns.values()), voices, whole, only_a_word, left_out)


def names_addresses(cells: Sequence[str], chosen: Mapping[str, str]) -> bool:
    """Tell whether one of these cells is the heading of the addresses."""
    wanted = {folded(chosen["email"])} if "email" in chosen else set(NAMES["email"])
    return any(folded(formula_restored(cell)) in wanted for cell in cells)


def _correct(found: dict[str, list[int]], examples: Sequence[Sequence[str]]) -> None:
    """Take back what the cells do not bear out: a guess by a heading yields to what stands below it.

    Mailchimp's permission `Email` (Yes, No) stands beside `Email Address`, and a `Newsletter` of yes and no is consent.
    """
    addresses = [place for place in found.get("email", ()) if any("@" in cell for cell in _cells(examples, place))]
    others = [place for place in found.get("email", ()) if place not in addresses]
    if addresses and others:
        found["email"] = addresses
        if permissions := [place for place in others if _is_consent(_cells(examples, place))]:
            found["permission"] = permissions
    if "newsletter" in found and _is_consent(_cells(examples, found["newsletter"][0])):
        found["subscribed"] = found.get("subscribed", []) + found.pop("newsletter")


def _cells(examples: Sequence[Sequence[str]], place: int) -> list[str]:
    return [cell for row in examples if place < len(row) and (cell := row[place].strip())]


def _is_consent(cells: Sequence[str]) -> bool:
    return bool(cells) and all(is_yes(cell.lower()) or is_no(cell.lower()) or _is_state(cell.lower()) for cell in cells)


def _is_state(word: str) -> bool:
    try:
        return state_of(word) is not None
    except UnknownWord:
        return False


def _numbered(found: Mapping[str, Sequence[int]]) -> Iterator[tuple[str, int]]:
    """Return each field with its place; of a field that says who gets mail, every column."""
    for field, places in found.items():
        yield field, places[0]
        if field in VOICES:
            yield from ((f"{field} {number}", place) for number, place in enumerate(places[1:], start=2))


def is_ours(name: str) -> bool:
    """Tell whether an earlier import added this column to say what is wrong with the row."""
    return folded(name) in (REJECTED_LINE, REJECTED_BECAUSE)


def _chosen(field: str, name: str, places: Mapping[str, Sequence[int]], heading: Iterable[str]) -> int:
    if field not in NAMES:
        raise HeadingError(f"--map {field}={name}: {field} is not a field; known fields are {', '.join(NAMES)}.")
    return _place(f"--map {field}=", name, places, heading)


def _place(option: str, name: str, places: Mapping[str, Sequence[int]], heading: Iterable[str]) -> int:
    if folded(name) not in places:
        raise HeadingError(f"{option}{name}: no such column; there {_listed(heading)}.")
    return places[folded(name)][0]


def _listed(heading: Iterable[str]) -> str:
    names = ", ".join(printable(name) for name in heading if name.strip() and "@" not in name)[:200]
    return f"are {names}" if names else "are no named columns"


def printable(name: str) -> str:
    """Return a heading or a cell as a terminal may show it."""
    return "".join(character if character.isprintable() else "?" for character in name.strip())[:60]


def _whole(has_state: bool, places: Mapping[str, object], file_name: str) -> str:
    """Return the one state of a whole file, by its columns or its name: Mailchimp's have no state column."""
    name = file_name.lower()
    if name.startswith(("nonsubscribed", "non-subscribed", "non_subscribed", "non subscribed")):
        raise HeadingError(
            "judging by its name, this is Mailchimp's list of people who never asked for email (nonsubscribed_…csv), "
            "so nothing was imported; leave this file out."
        )
    if name.startswith("unsubscribed"):
        return "unsubscribed"
    if name.startswith("suppression_") and not has_state:  # a provider's list of suppressions
        kinds = (("spam", "complained"), ("bounce", "bounced"), ("block", "bounced"), ("invalid", "bounced"))
        return next((state for kind, state in kinds if kind in name), "unsubscribed")
    if not has_state and {"reason", "created"} <= places.keys():
        return "bounced"  # a provider's lists of bounces, blocks and invalid addresses
    if has_state or "member rating" not in places or {"unsub time", "clean time"} <= places.keys():
        return ""
    if "unsub time" in places:
        return "unsubscribed"
    if "clean time" in places or name.startswith("cleaned"):
        return "cleaned"
    return "subscribed" if name.startswith("subscribed") else ""
