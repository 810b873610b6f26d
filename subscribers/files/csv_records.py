"""Read other people's CSV files, whatever their encoding and separator: a bad row spoils only itself.

And make cells of ours that no spreadsheet takes for formulas.
"""

import codecs
import csv
import os
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from typing import BinaryIO, NamedTuple, TextIO

from subscribers.files.archives import FileError as FileError
from subscribers.files.archives import Source
from subscribers.files.fields import NAMES
from subscribers.files.words import folded

LONGEST_LINE = 65_536  # characters
TAIL = 1000  # last characters kept of a longer line: its state may stand there
LONGEST_RECORD = 20  # lines; a longer quoted field is a quotation mark that nobody closed
BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
SEPARATORS = ",;\t|"
LOST = "\ufffd"  # stands for bytes that this encoding cannot decode


Watch = Callable[[int], None]


def nobody(done: int) -> None:
    """Ignore how far a file is read."""


class Record(NamedTuple):
    """A row; a tuple, because a file has a million."""

    line: int  # where it starts, from 1
    cells: list[str]


@dataclass(frozen=True)
class BadRecord:
    line: int
    reason: str
    cells: list[str]  # the raw row if no cells can be told apart
    pieces: tuple[str, ...] = ()  # all that can be read of it, in any order: it may name somebody who left


@dataclass(frozen=True)
class Encoding:
    name: str
    guess: str = ""  # why we think so, if the file itself does not tell


def find_encoding(path: Source) -> Encoding:
    """Return the encoding that the file is in, or most likely is in. Raises FileError."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
            for mark, encoding in BYTE_ORDER_MARKS:
                if head.startswith(mark):
                    return Encoding(encoding)
            if head.count(0) > len(head) // 4:
                raise FileError(f"{path} is not plain text (UTF-16 without a byte order mark?); save it as CSV UTF-8.")
            if _decodes(file, "utf-8"):
                return Encoding("utf-8")
            good, lost = _count_utf8(file)
            # In other encodings some characters happen to be UTF-8: in Chinese one in eight, in Latin-1 hardly any.
            # In a name or two they may be more than half.
            if good <= 2 * lost and _is_chinese(file):
                return Encoding("gb18030", "it is not UTF-8, but readable as Chinese in GB18030")
            if good * 4 >= lost:
                return Encoding("utf-8")  # with some broken bytes, which cost only their own rows
            return Encoding("cp1252", "it is not UTF-8, so Western European (Windows-1252, Latin-1) is assumed")
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}.") from error


def _pieces(file: BinaryIO, encoding: str, errors: str = "strict") -> Iterator[str]:
    """Decode the whole file, piece by piece. Raises UnicodeDecodeError."""
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    file.seek(0)
    while data := file.read(1 << 20):
        yield decoder.decode(data)
    yield decoder.decode(b"", final=True)


def _decodes(file: BinaryIO, encoding: str) -> bool:
    try:
        for _ in _pieces(file, encoding):
            pass
    except UnicodeDecodeError:
        return False
    return True


def _count_utf8(file: BinaryIO) -> tuple[int, int]:
    """Count the characters beyond ASCII that are UTF-8, and the broken ones."""
    good = lost = 0
    for text in _pieces(file, "utf-8", "replace"):
        broken = text.count(LOST)
        lost += broken
        good += sum(not character.isascii() for character in text) - broken
    return good, lost


def _is_chinese(file: BinaryIO) -> bool:
    """Tell whether the file reads as GB18030 with hardly any but the characters that Chinese is written in.

    GB18030 reads nearly any bytes, also "Andréa" in Latin-1, but then as rare characters outside of GB 2312.
    """
    beyond_ascii = chinese = 0
    try:
        for text in _pieces(file, "gb18030"):
            wide = [character for character in text if not character.isascii()]
            beyond_ascii += len(wide)
            chinese += sum(map(_in_gb2312, wide))
    except UnicodeDecodeError:
        return False
    return chinese >= 0.9 * beyond_ascii


def _in_gb2312(character: str) -> bool:
    try:
        character.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def read_records(path: Source, encoding: Encoding, watch: Watch = nobody) -> Iterator[Record | BadRecord]:
    """Return the heading and each row, in order. Memory does not grow with the file. Raises FileError.

    `watch` is told now and then how many bytes were read.
    """
    with path.open("rb") as raw, TextIOWrapper(raw, encoding.name, errors="replace", newline="") as file:
        lines = _Lines(file)
        separator = _find_separator(lines)
        while (line := lines.take()) is not None:
            if lines.number % 1000 == 0:
                watch(raw.tell())
            if _is_plain(line):
                # What the csv module would return, in half the time.
                if row := line.rstrip("\r\n"):
                    yield Record(lines.number - 1, row.split(separator))
            else:
                lines.give_back([line])
                yield _read_record(lines, separator)


def _is_plain(line: str) -> bool:
    return '"' not in line and len(line) < LONGEST_LINE and "\0" not in line and LOST not in line


class _Lines:
    """The lines of a file, with a way to give some back."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._waiting: deque[str] = deque()
        self.number = 1  # of the next line

    def peek(self) -> str | None:
        if not self._waiting:
            line = self._read()
            if not line:
                return None
            self._waiting.append(line)
        return self._waiting[0]

    def peek_filled(self, most: int = 6) -> list[str]:
        """Return the next lines without taking them; skip empty ones before them."""
        while (line := self.peek()) is not None and not line.strip():
            self.take()
        while len(self._waiting) < most and (line := self._read()):
            self._waiting.append(line)
        return list(self._waiting)

    def take(self) -> str | None:
        line = self._waiting.popleft() if self._waiting else self._read()
        if not line:
            return None
        self.number += 1
        return line

    def give_back(self, lines: list[str]) -> None:
        self._waiting.extendleft(reversed(lines))
        self.number -= len(lines)

    def _read(self) -> str:
        """Read a line; of one longer than the limit, only its beginning and its end."""
        line = self._file.readline(LONGEST_LINE)
        if len(line) == LONGEST_LINE and not line.endswith(("\n", "\r")):
            more = last = ""
            while (more := self._file.readline(LONGEST_LINE)) and not more.endswith(("\n", "\r")):
                last = more
            line += (last + more)[-TAIL:]
        return line


