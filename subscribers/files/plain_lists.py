"""Read lists without a heading: an address a line, alone or after a name, as Mailman prints them."""

from collections.abc import Iterator
from contextlib import suppress
from email.utils import parseaddr

from subscribers.addresses import AddressError, parse
from subscribers.files.csv_records import BadRecord, Record

HEADING = ["email", "name"]


def is_plain(first: Record | BadRecord) -> bool:
    """Tell whether the first line names a subscriber and no columns."""
    if isinstance(first, Record) and len(first.cells) == 1 and is_address(first.cells[0]):
        return True
    return _named(first) is not None


def records(lines: Iterator[Record | BadRecord]) -> Iterator[Record | BadRecord]:
    for line in lines:
        named = _named(line)
        yield Record(line.line, named) if named else line


def is_address(cell: str) -> bool:
    with suppress(AddressError):
        return bool(parse(cell))
    return False


def _named(line: Record | BadRecord) -> list[str] | None:
    """Return address and name of `Ada Lovelace <ada@example.org>`; the name may be quoted and hold a comma."""
    text = ",".join(line.cells)  # a comma in the name was not a separator
    if not text.rstrip().endswith(">") or text.count("@") != 1 or len(text) > 1000:
        return None
    name, address = parseaddr(text.strip())
    return [address, name] if is_address(address) else None
