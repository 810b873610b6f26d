"""One connection to `mailer serve`: what it received, and what its client has not read yet."""

import ipaddress
import socket
from collections import deque
from typing import Any

from gunicorn.workers.gthread import TConn

from mailer.web.buffering import Requests

PIECE = 65_536  # bytes received at a time
TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection(TConn):  # type: ignore[misc]
    """A connection whose requests are received, and whose answers are taken, without a thread."""

    def __init__(self, cfg: Any, opened: socket.socket, client: Any, server: Any) -> None:
        super().__init__(cfg, opened, client, server)
        self.sock = Outbox(opened)
        self.parser = Requests(cfg, client)
        self.initialized = True  # gunicorn would make it block, with a parser that reads from the socket
        self.network = network_of(client)
        self.kept = False  # it stays open after the answer
        self.incomplete = False  # its client is sending a request
        self.handed = 0  # bytes of the request that a thread has; meanwhile nothing else looks at the parser
        self.until = 0.0  # by time.monotonic(), the end of what it is at

    def held(self) -> int:
        """Return how many bytes of memory it takes."""
        return int(self.parser.held()) + self.sock.size

    def receive(self) -> bytes | None:
        """Return what was received: nothing if the client closed, None if there is nothing yet. Raises OSError."""
        try:
            return self.sock.recv(PIECE)  # type: ignore[no-any-return]
        except BlockingIOError:
            return None


class Outbox:
    """A connection's socket as threads see it: what the client does not read at once waits here, and no thread does."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self._unsent: deque[memoryview] = deque()
        self.size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def setblocking(self, flag: bool) -> None:
        """Ignore the flag: the socket never blocks."""

    def settimeout(self, seconds: float | None) -> None:
        """Ignore the timeout: the socket never blocks."""

    def send(self, data: bytes) -> int:
        self.sendall(data)
        return len(data)

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        if not self._unsent:
            rest = rest[self._give(rest) :]
        if rest:
            self._unsent.append(rest)
            self.size += len(rest)

    def flush(self) -> bool:
        """Send what the client reads now; return whether that was all. Raises OSError."""
        while self._unsent:
            taken = self._give(self._unsent[0])
            self.size -= taken
            if taken < len(self._unsent[0]):
                self._unsent[0] = self._unsent[0][taken:]
                return False
            self._unsent.popleft()
        return True

    def _give(self, data: memoryview) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0


def network_of(client: Any) -> str:
    """Return whose connections count together: an IPv4 address, the /64 of an IPv6 one; empty for a Unix socket."""
    if not isinstance(client, tuple):
        return ""
    address = ipaddress.ip_address(client[0].partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped or ipaddress.ip_network((address, 64), strict=False))
    return str(address)
