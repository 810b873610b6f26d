"""The stand-in's server: route each request, and let it meet a fault."""

import contextlib
import json
import socket
import socketserver
import threading
import time
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.stand_in.answers import Answers
from tests.stand_in.essentials import error, essential_errors
from tests.stand_in.faults import Fault

if TYPE_CHECKING:
    from tests.stand_in.provider import StandIn


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, api: "StandIn", port: int) -> None:
        self.api = api
        self.open: dict[socket.socket, int] = {}  # and which connection it is
        super().__init__(("127.0.0.1", port), Handler)
        if api.tls:
            self.socket = api.tls.wrap_socket(self.socket, server_side=True)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer looks up the machine's name, which can take seconds

    def process_request(self, request: Any, client_address: Any) -> None:
        with self.api.lock:
            self.api.connections += 1
            self.open[request] = self.api.connections
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.pop(request, None)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: a client that went away is not an event."""


class Handler(Answers):
    def do_GET(self) -> None:
        if self.path == "/elsewhere":
            self.answer(200, {"welcome": "to another page"})
        elif not self.has_key():
            self.refuse_key()
        elif self.path == "/v3/scopes":
            self.answer(200, {"scopes": ["mail.send", "user.credits.read"]})
        elif self.path == "/v3/user/credits" and self.api.credits is not None:
            self.answer(200, self.api.credits)
        elif self.path == "/state":
            with self.api.lock:
                state = {"connections": self.api.connections, "requests": len(self.api.requests)}
                self.answer(200, {**state, "times_mailed": dict(self.api.times_mailed)})
        else:
            self.answer(404, {"errors": [error("Not found.", None)]})

    def do_DELETE(self) -> None:
        """Accept the removal of addresses from lists of bounces and complaints, which the stand-in does not keep."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.has_key():
            self.refuse_key()
        elif self.path.startswith("/v3/suppression/"):
            self.answer(204, None)
        else:
            self.answer(404, {"errors": [error("Not found.", None)]})

    def do_POST(self) -> None:
        at = time.monotonic()
        if self.path == "/v3/mail/send" and self.meets_early_fault():
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if len(body) != int(self.headers.get("Content-Length") or 0):
            self.close_connection = True
        elif self.path == "/faults":
            self.switch(json.loads(body))
        elif self.path != "/v3/mail/send":
            self.answer(404, {"errors": [error("Not found.", None)]})
        elif not self.has_key():
            self.api.strangers += 1
            self.refuse_key()
        else:
            self.mail_send(body, at)

    def switch(self, orders: list[dict[str, Any]]) -> None:
        """Handle POST /faults, from a test to a stand-in in another process."""
        for order in orders:
            if "fault" in order:
                self.api.fail(order.pop("fault"), times=order.pop("times", 1), **order)
            for name in ("bad_addresses", "unnamed_bad_addresses"):
                if name in order:
                    setattr(self.api, name, set(order[name]))
            for name in ("latency", "credits", "too_large_above"):
                if name in order:
                    setattr(self.api, name, order[name])
            if order.get("repair"):
                self.api.repair()
        self.answer(200, {})
        for order in orders:
            if "refuse_for" in order:
                threading.Thread(target=self.refuse_for, args=(order["refuse_for"],), daemon=True).start()

    def refuse_for(self, seconds: float) -> None:
        self.api.refuse_connections()
        self.api.stopping.wait(seconds)
        if not self.api.stopping.is_set():
            self.api.listen()

    # -------------------------------------------------------------- mail

    def mail_send(self, body: bytes, at: float) -> None:
        if self.api.latency:
            time.sleep(self.api.latency)
        try:
            payload = json.loads(body)
        except ValueError:
            self.answer(400, {"errors": [error("Bad Request", None)]})
            return
        if errors := essential_errors(payload):
            self.api.note({"event": "refused", "errors": errors})
            self.answer(400, {"errors": errors})
            return
        self.entry = self.api.received(payload, self.number, at, self.key_given())
        if fault := self.api.take_fault(payload):
            self.meet(fault, payload, at)
        else:
            self.answer_truly(payload, at)

    def answer_truly(self, payload: dict[str, Any], at: float) -> None:
        if errors := self.api.errors_of(payload, dict(self.headers)):
            self.api.note({"event": "refused", "errors": errors})
            self.answer(400, {"errors": errors})
        elif self.api.too_large_above is not None and len(payload["personalizations"]) > self.api.too_large_above:
            self.answer_too_large()
        else:
            self.answer(202, None, {"X-Message-Id": self.api.accept(payload, at)})

    def meets_early_fault(self) -> bool:
        with self.api.lock:
            early = next((fault for fault in self.api.faults if fault.name == "too large early"), None)
            if early:
                self.api.faults.remove(early)
        if early:
            self.close_connection = True
            self.answer_too_large()
        return early is not None

    def meet(self, fault: Fault, payload: dict[str, Any], at: float) -> None:
        message_id = ""
        if fault.accepts:
            if errors := self.api.errors_of(payload, dict(self.headers)):
                self.answer(400, {"errors": errors})
                return
            message_id = self.api.accept(payload, at)
        self.answer_wrongly(fault, message_id)
