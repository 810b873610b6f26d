"""Ports for servers that a test starts."""

import socket
from pathlib import Path
from random import SystemRandom

# The kernel gives the ports of this range to connections, also while a server that was told one of them still starts.
GIVEN_TO_CONNECTIONS = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST = 10_100  # browsers refuse 10080


def free_port() -> int:
    """Return a port of this machine at which nobody listens, for a server that starts in a moment.

    Chosen at random, as several tests run at the same time, and not by the generator that Hypothesis seeds.
    """
    for _ in range(100):
        port = SystemRandom().randrange(LOWEST, _end())
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError(f"no free port from {LOWEST} to {_end()}")


def _end() -> int:
    try:
        first = int(GIVEN_TO_CONNECTIONS.read_text().split()[0])
    except OSError:
        first = 32_768  # as Linux has it; macOS begins later
    return first if first > LOWEST + 1000 else 65_536
