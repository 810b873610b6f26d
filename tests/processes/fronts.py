"""Real nginx and Caddy with TLS in front of a real `mailer serve`, and a visitor who comes through them.

They read the files of deploy/, in which only ports, certificate and folders are replaced.
"""

import http.client
import os
import re
import socket
import ssl
import subprocess
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

from tests import parts
from tests.certificates import write_certificate
from tests.installed import ROOT
from tests.ports import free_port
from tests.processes.stage import wait_until

HOST = "news.example.com"  # the host that the shipped files name


@dataclass(frozen=True)
class Front:
    """A running proxy, with what it has logged."""

    port: int
    plain_port: int
    folder: Path

    def logged(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))


@contextmanager
def nginx(folder: Path, upstream: int, changes: dict[str, str] | None = None) -> Iterator[Front]:
    """Run the shipped nginx.conf as Debian's nginx.conf would include it, with `changes` made to it first."""
    program, front = parts.nginx(), _front(folder)
    certificate = write_certificate(front.folder / "certificate.pem", HOST)
    site = replaced(
        (ROOT / "deploy" / "nginx.conf").read_text(),
        (changes or {})
        | {
            "    listen [::]:80;\n": "",
            "    listen [::]:443 ssl;\n": "",
            "listen 80;": f"listen 127.0.0.1:{front.plain_port};",
            "listen 443 ssl;": f"listen 127.0.0.1:{front.port} ssl;",
            f"/etc/letsencrypt/live/{HOST}/fullchain.pem": str(certificate),
            f"/etc/letsencrypt/live/{HOST}/privkey.pem": str(certificate),
            "/var/log/nginx/": f"{front.folder}/",
            "127.0.0.1:8000": f"127.0.0.1:{upstream}",
        },
    )
    (front.folder / "mailer.conf").write_text(site)
    main = front.folder / "nginx.conf"
    main.write_text(_NGINX.format(folder=front.folder, user="user root;" if os.geteuid() == 0 else ""))
    with _running(front, [program, "-p", str(front.folder), "-c", str(main), "-e", str(front.folder / "start.log")]):
        yield front


@contextmanager
def plain_nginx(folder: Path, sites: Sequence[str], around: str = "") -> Iterator[list[Front]]:
    """Run nginx as people set it up themselves: a site for each set of directives, each on its own port."""
    program, front = parts.nginx(), _front(folder)
    certificate = write_certificate(front.folder / "certificate.pem", HOST)
    fronts = [front, *(Front(free_port(), front.plain_port, front.folder) for _ in sites[1:])]
    servers = [
        f"server {{ listen 127.0.0.1:{one.port} ssl; ssl_certificate {certificate}; "
        f"ssl_certificate_key {certificate}; location / {{ {site} }} }}"
        for one, site in zip(fronts, sites, strict=True)
    ]
    (front.folder / "mailer.conf").write_text("\n".join([around, *servers]))
    main = front.folder / "nginx.conf"
    main.write_text(_NGINX.format(folder=front.folder, user="user root;" if os.geteuid() == 0 else ""))
    with _running(front, [program, "-p", str(front.folder), "-c", str(main), "-e", str(front.folder / "start.log")]):
        yield fronts


# As Debian's, without its folders. A test may say from where a visitor comes, or no IPv6 address could be tried.
_NGINX = """\
daemon off;
{user}
pid {folder}/nginx.pid;
worker_processes 2;
error_log {folder}/main.log;
events {{ worker_connections 768; }}
http {{
    access_log {folder}/unexpected.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    set_real_ip_from 127.0.0.0/8;
    real_ip_header X-Comes-From;
    include {folder}/mailer.conf;
}}
"""


