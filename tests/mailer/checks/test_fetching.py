"""Check links against a server on this machine, to which only these tests may connect."""

import ipaddress
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mailer.checks import fetching, visiting
from mailer.checks.fetching import Answer, fetch, is_public
from mailer.checks.visiting import Visitor


class Site(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), _Pages)
        self.asked: list[tuple[str, str]] = []
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.together = threading.Barrier(1)
        self.url = f"http://{host}:{self.server_port}"


class _Pages(BaseHTTPRequestHandler):
    server: Site

    def do_HEAD(self) -> None:
        self._answer("HEAD")

    def do_GET(self) -> None:
        self._answer("GET")

    def _answer(self, method: str) -> None:
        with self.server.lock:
            self.server.asked.append((method, self.path))
            self.server.at_once += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.at_once)
        self.agent = self.headers["User-Agent"]
        status, location = self._page(method)
        with self.server.lock:
            self.server.at_once -= 1
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _page(self, method: str) -> tuple[int, str]:
        name = self.path.split("/")[1]
        if name == "slow":
            time.sleep(0.05)
        if name == "together":
            self.server.together.wait()
        if name == "only-get":
            return (405 if method == "HEAD" else 200), ""
        if name.isdigit():
            return int(name), ""
        moves = {
            "moved": (301, "/here"),
            "soon": (302, "/here"),
            "loop": (302, "/loop"),
            "inside": (302, "http://10.0.0.1/"),
            "file": (302, "file:///etc/passwd"),
            "away": (302, f"http://localhost:{self.server.server_port}/here"),
        }
        return moves.get(name, (200, ""))

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def loopback(address: fetching.Address) -> bool:
    return address.is_loopback


@pytest.fixture
def answer(site: Site) -> Callable[[str], Answer]:
    return lambda path: fetch([site.url + path], loopback)[site.url + path]


def test_a_page_that_is_there_is_asked_for_by_its_head_alone(answer, site):
    assert answer("/here") == Answer(200)
    assert site.asked == [("HEAD", "/here")]


def test_a_site_without_head_is_asked_again(answer, site):
    assert answer("/only-get") == Answer(200)
    assert [method for method, _ in site.asked] == ["HEAD", "GET"]


def test_a_page_that_is_gone_is_told_with_its_status(answer):
    assert answer("/404").status == 404


def test_a_page_that_moved_for_good_is_told_with_its_new_address(answer, site):
    assert answer("/moved") == Answer(200, "", f"{site.url}/here")


def test_a_detour_on_the_same_site_is_nobodys_business_but_one_to_another_is(answer, site):
    assert answer("/soon") == Answer(200)
    assert answer("/away").moved_to.startswith("http://localhost:")


def test_a_loop_ends(answer, site):
    assert "redirects more than" in answer("/loop").reason
    assert len(site.asked) <= 6


def test_umlauts_and_spaces_in_an_address_are_encoded(answer, site):
    assert answer("/über uns?a=ß").status == 200
    assert site.asked[0][1] == "/%C3%BCber%20uns?a=%C3%9F"


def test_one_host_gets_one_request_at_a_time(site):
    fetch([f"{site.url}/slow/{number}" for number in range(6)], loopback)
    assert len(site.asked) == 6
    assert site.most_at_once == 1


def test_several_hosts_are_asked_at_once():
    # One address of the loopback network each, as hosts of their own.
    sites, together = [Site(f"127.0.0.{number}") for number in range(1, 5)], threading.Barrier(4, timeout=60)
    for server in sites:
        server.together = together
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    found = fetch([f"{server.url}/together" for server in sites], loopback)
    assert [answer.status for answer in found.values()] == [200] * 4
    for server in sites:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "64:ff9b::7f00:1", "2002:7f00:1::", "2002:a00:1::", "::127.0.0.1", "fec0::1", "fd00:ec2::254", "168.63.129.16",
        "::ffff:0:10.0.0.1", "::ffff:0:8.8.8.8", "64:ff9b:1::a00:1", "2001::1", "2001:db8::1", "3fff::1", "5f00::1",
        "100::1", "192.0.0.170", "192.88.99.1", "198.19.0.1", "203.0.113.7", "240.0.0.1", "4000::1",
    ],
)  # fmt: skip
def test_addresses_inside_of_networks_are_not_public(address):
    assert not is_public(ipaddress.ip_address(address))


PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_of_the_internet_are(address):
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "127.1"]
)
def test_this_machine_is_refused_however_it_is_written(site, host):
    address = f"http://{host}:{site.server_port}/here"
    answer = fetch([address])[address]
    assert answer.status == 0
    assert "private network" in answer.reason or "no site" in answer.reason or "not a web" in answer.reason
    assert site.asked == []


def test_a_redirect_into_a_private_network_is_refused(answer):
    assert "private network" in answer("/inside").reason
    assert "not a web page" in answer("/file").reason


