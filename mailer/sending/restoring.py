"""A database that was put back from an older backup is noticed before anybody is mailed a second time.

The database counts attempts, and each MAILER_HOME keeps the highest number that it saw, after the commit: so the file
may lag and never leads. A file *ahead* of the database means that the database has forgotten requests. In the same way
the log of opt-outs never leads: who stands in it and would be mailed is forgotten.
"""

import fcntl
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from django.db.models import Q

from mailer import clock
from mailer.installation import public_id, this_installation
from mailer.models import REHEARSAL, Installation, Send
from subscribers import replaying
from subscribers.replaying import Replayed

log = logging.getLogger(__name__)

_LARGEST_FILE = 65_536


class Restored(ImproperlyConfigured):
    """Nothing may be sent before an operator said so; the message says what is wrong and which command says so."""


@dataclass(frozen=True)
class Adopted:
    """What `adopt` found and did."""

    forgotten: int  # requests that this MAILER_HOME made and the database does not know
    optouts: Replayed
    paused: tuple[str, ...]  # slugs of the sends that were under way in the backup


def count_attempt() -> int:
    """The number of the attempt that the caller's transaction makes. Raises Restored.

    The row stays locked until that transaction ends, so this is best called last in it.
    """
    # Past the ORM, which takes ten times as long (480 against 40 µs on SQLite), while all claims wait for this row.
    with connection.cursor() as cursor:
        cursor.execute("UPDATE mailer_installation SET attempts = attempts + 1 WHERE id = 1 RETURNING attempts")
        number = int(cursor.fetchone()[0])
    if number <= (seen := _highest_seen()):
        raise Restored(_words(seen - number + 1))
    return number


def remember(number: int) -> None:
    """This MAILER_HOME has seen at least `number`. Call it after the commit: before, the file could lead.

    Without fsync: what a power cut takes from the file only makes it lag. A file that cannot be written does so too.
    """
    try:
        with open(_file(), "r+b", buffering=0, opener=_create) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            seen = _parse(file.read(_LARGEST_FILE))
            if seen.get(public_id(), 0) >= number:
                return
            # In place: a number never gets shorter, so there is no moment at which the file is empty.
            file.seek(0)
            file.write(json.dumps(seen | {public_id(): number}).encode())
            file.truncate()
    except OSError as error:
        log.warning("the number of attempts is not on file", extra={"error": error.strerror})


def check() -> None:
    """Raises Restored when the database is older than what this MAILER_HOME has seen."""
    if forgotten := forgotten_requests():
        raise Restored(_words(forgotten))
    if left := replaying.forgotten(Path(settings.OPTOUTS)):
        raise Restored(
            f"The database is older than {settings.OPTOUTS}: it takes {left} who left since for readers, so it was "
            "restored from a backup. Nothing is sent; `mailer doctor --adopt` lets them leave again."
        )


def forgotten_requests() -> int:
    """How many attempts this MAILER_HOME saw and the database does not know."""
    # The file first: read after the database, it could have grown meanwhile.
    seen = _highest_seen()
    return max(0, seen - this_installation().attempts)


def adopt() -> Adopted:
    """The database counts on from where this MAILER_HOME was, and whoever left since the backup has left again.

    Sends that were under way are paused when requests were forgotten: some of those who wait in them may have the
    mail, and only a person can say whether to go on.
    """
    optouts = replaying.replay(Path(settings.OPTOUTS))
    with transaction.atomic():
        under_way = _under_way()  # a claim locks its send first, and the installation after it
        installation = Installation.objects.select_for_update().get(pk=1)
        forgotten = max(0, _highest_seen() - installation.attempts)
        paused = _pause(under_way, forgotten) if forgotten else ()
        Installation.objects.filter(pk=1).update(attempts=installation.attempts + forgotten)
    if forgotten:
        log.warning("restored database adopted", extra={"forgotten": forgotten, "paused": len(paused)})
    return Adopted(forgotten, optouts, paused)


def _under_way() -> dict[int, str]:
    """The slugs of sends that have requests to make, by id; their rows are locked."""
    due = Q(state=Send.State.SENDING) | Q(state=Send.State.SCHEDULED, due_at__lte=clock.now())
    # A rehearsal mails nobody.
    locked = Send.objects.select_for_update(of=("self",)).filter(due).exclude(provider=REHEARSAL).order_by("pk")
    return dict(locked.values_list("pk", "slug"))


def _pause(sends: dict[int, str], forgotten: int) -> tuple[str, ...]:
    Send.objects.filter(pk__in=sends).update(
        state=Send.State.PAUSED,
        reason=f"the database was restored from a backup and lacks {forgotten} of the requests made since: some of "
        "those who wait may have the mail already; `mailer resume` mails them all, `mailer cancel` none",
    )
    return tuple(sends.values())


def _words(forgotten: int) -> str:
    return (
        f"The database is older than {_file()}: it lacks {forgotten} of the requests made from here, so it was "
        "restored from a backup. Nothing is sent, because their readers could be mailed twice; "
        "`mailer doctor --adopt` takes this database on."
    )


def _highest_seen() -> int:
    try:
        with _file().open("rb") as file:
            return _parse(file.read(_LARGEST_FILE)).get(public_id(), 0)
    except FileNotFoundError:
        return 0
    except OSError as error:
        log.warning("the file of attempts cannot be read", extra={"error": error.strerror})
        return 0


def _file() -> Path:
    return Path(settings.HOME) / "attempts.json"


def _create(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT, 0o600)


def _parse(content: bytes) -> dict[str, int]:
    """The highest number by installation: databases that are tried out may share a home."""
    try:
        said = json.loads(content or b"{}")
        return {str(installation): int(number) for installation, number in said.items()}
    except (ValueError, AttributeError, TypeError):
        log.warning("the file of attempts cannot be read and starts anew", extra={"file": _file().name})
        return {}
