"""The preview's own web server: on the loopback interface, behind a random path, for its own page only.

A web page that the editor has open elsewhere must not read an unsent issue or send a test. So each request must name
this server as its Host (DNS rebinding), come from no other Origin, and know the token in the path.
"""

import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread

from mailer.config.loopback import LoopbackServer, QuietHandler
from mailer.content.cards import card_of
from mailer.previewing.drafts import Draft
from mailer.previewing.showing import Addresses, page_state
from mailer.previewing.watching import Latest

LARGEST_REQUEST = 16_384
STILL_HERE_EVERY = 10.0  # seconds; a closed page is noticed by writing to it

_STATIC = Path(__file__).parent / "static"
_STATIC_TYPES = {
    "preview.css": "text/css",
    "panels.css": "text/css",
    "preview.js": "text/javascript",
    "findings.js": "text/javascript",
    "elements.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
# What the page loads is ours alone; scripts run in the page, never in the mail.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# The mail stands in this frame: no script, form, plugin or frame of its own; images as a mail client would load them.
_FRAME_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' https: http:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox"
)
_FRAME = b'<!DOCTYPE html>\n<html lang="en"><head><title>Mail</title></head><body></body></html>\n'


@dataclass(frozen=True)
class Answered:
    """The result of a test, in a sentence for the page."""

    accepted: bool
    detail: str


@dataclass(frozen=True)
class Site:
    """What the server shows, and what it can do."""

    page: Callable[[str], str]  # the page's HTML, given the path that everything of it stands under
    latest: Latest
    unsubscribe: str  # the address that stands for the subscriber's own link
    send_test: Callable[[Draft, list[str]], Answered]


class PreviewServer:
    """Serves `site` at `url` and nowhere else."""

    def __init__(self, site: Site, port: int = 0) -> None:
        self.site = site
        self.token = secrets.token_urlsafe(24)
        self._server = _Server(self, port)
        self.netloc = f"127.0.0.1:{self._server.server_address[1]}"
        self.origin = f"http://{self.netloc}"
        self.root = f"/{self.token}/"
        self.url = f"{self.origin}{self.root}"
        self.addresses = Addresses(f"{self.root}media/", site.unsubscribe)
        self.one_test = Lock()

    def __repr__(self) -> str:
        return f"<PreviewServer at {self.netloc}>"

    def start(self) -> None:
        """Start answering requests."""
        Thread(target=self._server.serve_forever, args=(0.1,), name="preview-server", daemon=True).start()

    def stop(self) -> None:
        """Release waiting pages, and accept no further connection. Only after `start`."""
        self.site.latest.close()
        self._server.shutdown()
        self._server.server_close()


class _Server(LoopbackServer):
    daemon_threads = True
    block_on_close = False  # a page may keep its connection open indefinitely

    def __init__(self, preview: PreviewServer, port: int) -> None:
        self.preview = preview
        super().__init__(port, _Handler)