def test_a_name_that_changes_its_mind_is_resolved_once_for_each_request(site, monkeypatch):
    """With DNS rebinding, the second answer would be this machine."""
    answers = iter(["93.184.216.34", "127.0.0.1", "127.0.0.1"])
    asked, connected = [], []

    def resolve(host: str, port: int, **_: object) -> list[tuple]:
        asked.append(host)
        return [(2, 1, 6, "", (next(answers), port))]

    def connect(places: list[visiting.Place]) -> None:
        connected.append(places[0][1][0])
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    monkeypatch.setattr(visiting, "_connect", connect)
    answer = fetch(["http://rebind.example/"])["http://rebind.example/"]
    assert "private network" in answer.reason
    assert connected == ["93.184.216.34"]
    assert asked == ["rebind.example", "rebind.example"], "once for HEAD, once for GET, and never by the connection"


def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch):
    def resolve(host: str, port: int, **_: object) -> list[tuple]:
        return [(2, 1, 6, "", ("93.184.216.34", port)), (2, 1, 6, "", ("10.0.0.1", port))]

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    assert "private network" in fetch(["https://mixed.example/"])["https://mixed.example/"].reason


@pytest.fixture
def certified(site: Site, tmp_path, monkeypatch) -> Site:
    """Let the site speak TLS with a certificate for site.example that only this test trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "site.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("site.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem = tmp_path / "site.pem"
    pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    site.socket = context.wrap_socket(site.socket, server_side=True)
    trusting = ssl.create_default_context(cafile=str(pem))
    monkeypatch.setattr("ssl.create_default_context", lambda: trusting)
    monkeypatch.setattr("socket.getaddrinfo", lambda host, port, **_: [(socket.AF_INET, 1, 6, "", ("127.0.0.1", port))])
    return site


def test_the_certificate_must_be_that_of_the_name_in_the_address(certified):
    right, wrong = (f"https://{name}:{certified.server_port}/here" for name in ("site.example", "other.example"))
    answers = fetch([right, wrong], loopback)
    assert answers[right] == Answer(200)
    assert "certificate" in answers[wrong].reason


def test_a_server_that_drips_is_hung_up_on(monkeypatch):
    monkeypatch.setattr(Visitor, "deadline", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = threading.Event()

        def drip() -> None:
            while not done.is_set():
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    try:
                        client.sendall(b"HTTP/1.1 200 OK\r\n")
                        for _ in range(90):  # and then the answer would be complete
                            done.wait(0.05)
                            client.sendall(b"X: y\r\n")
                        client.sendall(b"\r\n")
                    except OSError:
                        continue

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        assert fetch([address], loopback)[address] == Answer(0, "no complete answer within 0.3 seconds")
        done.set()


def test_a_host_that_does_not_answer_is_asked_twice_and_no_more(monkeypatch):
    tries = []

    def nobody(self, method: str, scheme: str, host: str, *_: object) -> tuple[int, str]:
        tries.append(host)
        raise visiting.Unreachable("no answer within")

    monkeypatch.setattr(Visitor, "_answer", nobody)
    pages = [f"https://slow.example/{number}" for number in range(50)]
    answers = fetch([*pages, "https://other.example/"])
    assert Counter(tries) == {"slow.example": 2, "other.example": 2}
    assert [answers[page].asked for page in pages] == [True] + [False] * 49


def test_after_the_time_for_all_of_them_no_site_is_asked(site, monkeypatch):
    monkeypatch.setattr(Visitor, "whole", 0.0)
    found = fetch([f"{site.url}/here"], loopback)
    assert [answer.asked for answer in found.values()] == [False]
    assert site.asked == []


def test_answers_become_findings_at_the_place_of_the_link(proof):
    made = proof(
        "---\ntitle: T\npreheader: p\n---\n\n[A](https://a.example/gone) [B](https://b.example/#x)\n\n"
        "[C](https://c.example/) [D](other.md) [E](mailto:a@b.example) [F](//f.example/) [G](javascript:x)\n"
    )
    places = fetching.places(made)
    assert list(places) == [
        "https://a.example/gone",
        "https://b.example/",
        "https://c.example/",
        "https://git.example.com/weekly/issues/other.md",
        "https://f.example/",
    ]
    told = fetching.look(
        made,
        {
            "https://a.example/gone": Answer(404),
            "https://b.example/": Answer(200, "", "https://new.example/"),
            "https://c.example/": Answer(403),
            "https://f.example/": Answer(0, "the host does not exist"),
            "https://git.example.com/weekly/issues/other.md": Answer(0, "its site did not answer earlier", asked=False),
        },
    )
    assert [(finding.rule, finding.line, finding.column) for finding in told] == [
        ("link-dead", 6, 1),
        ("link-moved", 6, 29),
        ("link-refused", 8, 1),
        ("link-unasked", 8, 25),
        ("link-dead", 8, 63),
    ]
    assert {finding.severity for finding in told} == {"warning"}


def test_an_issue_with_a_page_here_is_not_asked_for(proof):
    made = proof("# T\n\n[Last week](2026-11-13.md)\n", known=frozenset({"2026-11-13"}))
    assert fetching.places(made) == {}
