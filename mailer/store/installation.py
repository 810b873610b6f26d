"""The id of this installation, and the keys that its subscribers' links are signed with.

Both are read from the database when a process first needs them; workers and web processes look again every few seconds,
because a key may be added (store.rotating). Web processes keep them in MAILER_HOME/link-keys too, for one that starts
while the database is down: subscribers must be able to leave all the same.
"""

import hashlib
import json
import logging
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from mailer.models import Installation, LinkKey
from mailer.store import clock
from subscribers import shared_files
from subscribers.tokens import Keys
from subscribers.tokens import LinkKey as KnownKey

log = logging.getLogger(__name__)

WAIT = timedelta(minutes=10)  # until a new key signs: by then each process that can reach the database knows it
ASKED_AGAIN_EVERY = 5.0  # seconds
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class _Identity:
    public_id: str
    keys: Keys
    retired: tuple[str, ...] = ()  # fingerprints


class _Process:
    """What this process knows."""

    identity: _Identity | None = None
    asked_again_at = float("-inf")  # time.monotonic()
    lock = threading.Lock()


def this_installation() -> Installation:
    return Installation.objects.get(pk=1)


def public_id() -> str:
    """Return the id that `/healthz` answers and that custom_args carry; it never changes."""
    return _identity().public_id


def link_keys() -> Keys:
    """Return the link keys as this process knows them."""
    return _identity().keys


def link_keys_again() -> Keys:
    """Return the link keys after reading the database again, for an unknown signature. Raises DatabaseError.

    At most every 5 seconds: anybody can make up signatures, and they must not cost a query each.
    """
    with _Process.lock:
        before = _Process.asked_again_at
        if time.monotonic() < before + ASKED_AGAIN_EVERY:
            return link_keys()
        _Process.asked_again_at = time.monotonic()
    try:
        reread()
    except (DatabaseError, InterfaceError):
        _Process.asked_again_at = before
        raise
    return link_keys()


def reread() -> None:
    """Adopt link keys that changed in the database. Raises DatabaseError."""
    _Process.identity = _asked()


def refresh() -> None:
    """Adopt link keys that changed in the database, and write them to the file. Raises DatabaseError.

    For web processes: no other one needs the file.
    """
    identity, kept = _asked(), _kept()
    if kept and _make_up_for_a_restore(kept, identity):
        identity = _asked()
    if identity != kept:
        _keep(identity)
    _Process.identity = identity


def forget() -> None:
    """Reset to a process that has read nothing yet."""
    _Process.identity, _Process.asked_again_at = None, float("-inf")


def is_on_file() -> bool:
    """Tell whether a process of this MAILER_HOME can read its subscribers' links without the database."""
    return _kept() is not None


def fingerprint_of(key: bytes) -> str:
    """Return what identifies a key without revealing it."""
    return hashlib.sha256(key).hexdigest()[:16]


def row_of(key: bytes, now: datetime) -> LinkKey:
    """Return the row of a key that no process knows yet, not saved."""
    return LinkKey(key=key.hex(), fingerprint=fingerprint_of(key), created_at=now, signs_from=now + WAIT)


def _retired(fingerprint: str, now: datetime) -> LinkKey:
    return LinkKey(fingerprint=fingerprint, created_at=now, signs_from=now, retired_at=now)


def _identity() -> _Identity:
    if _Process.identity is None:
        try:
            _Process.identity = _asked()
        except (DatabaseError, InterfaceError):
            _Process.identity = _kept()
            if _Process.identity is None:
                raise
    return _Process.identity


def _asked() -> _Identity:
    clock.now()  # a process with the keys then knows by the database's clock which of them signs
    installation = this_installation()
    rows = list(LinkKey.objects.order_by("pk"))
    links = tuple(KnownKey(bytes.fromhex(one.key), one.signs_from) for one in rows if one.key)
    # An empty key would void all suppressions. Before the key had a column, it was the oldest one.
    suppressions = bytes.fromhex(installation.suppression_key or installation.link_keys[0])
    retired = tuple(one.fingerprint for one in rows if not one.key)
    return _Identity(str(installation.public_id), Keys(links, suppressions), retired)


def _make_up_for_a_restore(kept: _Identity, asked: _Identity) -> bool:
    """Tell a database restored from a backup of keys that came or went since; return whether it lacked any.

    Emails since then carry links that must open; and a leaked key that was retired must not come back.
    """
    if kept.public_id != asked.public_id:
        return False
    gone = LinkKey.objects.filter(fingerprint__in=kept.retired, key__isnull=False)
    known = {*asked.retired, *map(fingerprint_of, asked.keys.verifying())}
    lost = [one for one in kept.keys.links if fingerprint_of(one.key) not in known]
    if not lost and not (set(kept.retired) - set(asked.retired)):
        return False
    now = clock.now()
    back = [row_of(one.key, now) for one in lost]
    LinkKey.objects.bulk_create(back, ignore_conflicts=True)  # another web process may be faster
    retired = gone.update(key=None, retired_at=now)
    # What this backup lacks is kept from the next one, which may have it alive.
    never = [_retired(one, now) for one in kept.retired if one not in known]
    LinkKey.objects.bulk_create(never, ignore_conflicts=True)
    log.warning("link keys restored after a database restore", extra={"back": len(back), "retired": retired})
    return True


def _file() -> Path:
    return Path(settings.HOME) / "link-keys"


def _kept() -> _Identity | None:
    try:
        said = json.loads(_file().read_bytes())
        keys = [bytes.fromhex(key) for key in said["link_keys"]]
        # 0.2.0 wrote only the keys, the oldest of which made the hashes.
        times = [datetime.fromisoformat(at) for at in said.get("signs_from", [])] or [LONG_AGO] * len(keys)
        links = tuple(KnownKey(key, at) for key, at in zip(keys, times, strict=True))
        suppressions = bytes.fromhex(said["suppression_key"]) if "suppression_key" in said else keys[0]
        retired = tuple(str(one) for one in said.get("retired", []))
        return _Identity(str(said["installation"]), Keys(links, suppressions), retired) if all(keys) and keys else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _keep(identity: _Identity) -> None:
    """Write the keys for their owner alone: anybody who has them can unsubscribe anybody."""
    content = {
        "installation": identity.public_id,
        "link_keys": [one.key.hex() for one in identity.keys.links],
        "signs_from": [one.signs_from.isoformat() for one in identity.keys.links],
        "suppression_key": identity.keys.suppressions.hex(),
        "retired": identity.retired,
    }
    try:
        shared_files.replace(_file(), json.dumps(content).encode())
    except OSError as error:
        log.warning("link keys not saved to file", extra={"error": error.strerror})
