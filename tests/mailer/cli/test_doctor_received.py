"""Judge received emails with `mailer doctor --received`: signed here, with keys that a local name server serves."""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from mailer.cli.doctor import domains
from tests.mailer.cli import sendgrids_settings as recorded

KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # short enough for one string of a TXT record
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
PUBLIC = base64.b64encode(KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
RESULTS = (
    "mx.google.com; dkim=pass header.i=@news.example.com header.s=s1; "
    "spf=pass (google.com: domain of bounces+1@em7.news.example.com designates 192.0.2.1) "
    "smtp.mailfrom=bounces+1@em7.news.example.com; dmarc=pass (p=NONE sp=NONE dis=NONE) header.from=news.example.com"
)
ONE_CLICK = "<https://news.example.org/u/token/>, <mailto:leave@news.example.org?subject=token>"
HTML = (
    '<p>Hello</p><a href="https://elsewhere.example/article">read</a>'
    '<a href="https://news.example.org/u/token/">unsubscribe</a>'
    '<img src="https://news.example.org/media/1.png" width="600" height="400" alt="a board">'
)
SIGNED = ("From", "To", "Subject", "Date", "List-Unsubscribe", "List-Unsubscribe-Post")


@dataclass
class Mail:
    """A correct issue; tests change it before it is signed."""

    headers: list[tuple[str, str]] = field(
        default_factory=lambda: [
            ("From", '"The Weekly" <editor@news.example.com>'),
            ("To", "ada@gmail.example"),
            ("Subject", "Boards"),
            ("Date", "Fri, 20 Nov 2026 09:00:00 +0000"),
            ("List-Unsubscribe", ONE_CLICK),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ]
    )
    html: str = HTML
    signers: tuple[str, ...] = ("news.example.com", "sendgrid.info")
    signed: tuple[str, ...] = SIGNED
    results: str = RESULTS

    def change(self, name: str, *values: str) -> None:
        self.headers = [one for one in self.headers if one[0] != name] + [(name, value) for value in values]

    def raw(self) -> bytes:
        lines = "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        mail = f"{lines}MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{self.html}\r\n".encode()
        names = [name.encode() for name in self.signed if any(name == one for one, _ in self.headers)]
        signatures = [dkim.sign(mail, b"s1", domain.encode(), PEM, include_headers=names) for domain in self.signers]
        results = f"Authentication-Results: {self.results}\r\n".encode() if self.results else b""
        return results + b"".join(signatures) + mail


@pytest.fixture
def mail() -> Mail:
    return Mail()


@pytest.fixture
def dns(monkeypatch) -> Iterator[dict[str, list[str]]]:
    records = {
        "s1._domainkey.news.example.com": [f"v=DKIM1; k=rsa; p={PUBLIC}"],
        "s1._domainkey.mail.example.com": [f"v=DKIM1; k=rsa; p={PUBLIC}"],
        "s1._domainkey.sendgrid.info": [f"k=rsa; p={PUBLIC}"],
    }
    with recorded.name_server(records) as port:
        monkeypatch.setattr(domains, "NAMESERVERS", ["127.0.0.1"])
        monkeypatch.setattr(domains, "PORT", port)
        yield records


@pytest.fixture
def judged(run, tmp_path: Path, settings, dns) -> Callable[..., dict[str, tuple[str, str]]]:
    """Return name of each check → state and detail, for this email."""
    settings.BASE_URL = "https://news.example.org"

    def judge(mail: Mail | bytes) -> dict[str, tuple[str, str]]:
        file = tmp_path / "mail.eml"
        file.write_bytes(mail if isinstance(mail, bytes) else mail.raw())
        ran = run("doctor", "--received", file, "--json")
        checks = {check["name"]: (check["state"], check["words"]) for check in json.loads(ran.out)}
        assert ran.code == (1 if any(state == "error" for state, _ in checks.values()) else 0)
        return checks

    return judge


def test_of_a_mail_in_order_there_is_nothing_to_say(judged, mail):
    found = judged(mail)
    assert {name: one for name, one in found.items() if one[0] != "ok"} == {}
    assert list(found) == [
        "From",
        "DKIM",
        "DKIM covers",
        "SPF",
        "DMARC",
        "List-Unsubscribe",
        "List-Unsubscribe-Post",
        "links",
        "images",
    ]
    assert "signed by news.example.com (selector s1), aligned" in found["DKIM"][1]


def test_it_reads_the_file_as_mail_programs_save_it(judged, mail):
    raw = mail.raw()
    for saved in (raw.replace(b"\r\n", b"\n"), b"From ada@gmail.example Fri Nov 20\r\n" + raw, b"\xef\xbb\xbf" + raw):
        assert {state for state, _ in judged(saved).values()} == {"ok"}


def test_without_json_each_check_is_a_line(run, tmp_path, settings, dns, mail):
    settings.BASE_URL = "https://news.example.org"
    (tmp_path / "mail.eml").write_bytes(mail.raw())
    ran = run("doctor", "--received", tmp_path / "mail.eml")
    assert ran.code == 0
    assert ran.out.splitlines()[0] == "ok       From: news.example.com"


# ---------------------------------------------------------------- DKIM, SPF, DMARC


def test_a_signature_of_sendgrid_alone_is_not_aligned(judged, mail):
    mail.signers = ("sendgrid.info",)
    state, words = judged(mail)["DKIM"]
    assert state == "error"
    assert words.startswith("signed by sendgrid.info and not by news.example.com")


def test_a_signature_of_another_part_of_the_same_organization_is_aligned(judged, mail, dns):
    mail.signers = ("mail.example.com",)
    assert judged(mail)["DKIM"][0] == "error"
    dns["_dmarc.example.com"] = ["v=DMARC1; p=none"]
    assert judged(mail)["DKIM"][0] == "ok"


@pytest.mark.parametrize("missing", ["List-Unsubscribe", "List-Unsubscribe-Post"])
def test_a_signature_has_to_cover_both_headers_of_one_click(judged, mail, missing):
    mail.signed = tuple(name for name in SIGNED if name != missing)
    found = judged(mail)
    assert found["DKIM"][0] == "ok"
    state, words = found["DKIM covers"]
    assert state == "error"
    assert words.startswith(f"the signature does not cover {missing.lower()}")


def test_a_mail_that_was_changed_after_it_was_signed_is_found(judged, mail):
    state, words = judged(mail.raw().replace(b"Hello", b"Hullo"))["DKIM"]
    assert state == "error"
    assert "body hash mismatch" in words or "was changed" in words


def test_a_mail_without_a_signature_is_found(judged, mail):
    mail.signers = ()
    assert judged(mail)["DKIM"] == ("error", f"the email is not signed; {TO_AUTHENTICATE}")


def test_a_key_that_the_dns_no_longer_has_is_named(judged, mail, dns):
    mail.signers = ("news.example.com",)
    del dns["s1._domainkey.news.example.com"]
    state, words = judged(mail)["DKIM"]
    assert state == "error"
    assert "no key at s1._domainkey.news.example.com" in words


def test_where_no_name_server_answers_nothing_is_claimed(judged, mail, monkeypatch):
    monkeypatch.setattr(domains, "PORT", 9)
    monkeypatch.setattr(domains, "PATIENCE", 0.2)
    state, words = judged(mail)["DKIM"]
    assert state == "warning"
    assert "no DNS server answers" in words


@pytest.mark.parametrize(
    ("before", "after", "check", "state", "words"),
    [
        ("spf=pass", "spf=fail", "SPF", "error", "the receiver found fail"),
        ("spf=pass", "arc=none", "SPF", "error", "found nothing"),
        ("@em7.news.example.com;", "@sendgrid.net;", "SPF", "warning", "rests on DKIM alone"),
        ("dmarc=pass", "dmarc=fail", "DMARC", "error", "neither DKIM nor SPF is aligned"),
        ("dmarc=pass", "dmarc=none", "DMARC", "error", "no DMARC record"),
        ("dmarc=pass", "dmarc=bestguesspass", "DMARC", "warning", "bestguesspass"),
    ],
)
def test_what_the_receiver_found_is_read_from_its_own_header(judged, mail, before, after, check, state, words):
    mail.results = RESULTS.replace(before, after)
    mail.headers.append(("Authentication-Results", RESULTS))  # further down, where the sender may have put it
    found = judged(mail)[check]
    assert found[0] == state
    assert words in found[1]


def test_a_file_without_the_receivers_findings_says_where_to_get_them(judged, mail):
    mail.results = ""
    state, words = judged(mail)["SPF and DMARC"]
    assert state == "warning"
    assert "Gmail" in words


# ---------------------------------------------------------------- leaving, tracking


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((), "is missing"),
        (("<mailto:leave@news.example.org>",), "exactly one https address, has none"),
        (("<http://news.example.org/u/t/>",), "exactly one https address, has http://"),
        (("<https://news.example.org/u/t/>, <https://news.example.org/u/v/>",), "exactly one https address"),
        (("<https://news.example.org/u/t/#x>",), "fragment"),
        (("<https://news.example.org/u/t/>", "<https://u1.sendgrid.net/x>"), "occurs 2 times"),
        (("<https://u1.sendgrid.net/wf/unsubscribe?upn=1>",), "leads to u1.sendgrid.net, not to"),
        (("=?utf-8?q?=3Chttps=3A//news=2Eexample=2Eorg/u/t/=3E?=",), "is encoded"),
    ],
)
def test_list_unsubscribe_has_exactly_one_https_address_of_ours(judged, mail, values, words):
    mail.change("List-Unsubscribe", *values)
    state, found = judged(mail)["List-Unsubscribe"]
    assert state == "error"
    assert words in found


