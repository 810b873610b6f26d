"""Move bytes to the provider and back, over one kept-alive connection for each thread.

What the caller must know is whether a byte of the request left this machine: before it, nothing happened; after it,
only an answer tells what did. So a request is never repeated here, and a dropped connection never reopened.
"""

import http.client
import io
import os
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from mailer.config.exhaustion import no_descriptor, shortage

# A server closes idle connections when it likes. Writing into one that it just closed looks like a lost answer.
KEPT_FOR = 5.0
LARGEST_BODY = 1_000_000
_CHUNK = 65_536


class NotOpened(Exception):
    """There is no connection, and no byte was written; the message says why."""


class RanOut(NotOpened):
    """This machine lacks what a request needs, and no byte was written; the message says what."""


class FirstByteTooLate(Exception):
    """The time for the first byte was over; no byte was written."""


class Lost(Exception):
    """A byte was written, and no answer came that could be read to its end; the message says why."""

    def __init__(self, detail: str, status: int | None = None) -> None:
        super().__init__(detail)
        self.status = status


@dataclass(frozen=True)
class Reply:
    """An answer whose status line and headers came whole; `whole` tells whether the body did too."""

    status_code: int
    reason: str
    headers: http.client.HTTPMessage
    body: bytes
    whole: bool = True


