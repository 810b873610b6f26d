"""The stand-in's responses on the socket: whole, late, cut off, or a reset."""

import json
import socket
import struct
import time
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from tests.stand_in.essentials import error
from tests.stand_in.faults import Fault

if TYPE_CHECKING:
    from tests.stand_in.servers import Server


class Answers(BaseHTTPRequestHandler):
    server: "Server"
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.api = self.server.api
        self.number = self.server.open.get(self.connection, 0)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""

    def has_key(self) -> bool:
        return self.key_given() in (self.api.key, *self.api.other_keys)

    def key_given(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def refuse_key(self) -> None:
        self.answer(401, {"errors": [error("The provided authorization grant is invalid, expired, or revoked", None)]})

    def answer_too_large(self) -> None:
        page = "<html><head><title>413</title></head><body><h1>413 Request Entity Too Large</h1></body></html>"
        self.answer_as_given(413, page, {"Content-Type": "text/html"})

    def answer(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        kind = {"Content-Type": "application/json"} if content is not None else {}
        self.answer_as_given(status, "" if content is None else json.dumps(content), {**kind, **(headers or {})})

    def answer_as_given(self, status: int, body: str = "", headers: dict[str, str] | None = None) -> None:
        if hasattr(self, "entry"):
            self.entry["status"] = status
            del self.entry
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body.encode())), **(headers or {})}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body.encode())

    def answer_wrongly(self, fault: Fault, message_id: str) -> None:
        """Answer in the way of one of FAULTS instead of 202."""
        options = fault.options
        match fault.name:
            case "too many":
                reset = str(int(time.time() + options.get("seconds", 1)))
                self.answer(429, {"errors": [error("too many requests", None)]}, {"X-RateLimit-Reset": reset})
            case "error before accepting" | "error after accepting":
                status = options.get("status", 503 if fault.name == "error before accepting" else 500)
                self.answer(status, {"errors": [error("internal error", None)]})
            case "close before accepting" | "close after accepting":
                self.reset()
            case "hang before accepting" | "hang after accepting":
                self.api.stopping.wait(options.get("seconds"))
                self.reset()
            case "late":
                self.api.stopping.wait(options.get("seconds", 1))
                self.answer(202, None, {"X-Message-Id": message_id})
            case "trickle":
                self.trickle(options.get("seconds", 0.1))
            case "cut status line":
                self.cut(b"HTTP/1.1 202")
            case "cut headers":
                self.cut(b"HTTP/1.1 202 Accepted\r\nX-Message-Id: abc")
            case "cut body":
                status = options.get("status", 202)
                self.cut(f'HTTP/1.1 {status} x\r\nX-Message-Id: abc\r\nContent-Length: 50\r\n\r\n{{"err'.encode())
            case "redirect":
                self.answer(302, None, {"Location": f"{self.api.url}/elsewhere"})
            case "200":
                self.answer(200, None)
            case "answer":
                self.answer_as_given(**options)
            case "unauthorized":
                self.refuse_key()
            case "no credits":
                self.answer(401, {"errors": [error("Maximum credits exceeded", None)]})
            case "forbidden":
                words = "The from address does not match a verified Sender Identity."
                self.answer(403, {"errors": [error(words, "from")]})
            case "too large":
                self.answer_too_large()
            case "close when idle":
                self.answer(202, None, {"X-Message-Id": message_id})
                time.sleep(options.get("seconds", 0))
                self.close_connection = True

    def trickle(self, pause: float) -> None:
        self.close_connection = True
        for byte in b"HTTP/1.1 202 Accepted\r\nX-Message-Id: slow\r\nContent-Length: 0\r\n\r\n":
            self.wfile.write(bytes([byte]))
            if self.api.stopping.wait(pause):
                return

    def cut(self, some: bytes) -> None:
        self.close_connection = True
        self.wfile.write(some)

    def reset(self) -> None:
        """End the connection with RST, as when a load balancer loses its server."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.server.open.pop(self.connection, None)
        self.connection.close()