def _find_separator(lines: _Lines) -> str:
    """Return comma, semicolon, tab or bar, whichever the heading has most of. Excel's own line `sep=;` is skipped."""
    first = lines.peek_filled()
    said = first[0].strip().strip('"') if first else ""
    if said.lower().startswith("sep=") and len(said) == 5:
        lines.take()
        return said[4]
    # A title may stand above the heading.
    heading = next(filter(_names_addresses, first), first[0] if first else "")
    return max(SEPARATORS, key=heading.count)


def _names_addresses(line: str) -> bool:
    return len(line) < LONGEST_LINE and any(
        folded(cell.strip().strip('"')) in NAMES["email"] for separator in SEPARATORS for cell in line.split(separator)
    )


def pieces(text: str, separator: str) -> tuple[str, ...]:
    """Split a broken row at its separators."""
    return tuple(piece.strip("\"' \t\r\n").replace("\0", "") for piece in text.split(separator))


def _read_record(lines: _Lines, separator: str) -> Record | BadRecord:
    start = lines.number
    taken: list[str] = []

    def feed() -> Iterator[str]:
        while len(taken) < LONGEST_RECORD and (line := lines.take()) is not None:
            taken.append(line)
            yield line

    try:
        cells = next(csv.reader(feed(), delimiter=separator, strict=True))
    except (csv.Error, StopIteration):
        lines.give_back(taken[1:])
        reason = "a quotation mark is not closed, or text follows it"
        return BadRecord(start, reason, [taken[0].rstrip("\r\n")], pieces(taken[0], separator))
    text = "".join(taken)
    if any(len(line) >= LONGEST_LINE for line in taken):
        reason = f"the line is longer than {LONGEST_LINE} characters"
        return BadRecord(start, reason, [text[:200]], pieces(text, separator))
    if "\0" in text:
        shown, read = [cell.replace("\0", LOST) for cell in cells], tuple(cell.replace("\0", "") for cell in cells)
        return BadRecord(start, "the row contains NUL characters", shown, read)
    if LOST in text:
        return BadRecord(start, "the row contains broken characters; save the file as CSV UTF-8", cells, tuple(cells))
    return Record(start, cells)


def closed_to_others(path: str, flags: int) -> int:
    """Open a file that only its owner may read, also if it existed with wider permissions."""
    descriptor = os.open(path, flags, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


# A cell that begins like this is a formula to a spreadsheet. Apostrophes before it are ours, or must not look so.
_FORMULA = re.compile(r"'*[=+\-@\t\r＝＋－＠]")
_ESCAPED = re.compile(r"'+[=+\-@\t\r＝＋－＠]")
_FIRST = frozenset("'=+-@\t\r＝＋－＠")  # asked first, because few cells of a million begin so


def formula_safe(cell: str) -> str:
    """Make the cell text that no spreadsheet calculates: put one apostrophe before what would be a formula."""
    return f"'{cell}" if cell[:1] in _FIRST and _FORMULA.match(cell) else cell


def formula_restored(cell: str) -> str:
    """Return what `formula_safe` was given."""
    return cell[1:] if _ESCAPED.match(cell) else cell
