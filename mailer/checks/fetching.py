"""Check that the pages behind an issue's links exist: `mailer check --links`.

The editor's machine stands inside networks that the author of a pasted address does not. So an address is resolved
once, every answer must be public, and the connection goes to exactly what was checked, for each redirect anew.
"""

import http.client
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote, urljoin, urlsplit

from mailer.checks.internet import Address, is_public
from mailer.checks.proofs import Proof, shortened
from mailer.content.assets.links import Destinations, LinkError, absolute
from mailer.content.findings import Finding

LANES = 8
PATIENCE = 10.0  # seconds for connecting, and again between two pieces of an answer
DEADLINE = 20.0  # seconds for a whole answer, however slowly it drips
WHOLE = 180.0  # seconds for all answers; no new one is asked for later
MOST_FAILURES = 2  # unanswered requests after which a host is not asked again
MOST_REDIRECTS = 5
AGENT = "mailer-link-check/1.0 (checks the links of a newsletter before it is sent)"
FOR_GOOD = (301, 308)
REDIRECTS = (301, 302, 303, 307, 308)
# Sites that let people in but not programs; 999 is LinkedIn's.
REFUSALS = (401, 402, 403, 405, 406, 407, 418, 425, 429, 451, 503, 999)

Place = tuple[int, tuple[str, int]]  # family, and address with port


@dataclass(frozen=True)
class Answer:
    """The result for one address."""

    status: int = 0  # of the last page; 0: there was no answer
    reason: str = ""  # why there was none
    moved_to: str = ""  # where the address leads for good, or on another site
    asked: bool = True  # else `reason` says why it was left out


def fetch(addresses: Iterable[str], may_connect: Callable[[Address], bool] = is_public) -> dict[str, Answer]:
    """Return the answer for each http(s) address. Eight hosts at a time, and one request at a time to each."""
    by_host: dict[str, list[str]] = {}
    for address in dict.fromkeys(addresses):
        by_host.setdefault(_host(address), []).append(address)
    visitor = _Visitor(may_connect)
    answers: dict[str, Answer] = {}
    with ThreadPoolExecutor(LANES) as lanes:
        for found in lanes.map(lambda group: [(one, visitor.visit(one)) for one in group], by_host.values()):
            answers.update(found)
    return answers


def _host(address: str) -> str:
    with suppress(ValueError):
        return (urlsplit(address).hostname or "").lower()
    return ""


class _Unreachable(Exception):
    """No answer; the text continues "does not answer: "."""


class _NotAsked(Exception):
    """The text continues "was not asked: "."""