class Transport:
    """Requests to one host. Each thread has its own connection; a forked child opens its own."""

    def __init__(self, url: str, timeout: float) -> None:
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._secure else 80)
        self._netloc = parts.netloc.rpartition("@")[2]
        self._timeout = timeout
        self._kept = threading.local()

    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, first_byte_by: float | None = None
    ) -> Reply:
        """Return the answer to one request, made at most once, within the timeout from the look-up to the last byte.

        `first_byte_by` is a limit by time.monotonic(). Raises NotOpened, RanOut, FirstByteTooLate, Lost.
        """
        try:
            return self._exchange(method, path, headers, body, first_byte_by)
        except (NotOpened, MemoryError) as error:
            if detail := shortage(error):
                raise RanOut(detail) from error
            raise

    def _exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, first_byte_by: float | None
    ) -> Reply:
        deadline = time.monotonic() + self._timeout
        if first_byte_by is not None and time.monotonic() > first_byte_by:
            raise FirstByteTooLate
        connection = self._take_kept() or self._open(min(deadline, first_byte_by or deadline))
        wire = _Wire(connection.socket, deadline, first_byte_by)
        try:
            reply, reusable = self._request(wire, method, path, headers, body)
        except FirstByteTooLate:
            self._keep(connection)
            raise
        except MemoryError as error:
            connection.close()
            if wire.sent:
                raise Lost(f"no answer could be read: {shortage(error)}") from error
            raise
        except BaseException:
            connection.close()
            raise
        if reusable:
            self._keep(connection)
        else:
            connection.close()
        return reply

    def close(self) -> None:
        """Close this thread's connection."""
        if connection := self._kept.__dict__.pop("connection", None):
            connection.close()

    def _take_kept(self) -> "_Connection | None":
        connection: _Connection | None = self._kept.__dict__.pop("connection", None)
        if connection is None or connection.is_fresh():
            return connection
        connection.close()
        return None

    def _keep(self, connection: "_Connection") -> None:
        connection.used_at = time.monotonic()
        self._kept.connection = connection

    def _open(self, until: float) -> "_Connection":
        where = f"{self._host}:{self._port}"
        try:
            places = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise NotOpened(f"the host name {self._host} could not be resolved: {_reason(error)}") from _cause(error)
        failure: Exception | None = None
        for tried, (family, kind, protocol, _, address) in enumerate(places):
            # A share for each address: the first may be one that swallows packets.
            share = (until - time.monotonic()) / (len(places) - tried)
            if share <= 0:
                failure = failure or TimeoutError("timed out")
                break
            try:
                plain = socket.socket(family, kind, protocol)
            except OSError as error:  # a family that this machine lacks, or no file descriptor left
                failure = _worse(failure, error)
                continue
            try:
                plain.settimeout(share)
                plain.connect(address)
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return _Connection(self._secured(plain, until) if self._secure else plain)
            except OSError as error:  # ssl.SSLError and timeouts are OSErrors
                failure = _worse(failure, _cause(error))
                plain.close()
        raise NotOpened(f"no connection to {where}: {_reason(failure)}") from failure

    def _secured(self, plain: socket.socket, until: float) -> ssl.SSLSocket:
        plain.settimeout(max(until - time.monotonic(), 0.001))
        return _tls().wrap_socket(plain, server_hostname=self._host)

    def _request(
        self, wire: "_Wire", method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[Reply, bool]:
        # http.client frames the request and reads the answer; the socket stays ours.
        exchange = http.client.HTTPConnection(self._netloc)
        exchange.auto_open = 0  # or it would open a connection of its own and post a second time
        exchange.sock = wire
        cut: OSError | None = None
        try:
            exchange.request(method, path, body=body, headers={"Host": self._netloc, **headers})
        except OSError as error:
            if not wire.sent:
                raise NotOpened(f"the connection was lost before the first byte was sent: {_reason(error)}") from error
            cut = error  # a server that refuses a request early answers before it has read all
        try:
            response = exchange.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Lost(f"no answer came: {_reason(cut or error)}") from error
        if wire.ended:
            # http.client takes the end of the stream for the end of the headers.
            raise Lost("the answer was cut off in its headers", response.status)
        if cut is not None and response.status < 400:
            raise Lost(f"answered {response.status} to half a request: {_reason(cut)}", response.status)
        content, whole = _read_body(response)
        reply = Reply(response.status, response.reason, response.headers, content, whole)
        finished = whole and response.isclosed() and not response.will_close
        return reply, finished and cut is None and not wire.surplus


def _read_body(response: http.client.HTTPResponse) -> tuple[bytes, bool]:
    try:
        content = response.read(LARGEST_BODY)
        return content, not response.length
    except (OSError, http.client.HTTPException, ValueError):
        return b"", False


@cache
def _tls() -> ssl.SSLContext:
    """Return the process's one context: loading the certificates costs 40 ms.

    Without a descriptor OpenSSL loads none, and says nothing; such a context would never trust anybody.
    """
    made = ssl.create_default_context()
    if failure := no_descriptor():
        raise failure
    return made


def _cause(error: Exception) -> Exception:
    """Return the cause: without a descriptor glibc finds no name server, and OpenSSL no certificate."""
    return no_descriptor() or error


def _worse(first: Exception | None, second: Exception) -> Exception:
    """Return the error to report: an address family missing here must not hide how another address failed."""
    return first if first and not shortage(first) and shortage(second) else second


class _Connection:
    def __init__(self, opened: socket.socket) -> None:
        self.socket = opened
        self.used_at = time.monotonic()
        self._owner = os.getpid()

    def is_fresh(self) -> bool:
        """Tell whether a request may be written: not after a fork or a pause, nor if the server said anything."""
        if os.getpid() != self._owner or time.monotonic() - self.used_at > KEPT_FOR:
            return False
        try:
            with _selector() as selector:
                selector.register(self.socket, selectors.EVENT_READ)
                return not selector.select(timeout=0)
        except (OSError, ValueError):
            return False

    def close(self) -> None:
        try:  # noqa: SIM105 — also called when the interpreter ends, with our imports gone
            self.socket.close()
        except OSError:
            pass

    def __del__(self) -> None:
        self.close()  # the thread ended


def _selector() -> selectors.BaseSelector:
    """Return poll if there is one: select fails above file descriptor 1023, epoll costs one more descriptor."""
    return getattr(selectors, "PollSelector", selectors.SelectSelector)()


class _Wire:
    """The socket as http.client sees it: every read and write ends at one deadline, and what was sent is counted."""

    def __init__(self, opened: socket.socket, deadline: float, first_byte_by: float | None) -> None:
        self._socket = opened
        self._deadline = deadline
        self._first_byte_by = first_byte_by
        self.sent = 0
        self.ended = False  # the server closed its side
        self.surplus = False  # it said more than its answer
        self._done = False

    def sendall(self, data: bytes) -> None:
        view = memoryview(data).cast("B")
        while len(view):
            self._arm()
            # The last look before the first byte; a process that was stopped until now writes nothing.
            if not self.sent and self._first_byte_by is not None and time.monotonic() > self._first_byte_by:
                raise FirstByteTooLate
            count = self._socket.send(view[:_CHUNK])
            self.sent += count
            view = view[count:]

    def receive_into(self, buffer: Any) -> int:
        if self._done:
            return 0
        self._arm()
        count = self._socket.recv_into(buffer)
        self.ended = self.ended or not count
        return count

    def makefile(self, mode: str, *_: Any) -> io.BufferedReader:
        return _Reader(self)

    def answered(self, reader: io.BufferedReader) -> None:
        """Note that the answer has been read to its end; what is left in `reader` belongs to no request."""
        self._done = True
        self.surplus = bool(reader.peek(1))

    def close(self) -> None:
        """Do nothing: the transport closes, after the answer was read."""

    def _arm(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(left)


class _Incoming(io.RawIOBase):
    def __init__(self, wire: _Wire) -> None:
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._wire.receive_into(buffer)


class _Reader(io.BufferedReader):
    def __init__(self, wire: _Wire) -> None:
        super().__init__(_Incoming(wire))
        self._wire = wire

    def close(self) -> None:
        if not self.closed:
            self._wire.answered(self)
        super().close()


def _reason(error: Exception | None) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or 'the connection was closed'})"
    if isinstance(error, http.client.HTTPException) and not isinstance(error, OSError):
        return f"it was not HTTP ({type(error).__name__})"  # its message quotes what came
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