class _Handler(QuietHandler):
    server: _Server
    server_version = "mailer-preview"

    def do_GET(self) -> None:
        path = self._path()
        if path is None:
            return
        match path.partition("/"):
            case ("", "", _):
                page = self._preview.site.page(self._preview.root)
                self._answer(200, "text/html", page.encode(), {"Content-Security-Policy": _PAGE_POLICY})
            case ("frame", "", _):
                self._answer(200, "text/html", _FRAME, {"Content-Security-Policy": _FRAME_POLICY})
            case (name, "", _) if name in _STATIC_TYPES:
                self._answer(200, _STATIC_TYPES[name], (_STATIC / name).read_bytes())
            case ("events", "", _):
                self._events()
            case ("card.png", "", _):
                self._card()
            case ("media", _, name):
                self._media(name)
            case _:
                self._refuse(404, "Page not found.")

    def do_POST(self) -> None:
        body = self._body()
        path = self._path() if body is not None else None
        if body is None or path is None:
            return
        if self.headers.get("Origin") != self._preview.origin:
            self._refuse(403, "Only the preview page may request this.")
        elif path != "test":
            self._refuse(404, "Page not found.")
        elif self.headers.get_content_type() != "application/json":
            # A form of another site can post text, but not JSON.
            self._refuse(415, "Send JSON.")
        else:
            self._test(body)

    @property
    def _preview(self) -> PreviewServer:
        return self.server.preview

    def _path(self) -> str | None:
        """Return what follows the token; answer a request that is not the page's and return None."""
        token, _, path = self.path.partition("?")[0].removeprefix("/").partition("/")
        if self.headers.get("Host") != self._preview.netloc:
            self._refuse(403, "Wrong host name.")
        elif self.headers.get("Origin", self._preview.origin) != self._preview.origin:
            self._refuse(403, "Only the preview page may use this server.")
        elif not hmac.compare_digest(token.encode(errors="replace"), self._preview.token.encode()):
            self._refuse(404, "This is not the address that `mailer preview` printed, or the preview was restarted.")
        else:
            return path
        return None

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LARGEST_REQUEST:
            self.close_connection = True
            self._refuse(413, "The request is too large.")
            return None
        return self.rfile.read(int(length))

    def _events(self) -> None:
        """Stream each draft as soon as it is rendered (Server-Sent Events)."""
        self.close_connection = True
        self._begin(200, "text/event-stream", {})
        version = 0
        while not self._preview.site.latest.closed:
            draft = self._preview.site.latest.after(version, STILL_HERE_EVERY)
            if draft is None:
                self.wfile.write(b": still here\n\n")
                continue
            version = draft.version
            state = json.dumps(page_state(draft, self._preview.addresses), ensure_ascii=False)
            self.wfile.write(b"data: %s\n\n" % state.encode("utf-8", "replace"))

    def _media(self, name: str) -> None:
        draft = self._preview.site.latest.draft
        images = draft.rendered.images if draft and draft.rendered else ()
        image = next((image for image in images if image.name == name), None)
        if image is None:
            self._refuse(404, "The issue has no such image.")
            return
        self._answer(200, image.content_type, image.content, {"Content-Security-Policy": "default-src 'none'"})

    def _card(self) -> None:
        draft = self._preview.site.latest.draft
        card = None
        if draft and draft.rendered and draft.newsletter:
            card = card_of(draft.rendered.subject, draft.newsletter, draft.rendered.language)
        if card is None:
            self._refuse(404, "No card can be drawn.")
            return
        self._answer(200, card.content_type, card.content, {"Content-Security-Policy": "default-src 'none'"})

    def _test(self, body: bytes) -> None:
        draft = self._preview.site.latest.draft
        to = _addresses(body)
        if to is None:
            self._refuse(400, "Give the addresses as {'to': [...]}.")
        elif draft is None or draft.rendered is None or draft.trouble is not None:
            self._json(409, Answered(False, "The issue cannot be rendered; fix it first."))
        else:
            with self._preview.one_test:
                tested = self._preview.site.send_test(draft, to)
            self._json(200, tested)

    def _json(self, status: int, tested: Answered) -> None:
        content = json.dumps({"accepted": tested.accepted, "words": tested.detail}, ensure_ascii=False)
        self._answer(status, "application/json", content.encode())

    def _refuse(self, status: int, detail: str) -> None:
        self._answer(status, "text/plain", f"{detail}\n".encode())

    def _answer(self, status: int, kind: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self._begin(status, kind, {"Content-Length": str(len(body)), **(headers or {})})
        self.wfile.write(body)

    def _begin(self, status: int, kind: str, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        text = kind.startswith("text/") or kind == "application/json"
        for name, value in {
            "Content-Type": f"{kind}; charset=utf-8" if text else kind,
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            **headers,
        }.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()


def _addresses(body: bytes) -> list[str] | None:
    try:
        to = json.loads(body)["to"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return to if isinstance(to, list) and all(isinstance(one, str) for one in to) else None
