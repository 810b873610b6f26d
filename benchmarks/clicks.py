# ruff: noqa: T201 — it prints what it saw
"""A mailbox provider that unsubscribes subscribers by one-click (RFC 8058), cheaply: one thread, connections kept open.

    python -m benchmarks.clicks PORT LINKS CONNECTIONS RATE < until-this-ends

LINKS has a line for each subscriber, `id path`. RATE is how many become due a second, 0 for as many as are answered. A
post waits from when it is due, so one that finds all connections busy counts as slow. It ends with its standard input,
or with the links, and prints JSON: its own CPU, and for each post subscriber, time due, time answered (both
`time.time()`, which PostgreSQL on this machine has too) and what came: a status, or what happened to the connection.
"""

import json
import select
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

BODY = b"List-Unsubscribe=One-Click"
REQUEST = (
    b"POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 26\r\n\r\n" + BODY
)
PATIENCE = 30.0  # seconds, after which a mailbox provider gives up


@dataclass
class Post:
    subscriber: int
    due: float
    answer: bytes = b""


class Clicks:
    def __init__(self, port: int, connections: int) -> None:
        self._port = port
        self._poll = select.epoll()
        self._open: dict[int, socket.socket] = {}
        self._free: list[int] = []
        self._waiting: dict[int, Post] = {}
        self._unopened = connections
        self.answers: list[tuple[int, float, float, str]] = []

    def run(self, links: Iterator[tuple[int, bytes]], rate: float) -> None:
        """Post until standard input or the links end, and wait for the answers that are due then."""
        self._poll.register(sys.stdin.fileno(), select.EPOLLIN | select.EPOLLHUP)
        began, taken, more = time.time(), 0, True
        while more or self._waiting:
            while more and (self._free or self._unopened) and (due := self._due(began, taken, rate)) <= time.time():
                link = next(links, None)
                if link is None:
                    more = False
                    break
                taken += 1
                self._post(link, due)
            for descriptor, _ in self._poll.poll(self._patience(began, taken, rate) if more else 1.0):
                if descriptor == sys.stdin.fileno():
                    more = False
                    self._poll.unregister(descriptor)
                else:
                    self._receive(descriptor)
            self._give_up()

    def _due(self, began: float, taken: int, rate: float) -> float:
        return began + taken / rate if rate else time.time()

    def _patience(self, began: float, taken: int, rate: float) -> float:
        if not (self._free or self._unopened):
            return 1.0
        return min(1.0, max(0.0, self._due(began, taken, rate) - time.time()))

    def _post(self, link: tuple[int, bytes], due: float) -> None:
        post = Post(link[0], due)
        try:
            descriptor = self._free.pop() if self._free else self._connect()
        except OSError as error:
            time.sleep(0.01)  # nothing listens: the next one would fail as fast
            self._note(post, f"not connected, {type(error).__name__}")
            return
        self._waiting[descriptor] = post
        try:
            self._open[descriptor].sendall(REQUEST % (link[1], self._port))
        except OSError as error:
            self._lose(descriptor, f"not sent, {type(error).__name__}")

    def _connect(self) -> int:
        connected = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unopened -= 1
        self._open[connected.fileno()] = connected
        self._poll.register(connected.fileno(), select.EPOLLIN)
        return connected.fileno()

    def _receive(self, descriptor: int) -> None:
        post = self._waiting.get(descriptor)
        try:
            received = self._open[descriptor].recv(65_536)
        except OSError as error:
            self._lose(descriptor, f"cut, {type(error).__name__}")
            return
        if not received:
            self._lose(descriptor, "closed without an answer")
        elif post is not None:
            post.answer += received
            head, ended, body = post.answer.partition(b"\r\n\r\n")
            if ended and len(body) >= _length(head):
                del self._waiting[descriptor]
                status = head[9:12].decode()
                self._note(post, status if status == "200" else f"{status} {body[:60].decode(errors='replace')}")
                self._free.append(descriptor)
                if b"connection: close" in head.lower():
                    self._lose(descriptor, "")

    def _lose(self, descriptor: int, why: str) -> None:
        if descriptor in self._free:
            self._free.remove(descriptor)
        if post := self._waiting.pop(descriptor, None):
            self._note(post, why)
        self._poll.unregister(descriptor)
        self._open.pop(descriptor).close()
        self._unopened += 1

    def _give_up(self) -> None:
        now = time.time()
        for descriptor in [one for one, post in self._waiting.items() if post.due + PATIENCE < now]:
            self._lose(descriptor, f"no answer within {PATIENCE:g} s")

    def _note(self, post: Post, what: str) -> None:
        self.answers.append((post.subscriber, post.due, time.time(), what))


def _length(head: bytes) -> int:
    name = b"content-length:"
    at = head.lower().find(name)
    return int(head[at + len(name) :].split(b"\r\n", 1)[0]) if at >= 0 else 0


def main() -> None:
    port, path, connections, rate = sys.argv[1:]
    with open(path, "rb") as file:
        links = [(int(number), link) for number, link in map(bytes.split, file)]
    clicks = Clicks(int(port), int(connections))
    began = time.process_time()
    clicks.run(iter(links), float(rate))
    print(json.dumps({"cpu": time.process_time() - began, "answers": clicks.answers}))


if __name__ == "__main__":
    main()
