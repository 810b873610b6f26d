"""Write a file completely or not at all: a full disk must not leave half a list that looks whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from subscribers.files.csv_records import closed_to_others


@contextmanager
def whole_file(path: Path, encoding: str) -> Iterator[TextIO]:
    """Open a file for addresses, which only its owner may read; it takes its name when the block is over.

    Anything but a regular file, such as a pipe, is written directly.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        with open(target, "w", encoding=encoding, newline="") as file:
            yield file
        return
    part = target.with_name(f"{target.name}.part")
    try:
        with open(part, "w", encoding=encoding, newline="", opener=closed_to_others) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # some disks say only now that they are full
        part.replace(target)
    finally:
        with suppress(OSError):
            part.unlink()
