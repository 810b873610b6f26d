"""Read what a rejected row still says about its people: no other row may mail somebody it names as gone."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from enum import IntEnum
from typing import NamedTuple

from subscribers.addresses import Address, AddressError, parse
from subscribers.files.csv_records import LOST, BadRecord, Record, formula_restored
from subscribers.files.rows import Reading, heard, is_odd, is_shifted, values_of, word_in_any_cell
from subscribers.files.stated_consent import claims
from subscribers.files.voices import by_word
from subscribers.files.words import HERE, LEFT, Verdict, is_leaving, least

MOST_ADDRESSES = 20  # of one row
# What stands around an address in an export: `Ada <ada@example.org>`, `mailto:ada@example.org`.
_BETWEEN = re.compile(r"[\s<>\"(),;:|\\\[\]{}]+")


class Kind(IntEnum):
    """What a row does to the people it names, in the order in which rows of one address are merged."""

    GOOD = 0  # takes them in
    RESTRICTS = 1  # imports them, as unsubscribed or suppressed
    CAPS = 2  # imports nobody, but nobody gets more mail than it says
    BARS = 3  # it cannot be understood, so no other row may make them active


class Restriction(NamedTuple):
    address: Address
    kind: Kind
    state: str = "active"
    suppressed: str = ""
    claimed: str = ""


def restrictions(record: Record | BadRecord, reading: Reading) -> Iterator[Restriction]:
    """Return what the row changes for each address that can be read in it."""
    cells = record.pieces if isinstance(record, BadRecord) else record.cells
    addresses = _addresses(cells, reading)
    if not addresses:
        return
    if isinstance(record, BadRecord) or is_odd(cells, reading) or is_shifted(cells, reading):
        found = _of_broken(cells, reading)
    else:
        found = _of_columns(cells, reading)
    if found:
        kind, (state, reason), claimed = found
        yield from (Restriction(address, kind, state, reason, claimed) for address in addresses)


Found = tuple[Kind, Verdict, str] | None
_BARRED: Found = (Kind.BARS, HERE, "")


def _of_columns(cells: Sequence[str], reading: Reading) -> Found:
    """Read a row whose columns are where the heading says, so that each says what it knows."""
    values = values_of(cells, reading.columns)
    known, unknown = heard(values, reading)
    if (other := values.get("newsletter")) and other != reading.newsletter:
        # Leaving another newsletter is not leaving this one; a bounce or complaint there counts everywhere.
        if (said := word_in_any_cell(other)) and is_leaving(said):
            return Kind.RESTRICTS, said, claims(values, said[0], reading.dates)  # not a possible name of a newsletter
        return _capped([("active", reason) for _, reason in known if reason])
    reading.count_unknown(unknown)
    if not any(map(is_leaving, known)):
        return _BARRED if unknown else _capped(known)
    verdict = least([*known, LEFT] if unknown else known)
    return Kind.RESTRICTS, verdict, claims(values, verdict[0], reading.dates)


def _of_broken(cells: Sequence[str], reading: Reading) -> Found:
    """Read a row whose cells cannot be told apart: a word for leaving counts wherever it stands."""
    columns = reading.columns
    known = [verdict for cell in cells if (verdict := word_in_any_cell(cell))]
    known += [verdict for verdict in [by_word(columns.whole, {})] if verdict]
    known += [(reading.default_state, "")] if reading.default_state else []
    if any(map(is_leaving, known)):
        verdict = least(known)
        return Kind.RESTRICTS, verdict, claims({}, verdict[0], reading.dates)
    sure = bool(known) and (columns.only_a_word or not columns.voices)
    return _capped(known) if sure else _BARRED


def _capped(known: Sequence[Verdict]) -> Found:
    verdict = least(known) if known else HERE
    return None if verdict == HERE else (Kind.CAPS, verdict, "")


def _addresses(cells: Sequence[str], reading: Reading) -> list[Address]:
    """Return the addresses in the address's cell or, if there are none, in any cell."""
    place = reading.columns.places[reading.columns.fields.index("email")]
    there = _found(cells[place : place + 1])
    return there or _found(cells)


def _found(cells: Sequence[str]) -> list[Address]:
    found: dict[str, Address] = {}
    for cell in cells:
        if "@" not in cell:
            continue
        for text in _BETWEEN.split(formula_restored(cell)):
            # With a character lost it would be somebody else's address.
            if "@" in text and LOST not in text and len(found) < MOST_ADDRESSES:
                with suppress(AddressError):
                    address = parse(_bare(text))
                    found[address.key] = address
    return list(found.values())


def _bare(text: str) -> str:
    """Return the address without control and invisible characters, and without what ends a sentence."""
    return "".join(character for character in text if character.isprintable()).strip("'.`“”„‘’«»")
