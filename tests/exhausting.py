"""Take resources from this process that a machine may run out of."""

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Let nothing be opened; open files keep working."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Not below what is open: poll would fail too, which no shortage in life does.
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(int(one) for one in os.listdir("/dev/fd")) + 1, hard))
    taken: list[int] = []
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in taken:
            os.close(descriptor)


@contextmanager
def no_room() -> Iterator[None]:
    """Let no file grow; files can still be read, renamed and removed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
