"""Take from this process what a machine may run out of."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Nothing can be opened; what is open works."""
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
