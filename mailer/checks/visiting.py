"""Make requests to addresses that somebody wrote into an issue, without opening the networks of this machine to them.

The editor's machine stands inside networks that the author of a pasted address does not. So an address is resolved
once, every answer must be public, and the connection goes to exactly what was checked, for each redirect anew.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from mailer.checks.internet import Address, is_public

PATIENCE = 10.0  # seconds for connecting, and again between two pieces of an answer
DEADLINE = 20.0  # seconds for a whole answer, however slowly it drips
WHOLE = 180.0  # seconds for all answers; no new one is asked for later
MOST_FAILURES = 2  # unanswered requests after which a host is not asked again
MOST_REDIRECTS = 5
FOR_GOOD = (301, 308)
REDIRECTS = (301, 302, 303, 307, 308)
NO_PAGE = "it redirects to something that is not a web page"
PIECE = 65_536  # bytes

Place = tuple[int, tuple[str, int]]  # family, and address with port


@dataclass(frozen=True)
class Reply:
    """What one request was answered."""

    status: int
    location: str = ""  # of a redirect
    content: bytes = b""


@dataclass(frozen=True)
class Visit:
    """Where an address led in the end."""

    address: str
    reply: Reply
    moved: bool  # some redirect on the way is for good


class Unreachable(Exception):
    """There was no answer; the text continues "does not answer: "."""


class InsideNetwork(Unreachable):
    """The address is in a private network: nobody outside can open it."""

    def __init__(self) -> None:
        super().__init__("it is in a private network, which subscribers cannot reach")


class NotAsked(Exception):
    """The text continues "was not asked: "."""


class TooLong(Exception):
    """The answer has more bytes than the visitor takes."""


def host_of(address: str) -> str:
    with suppress(ValueError):
        return (urlsplit(address).hostname or "").lower().rstrip(".")
    return ""


def by_host(addresses: Iterable[str]) -> list[list[str]]:
    """Return the addresses, each once, in a list for each host."""
    groups: dict[str, list[str]] = {}
    for address in dict.fromkeys(addresses):
        groups.setdefault(host_of(address), []).append(address)
    return list(groups.values())


class Visitor:
    """Makes one request at a time to each host, and gives up on hosts that do not answer. For several threads."""

    agent = ""  # how it introduces itself
    accept = "*/*"
    most_bytes = 0  # of an answer that are read; 0: its headers alone
    deadline = DEADLINE
    whole = WHOLE

    def __init__(self, may_connect: Callable[[Address], bool] = is_public) -> None:
        self.may_connect = may_connect
        self._locks: dict[str, threading.RLock] = {}
        self._lock = threading.Lock()
        self._failures: Counter[str] = Counter()  # by host; each under the lock of its own
        self._until = time.monotonic() + self.whole

    def follow(self, address: str, ask: Callable[[str], Reply]) -> Visit:
        """Return where redirects lead. `ask` makes one request. Raises Unreachable, NotAsked, and what `ask` does."""
        here, moved = address, False
        for _ in range(MOST_REDIRECTS + 1):
            with self._lock_of(host_of(here)):
                reply = ask(here)
            if reply.status not in REDIRECTS or not reply.location:
                return Visit(here, reply, moved)
            moved = moved or reply.status in FOR_GOOD
            try:
                here = urljoin(here, reply.location)
            except ValueError:
                raise Unreachable(NO_PAGE) from None
        raise Unreachable(f"it redirects more than {MOST_REDIRECTS} times")

    def ask(self, method: str, address: str) -> Reply:
        """Make one request. Raises Unreachable, NotAsked, and TooLong."""
        try:
            parts = urlsplit(address)
            host, port = (parts.hostname or "").rstrip("."), parts.port
            path = quote(parts.path or "/", safe="%/:=&?~#+!$,;'@()*[]")
            path += f"?{_query(parts.query)}" if parts.query else ""
        except ValueError:
            raise Unreachable("it is not a web address") from None
        if parts.scheme not in ("http", "https") or not host:
            raise Unreachable(NO_PAGE)
        if self.gave_up(host):
            raise NotAsked("its site did not answer earlier")
        if time.monotonic() > self._until:
            raise NotAsked(f"no complete answer within {self.whole:g} seconds")
        try:
            return self._answer(method, parts.scheme, host, port, path)
        except Unreachable:
            self._failures[host.lower()] += 1
            raise

    def stop(self) -> None:
        """Let no further request begin."""
        self._until = 0.0

    def gave_up(self, host: str) -> bool:
        return self._failures[host.lower()] >= MOST_FAILURES

    def _lock_of(self, host: str) -> threading.RLock:
        with self._lock:
            return self._locks.setdefault(host, threading.RLock())

    def _answer(self, method: str, scheme: str, host: str, port: int | None, path: str) -> Reply:
        addresses = self._resolve(host, port or (443 if scheme == "https" else 80))
        try:
            with closing(_connection(scheme, host, port, addresses)) as connection:
                connection.connect()
                with _hanging_up(connection.sock, self.deadline):
                    connection.request(method, path, headers={"User-Agent": self.agent, "Accept": self.accept})
                    with connection.getresponse() as response:
                        content = self._read(response) if response.status == 200 else b""
                        return Reply(response.status, _readable(response.getheader("Location") or ""), content)
        except TimeoutError:
            raise Unreachable(f"no answer within {PATIENCE:g} seconds") from None
        except ssl.SSLError as error:
            raise Unreachable(f"its certificate is invalid ({_first(error.reason or error)})") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unreachable(_first(error)) from None

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        """Read the answer's bytes, piece by piece: each has its own patience."""
        if not self.most_bytes:
            return b""
        content = bytearray()
        while piece := response.read1(PIECE):
            content += piece
            if len(content) > self.most_bytes:
                raise TooLong
        if response.length:  # what its header announced and never came
            raise Unreachable("its answer ended early")
        return bytes(content)

    def _resolve(self, host: str, port: int) -> list[Place]:
        """Return where to connect; all of the name's addresses are checked before one is used."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            # Systems differ in what they say without a network; many say the same as of a wrong name.
            raise Unreachable("the host does not exist, or this machine is offline") from None
        found_places: list[Place] = [(family, (str(where[0]), port)) for family, _, _, _, where in found]
        for _, (address, _) in found_places:
            if not self.may_connect(ipaddress.ip_address(address)):
                raise InsideNetwork
        return found_places


def _query(query: str) -> str:
    return quote(query, safe="%/:=&?~#+!$,;'@()*[]|{}")


def _readable(location: str) -> str:
    """Decode a header: http.client reads it as Latin-1; sites write UTF-8."""
    with suppress(UnicodeError):
        return location.encode("latin-1").decode("utf-8")
    return location


def _first(error: object) -> str:
    text = str(getattr(error, "strerror", None) or error).strip().splitlines()
    return text[0].lower() if text else type(error).__name__


def _connection(scheme: str, host: str, port: int | None, places: list[Place]) -> http.client.HTTPConnection:
    """Open a connection to one of `places`, which still asks for `host` and checks that name's certificate."""
    host = f"[{host}]" if ":" in host else host
    if scheme == "https":
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, port, timeout=PATIENCE, context=ssl.create_default_context()
        )
    else:
        connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    # http.client connects through this hook alone; the name is not looked up a second time.
    connection._create_connection = lambda *_args, **_more: _connect(places)  # type: ignore[attr-defined]
    return connection


def _connect(places: list[Place]) -> socket.socket:
    last: OSError = OSError("the host does not exist")
    for family, where in places[:3]:
        found = socket.socket(family, socket.SOCK_STREAM)
        found.settimeout(PATIENCE)
        try:
            found.connect(where)
        except OSError as error:
            found.close()
            last = error
        else:
            return found
    raise last


@contextmanager
def _hanging_up(connected: socket.socket, seconds: float) -> Iterator[None]:
    """Hang up after so many seconds, and raise Unreachable then, whatever was read.

    A site can drip for ever within one header, one size of a chunk or one trailer: http.client returns from none of
    them. What it makes of the end of a connection may look like a complete answer.
    """
    until = time.monotonic() + seconds
    late = threading.Timer(seconds, _hang_up, [connected])
    late.daemon = True
    late.start()
    try:
        yield
    except Exception:
        if time.monotonic() <= until:
            raise
    finally:
        late.cancel()
    if time.monotonic() > until:
        raise Unreachable(f"no complete answer within {seconds:g} seconds")


def _hang_up(connected: socket.socket) -> None:
    with suppress(OSError):
        # Not the method of a TLS socket, which drops its state under the thread that reads.
        socket.socket.shutdown(connected, socket.SHUT_RDWR)
