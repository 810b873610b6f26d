"""Who this installation is, and the keys that its readers' links are signed with.

Both are read from the database once a process. Web processes keep them in MAILER_HOME/link-keys too, for one that
starts while the database is away: subscribers must be able to leave all the same.
"""

import contextlib
import json
import logging
import os
from functools import cache
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from mailer.models import Installation

log = logging.getLogger(__name__)


def this_installation() -> Installation:
    return Installation.objects.get(pk=1)


@cache
def public_id() -> str:
    """The id that `/healthz` answers and that custom_args carry; it never changes."""
    return _identity()[0]


@cache
def link_keys() -> tuple[bytes, ...]:
    """Oldest first: the newest signs, all are accepted, the oldest keys suppression hashes. Read once a process."""
    return tuple(bytes.fromhex(key) for key in _identity()[1])


def refresh() -> None:
    """Take over link keys that changed in the database, and keep them on file. Raises DatabaseError.

    For web processes: no other one needs the file.
    """
    identity = _asked()
    if identity != _kept():
        _keep(identity)
    if link_keys() != tuple(bytes.fromhex(key) for key in identity[1]):
        link_keys.cache_clear()


def is_on_file() -> bool:
    """Return whether a process of this MAILER_HOME can read its readers' links without the database."""
    return _kept() is not None


_Identity = tuple[str, list[str]]  # the public id, and the link keys in hex


def _identity() -> _Identity:
    try:
        return _asked()
    except (DatabaseError, InterfaceError):
        kept = _kept()
        if kept is None:
            raise
        return kept


def _asked() -> _Identity:
    installation = this_installation()
    return str(installation.public_id), list(installation.link_keys)


def _file() -> Path:
    return Path(settings.HOME) / "link-keys"


def _kept() -> _Identity | None:
    try:
        said = json.loads(_file().read_bytes())
        identity = str(said["installation"]), [str(key) for key in said["link_keys"]]
        return identity if identity[1] and all(bytes.fromhex(key) for key in identity[1]) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(identity: _Identity) -> None:
    """Write the file whole or not at all, and for its owner alone: who has the keys can unsubscribe anybody."""
    unnamed = _file().with_name(f"link-keys.{os.getpid()}")
    try:
        with open(unnamed, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            json.dump({"installation": identity[0], "link_keys": identity[1]}, file)
            file.flush()
            os.fsync(file.fileno())
        unnamed.rename(_file())
    except OSError as error:
        log.warning("the link keys are not on file", extra={"error": error.strerror})
        with contextlib.suppress(OSError):
            unnamed.unlink(missing_ok=True)