class _Visitor:
    def __init__(self, may_connect: Callable[[Address], bool]) -> None:
        self.may_connect = may_connect
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._failures: Counter[str] = Counter()  # by host; each under the lock of its own
        self._until = time.monotonic() + WHOLE

    def visit(self, address: str) -> Answer:
        """Follow `address` to its final page."""
        here, moved = address, False
        for _ in range(MOST_REDIRECTS + 1):
            try:
                status, location = self._status(here)
            except _Unreachable as error:
                return Answer(0, str(error))
            except _NotAsked as error:
                return Answer(0, str(error), asked=False)
            if status not in REDIRECTS or not location:
                leads_away = moved or _host(here).removeprefix("www.") != _host(address).removeprefix("www.")
                return Answer(status, "", here if here != address and leads_away else "")
            moved = moved or status in FOR_GOOD
            here = urljoin(here, location)
        return Answer(0, f"it redirects more than {MOST_REDIRECTS} times")

    def _status(self, address: str) -> tuple[int, str]:
        try:
            parts = urlsplit(address)
            host, port = (parts.hostname or "").rstrip("."), parts.port
        except ValueError:
            raise _Unreachable("it is not a web address") from None
        if parts.scheme not in ("http", "https") or not host:
            raise _Unreachable("it redirects to something that is not a web page")
        path = quote(parts.path or "/", safe="%/:=&?~#+!$,;'@()*[]") + (
            f"?{_query(parts.query)}" if parts.query else ""
        )
        with self._lock_of(host):
            try:
                status, location = self._ask("HEAD", parts.scheme, host, port, path)
            except _Unreachable:
                status, location = 0, ""
                if self._failures[host] >= MOST_FAILURES:
                    raise
            # Many sites have no answer to HEAD, or a wrong one.
            return (status, location) if 0 < status < 400 else self._ask("GET", parts.scheme, host, port, path)

    def _lock_of(self, host: str) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault(host.lower(), threading.Lock())

    def _ask(self, method: str, scheme: str, host: str, port: int | None, path: str) -> tuple[int, str]:
        if self._failures[host] >= MOST_FAILURES:
            raise _NotAsked("its site did not answer earlier")
        if time.monotonic() > self._until:
            raise _NotAsked(f"no complete answer within {WHOLE:g} seconds")
        try:
            return self._answer(method, scheme, host, port, path)
        except _Unreachable:
            self._failures[host] += 1
            raise

    def _answer(self, method: str, scheme: str, host: str, port: int | None, path: str) -> tuple[int, str]:
        addresses = self._resolve(host, port or (443 if scheme == "https" else 80))
        connection = _connection(scheme, host, port, addresses)
        late = threading.Timer(DEADLINE, _hang_up, [connection])
        late.daemon = True
        late.start()
        try:
            connection.request(method, path, headers={"User-Agent": AGENT, "Accept": "*/*"})
            response = connection.getresponse()
            return response.status, _readable(response.getheader("Location") or "")
        except TimeoutError:
            raise _Unreachable(f"no answer within {PATIENCE:g} seconds") from None
        except ssl.SSLError as error:
            raise _Unreachable(f"its certificate is invalid ({_first(error.reason or error)})") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _Unreachable(_first(error)) from None
        finally:
            late.cancel()
            connection.close()

    def _resolve(self, host: str, port: int) -> list[Place]:
        """Return where to connect; all of the name's addresses are checked before one is used."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise _Unreachable("the host does not exist") from None
        found_places: list[Place] = [(family, (str(where[0]), port)) for family, _, _, _, where in found]
        for _, (address, _) in found_places:
            if not self.may_connect(ipaddress.ip_address(address)):
                raise _Unreachable("it is in a private network, which subscribers cannot reach")
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


def _hang_up(connection: http.client.HTTPConnection) -> None:
    with suppress(OSError, AttributeError):
        connection.sock.shutdown(socket.SHUT_RDWR)


# ---------------------------------------------------------------- findings


def look(proof: Proof, answers: Mapping[str, Answer]) -> list[Finding]:
    """Report what the answers mean for the issue's links, each address once."""
    found = []
    for address, (line, column) in places(proof).items():
        answer = answers.get(address, Answer())
        if told := _told(shortened(address, 70), answer):
            found.append(proof.finding(line, column, *told))
    return found


def places(proof: Proof) -> dict[str, tuple[int, int]]:
    """Return the web addresses of the issue's links and remote images, with where each is written first."""
    found: dict[str, tuple[int, int]] = {}
    for link in proof.links:
        if address := _address(proof, link.target):
            found.setdefault(address, (link.line, link.column))
    for picture in proof.pictures:
        if re.match(r"(https?:)?//", picture.target, re.IGNORECASE) and (address := _address(proof, picture.target)):
            found.setdefault(address, (picture.line, picture.column))
    return found


def _address(proof: Proof, target: str) -> str:
    """Return the page that a link opens, or "" for an anchor, a mailbox, or an issue with a page here."""
    if not target or target.startswith("#") or "{{" in target:
        return ""
    issue = proof.issue
    place = PurePosixPath(*issue.path.resolve().parent.relative_to(issue.folder).parts)
    # An archive that is not public yet cannot be asked; that its pages exist is known.
    destinations = Destinations(proof.newsletter.source_url, place, "archive:", proof.known_slugs)
    try:
        address = absolute(target, destinations)
    except LinkError:
        return ""
    return address.split("#")[0] if address.lower().startswith(("http://", "https://")) else ""


def _told(address: str, answer: Answer) -> tuple[str, str, str] | None:
    """Return (rule, message, fix), or None if the page exists."""
    if not answer.asked:
        return "link-unasked", f'"{address}" was not checked: {answer.reason}', "open it in a browser, or check again"
    if not answer.status:
        return "link-dead", f'"{address}" does not answer: {answer.reason}', "correct the link, or remove it"
    if answer.status in REFUSALS:
        return (
            "link-refused",
            f'"{address}" answers {answer.status} to programs, but may work for people',
            "open it in a browser once",
        )
    if answer.status >= 400:
        return "link-dead", f'"{address}" answers {answer.status}', "correct the link, or remove it"
    if answer.moved_to:
        return (
            "link-moved",
            f'"{address}" redirects to {shortened(answer.moved_to, 90)}',
            "use that address if it is the page you mean",
        )
    return None
