"""Keep searches from taking a web process from everybody else: few at a time, and from one network not many in a row.

Counted in this process alone, since a search should not write to the database. Visitors of one network share its
searches. Private addresses are not counted: everybody may come through such a proxy, unless MAILER_PROXIES names it.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network

AT_ONCE = 2  # searches in this process; its other threads answer pages
PATIENCE = 0.3  # seconds that a search waits for one of them
BURST, A_SECOND = 20, 0.5  # searches of a network: so many in a row, then so many a second
MOST_NETWORKS = 5_000  # that are remembered


class TooMany(Exception):
    """Search later: this network, or all together, search too often."""


class Throttle:
    """Lets searches run, or raises TooMany."""

    def __init__(self) -> None:
        self._running = threading.BoundedSemaphore(AT_ONCE)
        self._lock = threading.Lock()
        self._networks: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what was left, and when

    @contextmanager
    def search(self, network: str) -> Iterator[None]:
        """Run the block if there is room. Raises TooMany."""
        if not (self._counts_towards(network) and self._running.acquire(timeout=PATIENCE)):
            raise TooMany
        try:
            yield
        finally:
            self._running.release()

    def forget(self) -> None:
        self._networks.clear()

    def _counts_towards(self, network: str) -> bool:
        if not _is_of_the_internet(network):
            return True
        now = time.monotonic()
        with self._lock:
            left, since = self._networks.pop(network, (BURST, now))
            left = min(BURST, left + (now - since) * A_SECOND)
            self._networks[network] = (max(0.0, left - 1), now)
            if len(self._networks) > MOST_NETWORKS:
                self._networks.popitem(last=False)
        return left >= 1


def _is_of_the_internet(network: str) -> bool:
    """Tell whether one party is behind it. A private address may be a proxy that everybody comes through."""
    try:
        return ip_network(network).is_global
    except ValueError:
        return False


searches = Throttle()
