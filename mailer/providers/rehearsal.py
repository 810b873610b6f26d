"""The record of a rehearsal: what would have been mailed, by whichever provider. Nobody receives any of it.

<folder>/README.txt
<folder>/<send id>/accepted.jsonl   one line for each accepted request, on disk before the request is answered
<folder>/<send id>/0001.eml …       the first 20 emails, as their subscribers would get them
<folder>/mail/…                     mails that belong to no send, such as confirmations
"""

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from subscribers import shared_files

SHOWN = 20
_README = """\
Rehearsals: what would have been emailed. Nobody received any of it.

Each folder is one send. accepted.jsonl says which requests were accepted and for whom;
the .eml files are the first emails as subscribers would get them: open them in an email program.
The folder "mail" holds confirmations and other single emails. Everything here may be deleted.
"""


@dataclass(frozen=True)
class Accepted:
    """A request that a rehearsal accepts; all but the recipients is empty if it belongs to no send."""

    installation: str
    send: str
    attempt: str
    recipients: Sequence[dict[str, Any]]  # delivery, email
    mails: Sequence[Callable[[], bytes]]  # each writes one, as it would arrive (RFC 5322)


def accept(folder: Path, request: Accepted) -> None:
    """Write the request into the record, on the disk. Raises OSError if it cannot be written."""
    place = _folder_of(folder, request.send)
    with _locked(place / "accepted.jsonl") as record:
        _start_anew_for_another_installation(place, request.installation)
        _append(record, _line(request))
        # The mails are for people to look at; the record above is what counts.
        with contextlib.suppress(OSError):
            _write_first_mails(place, request.mails)


def _folder_of(folder: Path, send: str) -> Path:
    place = folder / (send or "mail")
    if not place.is_dir():
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / "README.txt").write_text(_README)
        shared_files.sync_folder(folder)
    return place


def forget(folder: Path, send_id: int) -> None:
    """Delete the record of a rehearsal: another has taken its place."""
    shutil.rmtree(folder / str(send_id), ignore_errors=True)


def accepted_attempts(folder: Path, send_id: int | str) -> set[str]:
    """Return the attempts of a send that a rehearsal accepted: evidence both ways, as nothing else accepts.

    A last line that a crash cut off was never answered, and does not count.
    """
    try:
        lines = (folder / str(send_id) / "accepted.jsonl").read_bytes().splitlines()
    except FileNotFoundError:
        return set()
    return {attempt for line in lines if (attempt := _attempt_of(line))}


def _attempt_of(line: bytes) -> str:
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        return ""
    return str(entry.get("attempt") or "") if isinstance(entry, dict) else ""


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Open the file for this process alone: several workers rehearse one send."""
    fresh = not path.exists()
    with shared_files.locked(path) as file:
        if fresh:
            shared_files.sync_folder(path.parent)
        yield file.fileno()


def _append(record: int, line: bytes) -> None:
    """Write `line` to the disk, whole and on a line of its own; on failure the file is as it was."""
    size = shared_files.append(record, line)
    try:
        os.fsync(record)
    except OSError:
        os.ftruncate(record, size)
        raise


def _start_anew_for_another_installation(folder: Path, installation: str) -> None:
    """Remove the record of another installation: a new database counts its sends from 1 again."""
    owner = folder / ".installation"
    if installation and (owner.read_text() if owner.exists() else "") != installation:
        for mail in folder.glob("*.eml"):
            mail.unlink()
        owner.write_text(installation)


def _line(request: Accepted) -> bytes:
    entry = {
        "attempt": request.attempt or None,
        "send": request.send or None,
        "at": datetime.now(UTC).isoformat(),  # noqa: TID251 — to be read by people
        "recipients": list(request.recipients),
    }
    return orjson.dumps(entry) + b"\n"


def _write_first_mails(folder: Path, mails: Sequence[Callable[[], bytes]]) -> None:
    number = sum(1 for _ in folder.glob("*.eml"))
    # Confirmations never end: the oldest ones are kept, each new one is added.
    limit = SHOWN if folder.name != "mail" else sys.maxsize
    for index, write in enumerate(mails[: max(limit - number, 0)]):
        (folder / f"{number + index + 1:04}.eml").write_bytes(write())
