"""The high-water mark, `attempts.json`: the highest attempt that this MAILER_HOME has seen of each installation.

It lags, and never leads. A file that exists and cannot be read proves nothing, so its readers must not send.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from mailer.config import exhaustion
from mailer.store.installation import public_id
from subscribers import shared_files

log = logging.getLogger(__name__)

LARGEST = 65_536  # bytes
_lagging = False  # logged once, not with each attempt


class Unreadable(Exception):
    """The file is there and does not say how many attempts were made; the message says why."""


def path() -> Path:
    return Path(settings.HOME) / "attempts.json"


def highest_seen() -> int:
    """Return the number of the newest attempt that this home knows of; 0 if it made none. Raises Unreadable."""
    return _read().get(public_id(), 0)


def remember(number: int) -> None:
    """Record that this MAILER_HOME has seen at least `number`. Call it after the commit: before, the file could lead.

    Without fsync: what a power cut takes from the file only makes it lag. So does a file that cannot be written.
    """
    global _lagging
    try:
        with _locked():
            seen = _read()
            if seen.get(public_id(), 0) < number:
                _write(seen, seen | {public_id(): number})
        _lagging = False
    except Unreadable:
        return  # the next claim says so
    except OSError as error:
        if not _lagging:
            log.warning("attempt count not saved, a restored backup may go unnoticed", extra=_why(error))
        _lagging = True


def begin_anew(number: int) -> Path | None:
    """Move a file that cannot be read aside, for a person to look at, and begin one with `number`.

    Return where it is now; None if it can be read.
    """
    with _locked():
        try:
            _read()
        except Unreadable:
            aside = path().with_suffix(".unreadable")
            path().rename(aside)
            shared_files.replace(path(), _content({public_id(): number}))
            return aside
    return None


def _read() -> dict[str, int]:
    """Return the highest number by installation: databases that are tried out may share a home."""
    try:
        with path().open("rb") as file:
            return _parse(file.read(LARGEST))
    except FileNotFoundError:
        return {}
    except OSError as error:
        if exhaustion.shortage(error):
            raise
        raise Unreadable(error.strerror or type(error).__name__) from None


def _parse(content: bytes) -> dict[str, int]:
    try:
        said = json.loads(content)
        if not isinstance(said, dict) or not all(type(number) is int for number in said.values()):
            raise ValueError
    except (ValueError, RecursionError):
        raise Unreadable("it does not contain the numbers that mailer writes") from None
    return said


def _write(before: dict[str, int], after: dict[str, int]) -> None:
    """Write in place while the length stays, which is nearly always: one write in a page, which no kill cuts in two.

    A longer one is written beside and takes the place of the file, so that neither a kill nor a full disk leaves half
    of it.
    """
    old, new = _content(before), _content(after)
    if len(old) != len(new) or path().stat().st_size != len(old):
        shared_files.replace(path(), new)
        return
    with path().open("r+b", buffering=0) as file:
        file.write(new)


def _content(numbers: dict[str, int]) -> bytes:
    return json.dumps(numbers).encode()


@contextmanager
def _locked() -> Iterator[None]:
    """Lock by a file of its own: the other one is replaced."""
    with shared_files.locked(path().with_suffix(".lock")):
        yield


def _why(error: OSError) -> dict[str, str]:
    return {"error": error.strerror or type(error).__name__}
