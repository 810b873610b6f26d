"""Readers as JSON lines, one object a line: the records of `csv_records` in another dress."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from subscribers.files.csv_records import (
    LONGEST_LINE,
    TAIL,
    BadRecord,
    FileError,
    Record,
    Watch,
    formula_safe,
    nobody,
    pieces,
)

SUFFIXES = (".jsonl", ".ndjson", ".json")
MOST_NAMES = 1000  # more than that is no list of readers


def is_json(path: Path) -> bool:
    """Whether the file is to be read here; its name or its first character tells."""
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            return file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b'{"')
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}.") from error


def read_records(path: Path, watch: Watch = nobody) -> Iterator[Record | BadRecord]:
    """The names that occur, as a heading, and a record for each line. Raises FileError."""
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


def _names(path: Path) -> list[str]:
    names: dict[str, None] = {}
    for number, line, _ in _lines(path):
        found = _read(line)
        if number == 1 and line.lstrip().startswith(b"["):
            raise FileError(f"{path} is one JSON array; write one object a line (jq -c '.[]' does).")
        names |= dict.fromkeys(found) if isinstance(found, dict) else {}
        if len(names) > MOST_NAMES:
            raise FileError(f"{path}:{number} the objects have more than {MOST_NAMES} names; is it a list of readers?")
    return list(names)


def _lines(path: Path) -> Iterator[tuple[int, bytes, int]]:
    """Number, content, and where it ends; of a line longer than we read, too much to be taken for a whole one."""
    try:
        with path.open("rb") as file:
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


def _read(line: bytes) -> dict[str, Any] | str:
    """The object of a line, or why there is none."""
    if len(line) > LONGEST_LINE:
        return f"the line is longer than {LONGEST_LINE} bytes"
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return "the line is no JSON"
    if not isinstance(found, dict):
        return "the line is no JSON object"
    if any("\0" in value for value in found.values() if isinstance(value, str)):
        return "the row holds NUL characters"
    return found


def _as_text(value: Any) -> str:
    """The value as a cell of a spreadsheet holds it, because that is how all cells are read."""
    if isinstance(value, str):
        return formula_safe(value)
    return "" if value is None else formula_safe(orjson.dumps(value).decode())
