"""The client that this installation is configured for: SendGrid's where there is a key, else a rehearsal."""

import os
import threading
from functools import cache
from pathlib import Path

from django.conf import settings

from mailer.providers.rehearsal import Rehearsal
from mailer.providers.sendgrid.client import Client

_lock = threading.Lock()


def current_client() -> Client:
    """The process's one client. Without an API key it posts to a rehearsal that runs in this process."""
    timeout = settings.MAILER_HTTP_TIMEOUT
    with _lock:
        if settings.SENDGRID_API_KEY:
            return _client(settings.SENDGRID_API_URL, settings.SENDGRID_API_KEY, timeout)
        rehearsal = _rehearsal(os.getpid(), rehearsals())
        return _client(rehearsal.url, rehearsal.key, timeout)


def rehearsals() -> Path:
    """The folder where rehearsals leave what they would have mailed."""
    return Path(settings.HOME) / "rehearsals"


@cache
def _client(url: str, key: str, timeout: float) -> Client:
    return Client(url, key, timeout)


@cache
def _rehearsal(process: int, folder: Path) -> Rehearsal:
    """Of this process: a forked child has a copy of the server's socket but not of its threads."""
    rehearsal = Rehearsal(folder)
    rehearsal.start()
    return rehearsal


def _forget_after_fork() -> None:
    # The lock may have been held by a thread that the child does not have.
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
