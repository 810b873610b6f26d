"""Read a list inside an archive, as services hand it out; refuse spreadsheets' workbooks."""

import gzip
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import IO, BinaryIO, Literal

MOST_UNPACKED = 2 << 30  # bytes: ten million readers
# Lists of addresses unpack to five to thirty times their size, a bomb to a thousand times: 400 MB of line breaks kept
# an import busy for minutes. Small ones do no harm.
MOST_TIMES, SMALL = 100, 16 << 20
LISTS = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson")
GZIP, ZIP, OLD_EXCEL = b"\x1f\x8b", b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
SAVE_AS_CSV = "save it there as CSV UTF-8 (File, Save As or Export), and import that"


class FileError(ValueError):
    """The file as a whole cannot be read; the message says why and what to do."""


class Unpacked:
    """The list inside an archive, in a file without a name: a killed import leaves no addresses behind."""

    def __init__(self, archive: Path, name: str, file: IO[bytes]) -> None:
        self.archive, self.name, self.suffix = archive, PurePath(name).name, PurePath(name).suffix
        self._file = file

    def open(self, mode: Literal["rb"]) -> BinaryIO:
        """Open the list at its beginning; only one reader at a time."""
        self._file.seek(0)
        return os.fdopen(os.dup(self._file.fileno()), mode)

    def __str__(self) -> str:
        return str(self.archive)


Source = Path | Unpacked


@contextmanager
def unpacked(path: Path) -> Iterator[Source]:
    """Open what is to be read: the file, or the one list in it. Raises FileError."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}.") from error
    if head.startswith(OLD_EXCEL):
        raise FileError(f"{path} is a spreadsheet of an older Excel; {SAVE_AS_CSV}.")
    if not head.startswith((GZIP, ZIP)):
        yield path
        return
    with tempfile.TemporaryFile() as file:
        try:
            name = _gunzip(path, file) if head.startswith(GZIP) else _unzip(path, file)
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            # RuntimeError: it has a password. NotImplementedError: a rare kind of compression.
            raise FileError(
                f"{path} is an archive that cannot be unpacked ({error}); unpack it by hand and import the list in "
                f"it. If it is a spreadsheet, {SAVE_AS_CSV}."
            ) from error
        yield Unpacked(path, name, file)


def _gunzip(path: Path, target: IO[bytes]) -> str:
    with gzip.open(path) as source:
        _copy(path, source, target)
    return path.stem if path.suffix.lower() == ".gz" else path.name


def _unzip(path: Path, target: IO[bytes]) -> str:
    with zipfile.ZipFile(path) as archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
        if "[Content_Types].xml" in names or "content.xml" in names:
            raise FileError(f"{path} is a spreadsheet (Excel, Numbers or Calc); {SAVE_AS_CSV}.")
        lists = [name for name in names if _is_list(PurePath(name))]
        if not lists:
            raise FileError(f"{path} is an archive without a list in it (a file ending in {', '.join(LISTS)}).")
        if len(lists) > 1:
            shown = ", ".join("".join(c for c in name if c.isprintable())[:80] for name in lists[:10])
            more = f" and {len(lists) - 10} more" if len(lists) > 10 else ""
            raise FileError(
                f"{path} holds {len(lists)} lists: unpack it, keep the file names, and import each: {shown}{more}."
            )
        with archive.open(lists[0]) as source:
            _copy(path, source, target)
        return lists[0]


def _is_list(name: PurePath) -> bool:
    hidden = name.name.startswith(".") or "__MACOSX" in name.parts
    return name.suffix.lower() in LISTS and not hidden


def _copy(path: Path, source: IO[bytes] | gzip.GzipFile, target: IO[bytes]) -> None:
    size, packed = 0, path.stat().st_size
    while data := source.read(1 << 20):
        size += len(data)
        if size > MOST_UNPACKED:
            raise FileError(f"{path} unpacks to more than {MOST_UNPACKED >> 20} MB; is it a list of subscribers?")
        if size > max(SMALL, MOST_TIMES * packed):
            raise FileError(
                f"{path} unpacks to more than {MOST_TIMES} times its size, as no list of subscribers does; if it "
                "is one, unpack it by hand and import that."
            )
        target.write(data)
    target.flush()
