"""Read subscribers from JSON lines, one object a line, as the same records as `csv_records`."""

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import orjson

from subscribers.files.archives import FileError, Source
from subscribers.files.csv_records import (
    LONGEST_LINE,
    TAIL,
    BadRecord,
    Record,
    Watch,
    formula_safe,
    nobody,
    pieces,
)

SUFFIXES = (".jsonl", ".ndjson", ".json")
PIECE = 1 << 16  # bytes of an array that are read at once
_OPENING, _BETWEEN = re.compile(r"\s*\[?\s*"), re.compile(r"[\s,]*")
MOST_NAMES = 1000  # more than that is not a list of subscribers


def is_json(path: Source) -> bool:
    """Tell by its name or first character whether this module reads the file."""
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            head = b"".join(file.read(64).removeprefix(b"\xef\xbb\xbf").split())
            return head.startswith((b'{"', b'[{"'))
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}.") from error


def read_records(path: Source, watch: Watch = nobody) -> Iterator[Record | BadRecord]:
    """Return the names that occur, as a heading, and a record for each line. Raises FileError."""
    names = _names(path)
    yield Record(1, names)
    for number, line, end in _lines(path):
        found = _read(line)
        if isinstance(found, str):
            text = line.decode(errors="replace").strip()
            yield BadRecord(number, found, [text[:1000]], pieces(text.replace("\\u0000", ""), '"'))
        else:
            yield Record(number, [_as_text(found.get(name)) for name in names])
        if number % 1000 == 0:
            watch(end)


def _names(path: Source) -> list[str]:
    names: dict[str, None] = {}
    for number, line, _ in _lines(path):
        found = _read(line)
        names |= dict.fromkeys(found) if isinstance(found, dict) else {}
        if len(names) > MOST_NAMES:
            raise FileError(
                f"{path}:{number} the objects have more than {MOST_NAMES} names; is it a list of subscribers?"
            )
    return list(names)


def _lines(path: Source) -> Iterator[tuple[int, bytes, int]]:
    """Return each line's number, content and end; of an overlong line, too much to be taken for a whole one.

    Of an array, return each of its objects instead.
    """
    try:
        with path.open("rb") as file:
            if file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
                yield from _elements(path, file)
                return
            file.seek(0)
            number = end = 0
            while line := file.readline(LONGEST_LINE + 1):
                number, end = number + 1, end + len(line)
                if len(line) > LONGEST_LINE and not line.endswith(b"\n"):
                    more = last = b""
                    while (more := file.readline(LONGEST_LINE)) and not more.endswith(b"\n"):
                        last = more
                    line += (last + more)[-TAIL:]
                line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                if line.strip():
                    yield number, line, end
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}.") from error


def _elements(path: Source, file: BinaryIO) -> Iterator[tuple[int, bytes, int]]:
    """Return each object of an array with the line on which it begins; memory does not grow with the array."""
    file.seek(0)
    decode, read = codecs.getincrementaldecoder("utf-8-sig")("replace").decode, json.JSONDecoder().raw_decode
    text, number, place, between = decode(file.read(PIECE)), 1, 0, _OPENING
    while True:
        if found := between.match(text, place):
            number, place, between = number + text.count("\n", place, found.end()), found.end(), _BETWEEN
        if text.startswith("]", place):
            return
        try:
            _, end = read(text, place)
        except (ValueError, RecursionError):  # cut off by the end of the piece, not JSON, or nested too deep
            data = file.read(PIECE) if len(text) - place <= LONGEST_LINE else b""
            if not data:
                raise FileError(
                    f"{path}:{number} the JSON array cannot be read from here on, so nothing was imported; fix it, "
                    "or write one object per line (jq -c '.[]')."
                ) from None
            text, place = text[place:] + decode(data), 0
            continue
        yield number, text[place:end].encode(), file.tell()
        number, place = number + text.count("\n", place, end), end


def _read(line: bytes) -> dict[str, Any] | str:
    """Return the object of a line, or why there is none."""
    if len(line) > LONGEST_LINE:
        return f"the line is longer than {LONGEST_LINE} bytes"
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return "the line is not JSON"
    if not isinstance(found, dict):
        return "the line is not a JSON object"
    if any("\0" in value for value in found.values() if isinstance(value, str)):
        return "the row contains NUL characters"
    return found


def _as_text(value: Any) -> str:
    """Return the value as a spreadsheet's cell would hold it, because that is how all cells are read."""
    if isinstance(value, str):
        return formula_safe(value)
    return "" if value is None else formula_safe(orjson.dumps(value).decode())