@pytest.mark.parametrize("values", [(), ("One-Click",), ("List-Unsubscribe=One-Click",) * 2])
def test_list_unsubscribe_post_is_exactly_what_the_standard_says(judged, mail, values):
    mail.change("List-Unsubscribe-Post", *values)
    assert judged(mail)["List-Unsubscribe-Post"][0] == "error"


@pytest.mark.parametrize(
    ("html", "check", "state"),
    [
        ('<a href="https://u1.ct.sendgrid.net/ls/click?upn=abc">read</a>', "links", "error"),
        ('<a href="https://url1.news.example.com/ls/click?upn=abc">read</a>', "links", "error"),
        ('<img src="https://u1.ct.sendgrid.net/wf/open?upn=abc" width="600">', "images", "error"),
        ('<img src="https://news.example.org/media/x.png" width="1" height="1">', "images", "error"),
        ('<img src="https://counter.example/x.png" width="600">', "images", "warning"),
        ('<a href="https://elsewhere.example/ls/click">read</a><a href="https://[broken">x</a>', "links", "ok"),
        ("<!-- nothing -->", "links", "ok"),
    ],
)
def test_tracking_is_found(judged, mail, html, check, state):
    mail.html = html
    assert judged(mail)[check][0] == state


# ---------------------------------------------------------------- files that are no such mail


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not an email"),
        (b"<html><body>From: me@x.example</body></html>", "is not an email"),
        (b"\x00\xff\x00garbage" * 100, "is not an email"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Outlook's own format"),
        (b"From: a@x.example, b@x.example\r\nSubject: x\r\n\r\n", "2 addresses in From"),
        (b"x" * 10_000_001, "larger than 10 MB"),
    ],
)
def test_a_file_that_is_not_a_received_mail_is_named(run, tmp_path, content, words):
    file = tmp_path / "mail.eml"
    file.write_bytes(content)
    ran = run("doctor", "--received", file)
    assert ran.code == 2
    assert words in ran.err


def test_a_file_that_cannot_be_read_is_named(run, tmp_path):
    ran = run("doctor", "--received", tmp_path / "missing.eml")
    assert ran.code == 2
    assert "missing.eml cannot be read: No such file" in ran.err
    assert run("doctor", "--received", tmp_path).code == 2


@pytest.mark.parametrize(
    "signature", ["v=1", "v=1; a=rsa-sha256; d=; s=; h=; bh=; b=", "v=1; d=x; b=\x00", "=;=;=", ""]
)
def test_a_malformed_signature_is_not_valid_and_nothing_worse(judged, mail, signature):
    mail.signers = ()
    mail.headers.insert(0, ("DKIM-Signature", signature))
    assert judged(mail)["DKIM"][0] == "error"


def test_only_one_thing_is_done_at_once(run, tmp_path):
    assert run("doctor", "--received", tmp_path / "x.eml", "--adopt").code == 2


TO_AUTHENTICATE = "authenticate the domain at SendGrid (Settings, Sender Authentication)"
