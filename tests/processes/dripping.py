"""Slow clients: they send a request byte by byte, read the response as slowly, or send nothing at all."""

import asyncio
import selectors
import socket
import ssl
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, cycle, islice, repeat
from types import TracebackType

HEAD = b"POST /subscribe/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
FORM = HEAD + b"Content-Type: application/x-www-form-urlencoded\r\n"
BIG = b"GET /static/admin/js/vendor/xregexp/xregexp.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
# kind → what is sent at once, and what follows byte by byte, again and again
KINDS = {
    "nothing": (b"", b""),
    "a request line": (b"", b"GET /" + b"a" * 4000),
    "headers": (HEAD, b"X-Drip: drop\r\n"),
    "a body": (FORM + b"Content-Length: 60000\r\n\r\n", b"email=a&"),
    "a chunked body": (FORM + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    "an answer": (BIG * 12, b""),  # 4 MB, of which it reads a little at a time
}


@dataclass(eq=False)
class _Client:
    kind: str
    line: socket.socket | None = None
    waiting: "cycle[int]" = field(default_factory=lambda: cycle(b""))


class Drippers:
    """Hold this many connections of all kinds until the block ends; reopen one soon after the server closes it."""

    def __init__(self, port: int, number: int, kinds: tuple[str, ...] = tuple(KINDS), pause: float = 1.0) -> None:
        self.cut_off: Counter[str] = Counter()  # kind → connections that the server ended
        self.told: Counter[str] = Counter()  # kind → of these, told 408
        self._address = ("127.0.0.1", port)
        self._clients = [_Client(kind) for kind in islice(cycle(kinds), number)]
        self._pause = pause
        self._selector = selectors.DefaultSelector()
        self._stopping = threading.Event()
        self._all_open = threading.Event()
        self._thread = threading.Thread(target=self._run, name="drippers", daemon=True)

    def __enter__(self) -> "Drippers":
        self._thread.start()
        assert self._all_open.wait(120), "the drippers are not connected"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopping.set()
        self._thread.join()
        for client in self._clients:
            self._close(client)
        self._selector.close()

    def open(self) -> int:
        """Return how many of them are connected now."""
        return sum(client.line is not None for client in self._clients)

    def _run(self) -> None:
        while not self._stopping.is_set():
            for client in self._clients:
                if client.line is None:
                    self._open(client)
                else:
                    self._drip(client)
            self._all_open.set()
            until = time.monotonic() + self._pause
            while (left := until - time.monotonic()) > 0 and not self._stopping.is_set():
                self._listen(left)

    def _open(self, client: _Client) -> None:
        at_once, after = KINDS[client.kind]
        line = socket.socket()
        if client.kind == "an answer":
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.settimeout(5)
        try:
            line.connect(self._address)
            line.setblocking(False)
            if at_once:
                line.send(at_once)
        except OSError:
            line.close()
            return
        client.line, client.waiting = line, cycle(after)
        if client.kind != "an answer":
            self._selector.register(line, selectors.EVENT_READ, client)

    def _drip(self, client: _Client) -> None:
        assert client.line is not None
        try:
            if client.kind == "an answer":
                if not client.line.recv(100):
                    self._lost(client, b"")
            else:
                client.line.send(bytes(islice(chain(client.waiting, repeat(0, 0)), 1)))
        except BlockingIOError:
            """It is full, or empty."""
        except OSError:
            self._lost(client, b"")

    def _listen(self, seconds: float) -> None:
        for key, _ in self._selector.select(min(seconds, 0.2)):
            try:
                heard = key.fileobj.recv(65_536)  # type: ignore[union-attr]
            except BlockingIOError:
                continue
            except OSError:
                heard = b""
            if heard and b" 408 " not in heard[:20]:
                continue
            self._lost(key.data, heard)

    def _lost(self, client: _Client, heard: bytes) -> None:
        self.cut_off[client.kind] += 1
        self.told[client.kind] += bool(heard)
        self._close(client)

    def _close(self, client: _Client) -> None:
        if client.line is not None:
            if client.line in self._selector.get_map():
                self._selector.unregister(client.line)
            client.line.close()
            client.line = None


class TlsDrippers:
    """As `Drippers`, over TLS and for a host: they send a request byte by byte and reconnect when cut off."""

    SENT = {kind: KINDS[kind] for kind in ("headers", "a body", "a chunked body")}

    def __init__(self, port: int, host: str, number: int) -> None:
        self._port, self._host = port, host
        self._open = 0
        self._loop = asyncio.new_event_loop()
        self._all_open = threading.Event()
        self._kinds = list(islice(cycle(self.SENT), number))
        self._thread = threading.Thread(target=self._run, name="drippers", daemon=True)

    def __enter__(self) -> "TlsDrippers":
        self._thread.start()
        assert self._all_open.wait(120), "the drippers are not connected"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._all.cancel)
        self._thread.join()

    def open(self) -> int:
        """Return how many of them are connected now."""
        return self._open

    def _run(self) -> None:
        self._all = self._loop.create_task(self._drip_all())
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._all)
        self._loop.close()

    async def _drip_all(self) -> None:
        await asyncio.gather(*map(self._drip_again, self._kinds))

    async def _drip_again(self, kind: str) -> None:
        while True:
            with suppress(OSError):
                await self._drip(*self.SENT[kind])

    async def _drip(self, at_once: bytes, after: bytes) -> None:
        trusting = ssl._create_unverified_context()
        _, line = await asyncio.open_connection("127.0.0.1", self._port, ssl=trusting, server_hostname=self._host)
        self._open += 1
        if self._open == len(self._kinds):
            self._all_open.set()
        try:
            line.write(at_once.replace(b"127.0.0.1", self._host.encode()))
            for byte in cycle(after):
                line.write(bytes([byte]))
                await line.drain()
                await asyncio.sleep(0.5)
        finally:
            self._open -= 1
            line.close()
