"""Read the body of each request completely before Django sees the request, however its end is marked.

Django takes a request without Content-Length for one without a body, and a body that broke off for a complete one. But
tunnels and CDNs stream what they pass on (Transfer-Encoding: chunked), and connections do break off: a subscriber who
pressed "unsubscribe from everything" would be answered as if nothing had been asked.
"""

from collections.abc import Callable, Iterable
from enum import Enum
from io import BytesIO
from typing import Any, Protocol

FORM, EVENTS = 65_536, 5_000_000  # bytes; providers were seen to post 768 kB
WHERE_EVENTS_COME = "/webhooks/"
FAULT = "mailer.body_fault"  # in the environment of a request whose body could not be read: then it seems empty

Environment = dict[str, Any]
Application = Callable[[Environment, Callable[..., Any]], Iterable[bytes]]


class Fault(Enum):
    """Why a body could not be read."""

    TOO_LARGE = "the body is too large"
    BROKEN_OFF = "the body ended early or is malformed"
    NOT_UNDERSTOOD = "the Content-Length of the body is invalid"


class BodyError(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


class WholeBodies:
    """WSGI middleware: below it each body is in memory, and as long as CONTENT_LENGTH says."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def __call__(self, environ: Environment, start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            body = _body(environ)
        except BodyError as error:
            environ[FAULT], body = error.fault, b""
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ["CONTENT_LENGTH"] = str(len(body))
        environ["wsgi.input"] = BytesIO(body)
        return self._application(environ, start_response)


def limit_of(path: str) -> int:
    return EVENTS if path.startswith(WHERE_EVENTS_COME) else FORM


def _body(environ: Environment) -> bytes:
    """Return the request's body. Raises BodyError."""
    length, coding = environ.get("CONTENT_LENGTH") or "", environ.get("HTTP_TRANSFER_ENCODING") or ""
    limit = limit_of(environ.get("PATH_INFO", ""))
    if coding:
        return _streamed(environ, length, coding, limit)
    if not length:
        return b""  # RFC 9112 §6.3: a request that names neither has none
    if not (length.isascii() and length.isdigit()):
        raise BodyError(Fault.NOT_UNDERSTOOD)
    digits = length.lstrip("0") or "0"
    if len(digits) > len(str(limit)) or int(digits) > limit:
        raise BodyError(Fault.TOO_LARGE)  # unread
    body = _read(environ["wsgi.input"], int(digits))
    if len(body) < int(digits):
        raise BodyError(Fault.BROKEN_OFF)
    return body


def _streamed(environ: Environment, length: str, coding: str, limit: int) -> bytes:
    # Both lengths in one request are how requests are smuggled past a proxy (RFC 9112 §6.1). Without
    # `wsgi.input_terminated` the server does not say where the body ends, and reading might never end.
    if length or coding.strip().lower() != "chunked" or not environ.get("wsgi.input_terminated"):
        raise BodyError(Fault.NOT_UNDERSTOOD)
    body = _read(environ["wsgi.input"], limit + 1)
    if len(body) > limit:
        raise BodyError(Fault.TOO_LARGE)
    return body


def _read(stream: _Stream, size: int) -> bytes:
    """Return `size` bytes, or what comes until the end. Raises BodyError."""
    found = bytearray()
    try:
        while len(found) < size and (piece := stream.read(size - len(found))):
            found += piece
    except Exception:  # noqa: BLE001 — each server has errors of its own for chunks that are malformed or end early
        raise BodyError(Fault.BROKEN_OFF) from None
    return bytes(found)
