"""The part of SendGrid that the doctor looks at, and a name server: both on this machine, with recorded answers."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseRequestHandler, ThreadingUDPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from mailer.store.installation import public_id

PUBLIC_KEY = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEgLk="
WEBHOOK = {
    "enabled": True,
    "url": "BASE_URL/webhooks/sendgrid/",
    "id": "8b2a0d1c",
    "friendly_name": "mailer",
    "public_key": PUBLIC_KEY,
    **dict.fromkeys(("bounce", "deferred", "delivered", "dropped", "processed", "spam_report"), True),
    **dict.fromkeys(("open", "click", "unsubscribe", "group_resubscribe", "group_unsubscribe"), False),
}
DOMAIN = {"id": 1, "domain": "news.example.com", "subdomain": "em7", "valid": True, "automatic_security": True}
FORBIDDEN = {"errors": [{"message": "access forbidden", "field": None}]}


def a_good_account() -> dict[str, Any]:
    """Return path → response of GET. The key is not allowed to see any other path."""
    return {
        "/v3/scopes": {"scopes": ["mail.send"]},
        "/v3/verified_senders": {"results": []},
        "/v3/whitelabel/domains": [DOMAIN],
        "/v3/user/credits": {"remain": 40_000, "total": 50_000, "used": 10_000},
        "/v3/user/webhooks/event/settings/all": {"max_allowed": 2, "webhooks": [WEBHOOK]},
        "/v3/suppression/bounces": [],
        "/v3/suppression/invalid_emails": [],
        "/v3/suppression/spam_reports": [],
    }


@contextmanager
def sendgrid(answers: dict[str, Any]) -> Iterator[str]:
    """Run it and yield its address, which is our BASE_URL too. Lists have SendGrid's pages: limit ≤ 500, offset."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            answer = answers.get(parts.path)
            if parts.path == "/healthz":
                answer = {"installation": public_id()}
            if isinstance(answer, list):
                query = {name: int(values[0]) for name, values in parse_qs(parts.query).items()}
                start = query.get("offset", 0)
                answer = answer[start : start + min(query.get("limit", 500), 500)]
            body = json.dumps(FORBIDDEN if answer is None else answer).replace("BASE_URL", url).encode()
            self.send_response(403 if answer is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_DELETE(self) -> None:
            """Record what is deleted in `answers["deleted"]`; without that list the key may not delete."""
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if "deleted" in answers:
                answers["deleted"].append((unquote(self.path), json.loads(body) if body else None))
            self.send_response(204 if "deleted" in answers else 403)
            if "deleted" not in answers:
                said = json.dumps(FORBIDDEN).encode()
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)
            else:
                self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield url
        server.shutdown()


@contextmanager
def name_server(records: dict[str, list[str]]) -> Iterator[int]:
    """Run it and yield its port. `records`: name → TXT records; no other name exists."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            data, socket = self.request
            query = dns.message.from_wire(data)
            answer = dns.message.make_response(query)
            answer.flags |= dns.flags.RA
            name = query.question[0].name
            if texts := records.get(name.to_text(omit_final_dot=True)):
                quoted = (f'"{text}"' for text in texts)
                answer.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", *quoted))
            else:
                answer.set_rcode(dns.rcode.NXDOMAIN)
            socket.sendto(answer.to_wire(), self.client_address)

    with ThreadingUDPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()