@contextmanager
def caddy(folder: Path, upstream: int, changes: dict[str, str] | None = None) -> Iterator[Front]:
    """Run the shipped Caddyfile, with `changes` made to it first."""
    program, front = parts.caddy(), _front(folder)
    certificate = write_certificate(front.folder / "certificate.pem", HOST)
    options = f"admin off\n\tdefault_bind 127.0.0.1\n\thttp_port {front.plain_port}\n\thttps_port {front.port}\n"
    file = front.folder / "Caddyfile"
    file.write_text(
        replaced(
            (ROOT / "deploy" / "Caddyfile").read_text(),
            (changes or {})
            | {
                "\tlog default {": f"\t{options}\tlog default {{",
                "\tlog\n": f"\tlog\n\ttls {certificate} {certificate}\n",
            },
        )
    )
    environment = os.environ | {
        "HOME": str(front.folder),
        "XDG_DATA_HOME": str(front.folder),
        "XDG_CONFIG_HOME": str(front.folder),
        "MAILER_UPSTREAM": f"127.0.0.1:{upstream}",
        **({"MAILER_CADDY_BUFFERS": "buffer_requests"} if _is_old(program) else {}),
    }
    with _running(front, [program, "run", "--config", str(file), "--adapter", "caddyfile"], environment):
        yield front


FRONTS = {"nginx": nginx, "caddy": caddy}


def _is_old(program: str) -> bool:
    """Tell whether Caddy is older than 2.7, which renamed the option."""
    version = subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"(\d+)\.(\d+)", version)
    assert found, version
    return (int(found[1]), int(found[2])) < (2, 7)


def _front(folder: Path) -> Front:
    folder.mkdir()
    return Front(free_port(), free_port(), folder)


def replaced(text: str, changes: dict[str, str]) -> str:
    """Make all changes in the text; fail if one does not apply."""
    for old, new in changes.items():
        assert old in text, f"not in the shipped file: {old!r}"
        text = text.replace(old, new)
    return text


@contextmanager
def _running(front: Front, command: list[str], environment: dict[str, str] | None = None) -> Iterator[None]:
    with (front.folder / "output.log").open("w") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment
        )
    try:
        wait_until(lambda: _listens(front.port) or process.poll() is not None, f"{command[0]} listens")
        assert process.poll() is None, front.logged()
        yield
    finally:
        process.terminate()
        process.wait(120)


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


# ---------------------------------------------------------------- who comes through it


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    headers: Any


@dataclass
class Visitor:
    """A browser, a mailbox provider or SendGrid: it requests https://news.example.com and keeps its cookies."""

    front: Front
    address: str = "127.0.0.1"
    plain: bool = False  # comes to port 80
    chunked: bool = False  # streams what it posts, as tunnels and CDNs do
    headers: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)

    def open(self, path: str) -> Answer:
        return self.ask("GET", path)

    def press(self, path: str, fields: dict[str, str]) -> Answer:
        """Post a form as browsers do."""
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"https://{HOST}"}
        return self.ask("POST", path, urllib.parse.urlencode(fields).encode(), headers)

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        connection = _Connection(self.front, self.address, self.plain)
        given = {"Host": HOST, "Referer": f"https://{HOST}{path}", **self.headers, **(headers or {})}
        if self.cookies:
            given["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        pieces: Any = body
        if self.chunked and body:
            pieces = iter([body[:7], body[7:]])
            given["Transfer-Encoding"] = "chunked"
        try:
            connection.request(method, path, pieces, given, encode_chunked=pieces is not body)
            response = connection.getresponse()
            answer = Answer(response.status, response.read().decode(), response.headers)
        finally:
            connection.close()
        for line in answer.headers.get_all("Set-Cookie", []):
            self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(line).items()}
        return answer


class _Connection(http.client.HTTPConnection):
    def __init__(self, front: Front, address: str, plain: bool) -> None:
        port = front.plain_port if plain else front.port
        super().__init__("127.0.0.1", port, timeout=60, source_address=(address, 0))
        self._plain, self._trusted = plain, front.folder / "certificate.pem"

    def connect(self) -> None:
        super().connect()
        if not self._plain:
            context = ssl.create_default_context(cafile=str(self._trusted))
            self.sock = context.wrap_socket(self.sock, server_hostname=HOST)
