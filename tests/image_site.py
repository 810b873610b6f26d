"""A site with images, on this machine: what a newsletter's CDN is to a mailer that copies from it."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image as Pillow

from mailer.checks.internet import Address


class ImageSite(ThreadingHTTPServer):
    """Answers with `images[path]`, else with the status that the path names (`/403`), else 404."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.asked: list[str] = []
        self.images: dict[str, bytes] = {}
        self.url = f"http://127.0.0.1:{self.server_port}"

    def put(self, path: str, content: bytes) -> str:
        self.images[path] = content
        return f"{self.url}{path}"


class _Answers(BaseHTTPRequestHandler):
    server: ImageSite

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        name = self.path.partition("?")[0]
        if name == "/inside":
            self.send_response(302)
            self.send_header("Location", "http://10.0.0.1/board.png")
            self.end_headers()
            return
        content = self.server.images.get(name)
        status = 200 if content is not None else int(name[1:]) if name[1:].isdigit() else 404
        self.send_response(status)
        length = len(content or b"")
        self.send_header("Content-Length", str(length + 100 if name == "/cut.png" else length))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def image_site() -> Iterator[ImageSite]:
    with ImageSite() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def loopback(address: Address) -> bool:
    """Let requests go to this machine alone: the guard of these tests."""
    return address.is_loopback


def drawn(colour: str = "#0f766e", kind: str = "PNG", size: tuple[int, int] = (40, 20), **options: Any) -> bytes:
    file = io.BytesIO()
    Pillow.new("RGB", size, colour).save(file, kind, **options)
    return file.getvalue()
