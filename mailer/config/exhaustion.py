"""Recognize that this machine ran out of something: file descriptors, memory, threads, ports.

That is neither the provider's fault nor our own code's, and other workers may have plenty. So it neither opens the
provider's circuit breaker nor pauses a send: this process alone rests for a while, each time longer.
"""

import errno
import logging
import os
import random
import socket
import threading
import time

log = logging.getLogger(__name__)

SPARE = 3  # descriptors that looking up a name or verifying a certificate takes
LONGEST = 60.0  # seconds; what was exhausted is often there again at once
WHAT_RUNS_OUT = {
    errno.EMFILE: "this process has no file descriptors left (raise its limit: ulimit -n, LimitNOFILE)",
    errno.ENFILE: "this machine has no file descriptors left",
    errno.ENOMEM: "this machine has no memory left",
    errno.ENOBUFS: "this machine has no memory left for the network",
    errno.EADDRNOTAVAIL: "this machine has no free port or address to connect from",
}
NO_MEMORY = "this process has no memory left"
NO_THREAD = "this machine cannot start more threads (memory, or a process limit: ulimit -u, TasksMax)"


def shortage(error: BaseException | None) -> str:
    """Return what this machine ran out of, for the operator; empty when the error is something else."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, socket.gaierror):  # has numbers of its own
            if error.errno == socket.EAI_MEMORY:
                return NO_MEMORY
        elif isinstance(error, OSError) and error.errno in WHAT_RUNS_OUT:
            return WHAT_RUNS_OUT[error.errno]
        if isinstance(error, MemoryError):
            return NO_MEMORY
        if isinstance(error, RuntimeError) and "start new thread" in str(error):
            return NO_THREAD
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return ""


def no_descriptor() -> OSError | None:
    """Return the error that opening a file raises now, if it is for lack of a descriptor."""
    opened: list[int] = []
    try:
        for _ in range(SPARE):
            opened.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error if shortage(error) else None
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return None


class _Backoff:
    """How long this process still pauses: 1, 2, 4 … 60 s by the number of shortages since the last success."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0.0
        self._streak = 0

    def rests(self) -> bool:
        return time.monotonic() < self._until

    def lengthen(self) -> bool:
        """Return whether this is the first shortage in a row; slots that fail in the same moment count once."""
        with self._lock:
            if self.rests():
                return False
            self._streak += 1
            seconds = min(LONGEST, 2.0 ** min(self._streak - 1, 10))
            self._until = time.monotonic() + seconds * random.uniform(0.75, 1.0)  # noqa: S311 — jitter
            return self._streak == 1

    def end(self) -> int:
        """Return how many shortages there were in a row."""
        with self._lock:
            before, self._streak, self._until = self._streak, 0, 0.0
            return before


_backoff = _Backoff()


def rests() -> bool:
    """Return True while this process leaves the work to others."""
    return _backoff.rests()


def ran_out(of: str) -> None:
    """Pause, longer after each shortage in a row; the first one is logged."""
    if _backoff.lengthen():
        log.error("worker paused, out of resources", extra={"because": of})


def recovered() -> None:
    """End the backoff: a request went through, so the next shortage starts with a short pause."""
    if _backoff.end():
        log.warning("worker resumed")
