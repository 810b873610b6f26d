"""The provider that this installation is configured for, or a rehearsal of it without a key."""

import os
import threading
from functools import cache
from pathlib import Path

from django.conf import settings
from django.utils.module_loading import import_string

from mailer.providers.protocol import Provider

_lock = threading.Lock()


def configured_provider() -> Provider:
    """Return the provider of `settings.PROVIDER_CLASS`, whether or not there is a key for it."""
    return _made(settings.PROVIDER_CLASS)


def current_provider() -> Provider:
    """Return the process's one provider. Without a key it is a rehearsal that runs in this process."""
    provider = configured_provider()
    if provider.key():
        return provider
    with _lock:
        return _rehearsal(os.getpid(), settings.PROVIDER_CLASS, rehearsals())


def rehearsals() -> Path:
    """Return the folder where rehearsals leave what they would have mailed."""
    return Path(settings.HOME) / "rehearsals"


@cache
def _made(dotted: str) -> Provider:
    made: Provider = import_string(dotted)()
    return made


@cache
def _rehearsal(process: int, dotted: str, folder: Path) -> Provider:
    """Return the rehearsal of this process: a forked child has a copy of a server's socket but not of its threads."""
    return _made(dotted).rehearse(folder)


def _forget_after_fork() -> None:
    # A thread that the child does not have may have held the lock.
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
