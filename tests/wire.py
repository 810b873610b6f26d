"""The web application as a server calls it, below Django's test client, which completes bodies of any length."""

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from wsgiref.util import setup_testing_defaults

from django.core.signals import request_started
from django.db import close_old_connections

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    cookies: list[str]
    text: str


class Pieces:
    """A body as a server delivers it, in pieces; an exception among them is raised at its place."""

    def __init__(self, pieces: Iterable[bytes | Exception]) -> None:
        self._pieces = list(pieces)

    def read(self, size: int) -> bytes:
        while self._pieces:
            piece = self._pieces.pop(0)
            if isinstance(piece, Exception):
                raise piece
            if len(piece) > size:
                self._pieces.insert(0, piece[size:])
            if piece:
                return piece[:size]
        return b""

    def readline(self, size: int = -1) -> bytes:
        raise AssertionError("no page reads from the connection itself")


def ask(method: str, path: str, body: Iterable[bytes | Exception] = (), **environ: str) -> Answer:
    """Return the application's response; `environ` holds headers as WSGI names them (HTTP_HOST)."""
    from mailer.web.wsgi import application

    asked = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path.partition("?")[0],
        "QUERY_STRING": path.partition("?")[2],
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": FORM,
        "HTTP_HOST": "127.0.0.1:8000",
        "wsgi.input": Pieces(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.input_terminated": True,
    } | environ
    setup_testing_defaults(asked)
    begun: list[tuple[str, list[tuple[str, str]]]] = []
    request_started.disconnect(close_old_connections)  # as Django's test client: the test's transaction goes on
    try:
        told = b"".join(application(asked, lambda status, headers, *_: begun.append((status, headers))))
    finally:
        request_started.connect(close_old_connections)
    status, headers = begun[0]
    cookies = [value for name, value in headers if name == "Set-Cookie"]
    return Answer(int(status.split()[0]), dict(headers), cookies, told.decode())


def post(path: str, body: bytes, **environ: str) -> Answer:
    """Post with a Content-Length."""
    return ask("POST", path, [body], **({"CONTENT_LENGTH": str(len(body))} | environ))


def streamed(path: str, body: Iterable[bytes | Exception], **environ: str) -> Answer:
    """Post in chunks, which the server has joined, without a Content-Length."""
    return ask("POST", path, body, **({"HTTP_TRANSFER_ENCODING": "chunked"} | environ))


def environ_of(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers as WSGI names them."""
    return {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
