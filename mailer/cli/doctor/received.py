"""`mailer doctor --received FILE.eml`: check a test email that was saved from a real inbox.

What receivers ask of bulk mail can only be seen there: the provider signs the email and may rewrite it on its way.
"""

import email
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.utils import getaddresses
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import lxml.etree
import lxml.html
from django.conf import settings

from mailer.cli.doctor import domains
from mailer.cli.doctor.signatures import Signature, signatures_of
from mailer.cli.terminal import Exit, Problem
from mailer.providers.current import configured_provider
from mailer.providers.protocol import Check, Names

LARGEST = 10_000_000  # bytes; an issue is about 0.1 MB
ONE_CLICK = "List-Unsubscribe=One-Click"


@dataclass(frozen=True)
class Received:
    """An email as it reached an inbox."""

    raw: bytes
    mail: Message
    domain: str  # of its From

    def all(self, name: str) -> list[str]:
        """Return each header of this name as it stands there, on one line; encoded words stay encoded."""
        return [" ".join(str(value).split()) for key, value in self.mail.raw_items() if key.lower() == name.lower()]


def judge(file: str) -> list[Check]:
    """Return the findings about the email in this file. Raises Problem if it contains none."""
    received = read(file)
    return [
        *_sender(received),
        *_dkim(received),
        *_authentication(received),
        *_unsubscribing(received),
        *_tracking(received),
    ]


# ---------------------------------------------------------------- the file


def read(file: str) -> Received:
    try:
        with Path(file).open("rb") as opened:
            raw = opened.read(LARGEST + 1)
    except OSError as error:
        raise Problem(f"{file} cannot be read: {error.strerror}.", Exit.USAGE) from None
    if len(raw) > LARGEST:
        raise Problem(f"{file} is larger than {LARGEST // 1_000_000} MB; save only the test email in it.", Exit.USAGE)
    if raw.startswith(b"\xd0\xcf\x11\xe0"):
        raise Problem(
            (f"{file} is in Outlook's own format; save the email as .eml, or download it from webmail."), Exit.USAGE
        )
    raw = raw.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    if raw.startswith(b"From "):  # the first line of an mbox
        raw = raw.partition(b"\n")[2]
    mail = email.message_from_bytes(raw)
    return Received(raw, mail, _domain_of_sender(mail, file))


def _domain_of_sender(mail: Message, file: str) -> str:
    senders = [str(value) for name, value in mail.raw_items() if name.lower() == "from"]
    addresses = [address for _, address in getaddresses(senders) if "@" in address]
    if not addresses or not any(mail.get(name) for name in ("Date", "Received", "Subject", "Message-ID")):
        raise Problem(
            f"{file} is not an email with its headers; in Gmail choose “Show original” and “Download original”, "
            "elsewhere save the email as .eml.",
            Exit.USAGE,
        )
    if len(addresses) > 1:
        raise Problem(f"{file} has {len(addresses)} addresses in From; an issue has exactly one.", Exit.USAGE)
    return addresses[0].rpartition("@")[2].lower().rstrip(".")


def _sender(received: Received) -> Iterator[Check]:
    ours = {one.from_email.rpartition("@")[2].lower() for one in settings.NEWSLETTERS.values()}
    if received.domain in ours:
        yield Check("From", "ok", received.domain)
    else:
        known = ", ".join(sorted(ours)) or "none"
        yield Check("From", "warning", f"{received.domain} is not the domain of one of your newsletters ({known})")


# ---------------------------------------------------------------- DKIM


def _dkim(received: Received) -> Iterator[Check]:
    signatures = signatures_of(received.raw)
    aligned = [one for one in signatures if one.valid and _aligned(one.domain, received.domain)]
    if aligned:
        yield Check("DKIM", "ok", f"signed by {aligned[0].domain} (selector {aligned[0].selector}), aligned with From")
        yield _coverage(aligned)
    else:
        yield _no_signature(received, signatures)


def _no_signature(received: Received, signatures: list[Signature]) -> Check:
    if not signatures:
        return Check("DKIM", "error", f"the email is not signed; {_names().authenticate}")
    if valid := [one.domain for one in signatures if one.valid]:
        who = ", ".join(dict.fromkeys(valid))
        return Check("DKIM", "error", f"signed by {who} and not by {received.domain}; {_names().authenticate}")
    if any(one.unanswered for one in signatures):
        return Check("DKIM", "warning", f"cannot be verified: {signatures[0].why}")
    why = "; ".join(f"{one.domain or 'a signature'}: {one.why}" for one in signatures)
    return Check(
        "DKIM",
        "error",
        f"no signature is valid ({why}); save the email unchanged, with “Download original” and not by forwarding "
        f"it; if it still fails, {_names().authenticate}",
    )


def _coverage(signatures: list[Signature]) -> Check:
    """Check what the signatures cover: without it a receiver must not offer one-click (RFC 8058 §4)."""
    wanted = ("list-unsubscribe", "list-unsubscribe-post")
    missing = min(([name for name in wanted if name not in one.headers] for one in signatures), key=len)
    if not missing:
        return Check("DKIM covers", "ok", "List-Unsubscribe and List-Unsubscribe-Post")
    return Check(
        "DKIM covers",
        "error",
        f"the signature does not cover {' and '.join(missing)}, so receivers show no unsubscribe button (RFC 8058 §4); "
        f"contact {_names().provider} support, which signs the emails",
    )


def _aligned(domain: str, sender: str) -> bool:
    """Tell whether two domains are of one organization, by its DMARC record (relaxed alignment, RFC 7489 §3.1)."""
    if domain == sender or domain.endswith(f".{sender}") or sender.endswith(f".{domain}"):
        return "." in domain
    try:
        places = [place for place in domains.itself_and_parents(sender) if domain.endswith(f".{place}")]
        return any(domains.dmarc_at(place) for place in places)
    except domains.Unanswered:
        return False


# ---------------------------------------------------------------- what the receiver found


def _authentication(received: Received) -> Iterator[Check]:
    """Read only the topmost header, the receiver's own; those below may be the sender's invention (RFC 8601 §5)."""
    results = received.all("Authentication-Results")
    if not results:
        yield Check(
            "SPF and DMARC",
            "warning",
            "the file has no Authentication-Results; send the test email to Gmail, Outlook.com or Yahoo and save "
            "it there",
        )
        return
    found = re.sub(r"\([^()]*\)", " ", results[0])
    yield _spf(received, found)
    yield _dmarc(found)


def _spf(received: Received, found: str) -> Check:
    result = _result("spf", found)
    mail_from = re.search(r"\bsmtp\.mailfrom=\"?([^\s;\"]+)", found)
    domain = mail_from[1].rpartition("@")[2].lower() if mail_from else ""
    if result == "pass" and domain and _aligned(domain, received.domain):
        return Check("SPF", "ok", f"pass, for {domain}, aligned with From")
    if result == "pass":
        return Check(
            "SPF",
            "warning",
            f"pass, for {domain or 'another domain'} and not for {received.domain}: DMARC then rests on DKIM alone; "
            f"{_names().authenticate}, which puts the return path under your domain",
        )
    return Check("SPF", "error", f"the receiver found {result or 'nothing'}; {_names().authenticate}")


def _dmarc(found: str) -> Check:
    result = _result("dmarc", found)
    if result in ("pass", "bestguesspass"):
        return Check("DMARC", "ok" if result == "pass" else "warning", f"the receiver found {result}")
    if not result or result == "none":
        return Check("DMARC", "error", "the receiver found no DMARC record; `mailer doctor` shows which one to add")
    return Check("DMARC", "error", f"the receiver found {result}: neither DKIM nor SPF is aligned with From")


def _result(method: str, found: str) -> str:
    result = re.search(rf"(?:^|[;\s]){method}\s*=\s*(\w+)", found, re.IGNORECASE)
    return result[1].lower() if result else ""


# ---------------------------------------------------------------- leaving


def _unsubscribing(received: Received) -> Iterator[Check]:
    yield _list_unsubscribe(received.all("List-Unsubscribe"))
    posts = received.all("List-Unsubscribe-Post")
    if posts == [ONE_CLICK]:
        yield Check("List-Unsubscribe-Post", "ok", ONE_CLICK)
    else:
        found = "is missing" if not posts else f"is {', '.join(posts)!r}"
        yield Check(
            "List-Unsubscribe-Post", "error", (f"{found}; it must occur exactly once, with {ONE_CLICK} (RFC 8058)")
        )


def _list_unsubscribe(headers: list[str]) -> Check:
    name = "List-Unsubscribe"
    if not headers:
        return Check(name, "error", "is missing: is this an issue, sent by `mailer send test`?")
    if len(headers) > 1:
        return Check(name, "error", f"occurs {len(headers)} times; {_names().tracking}, which adds one of its own")
    if "=?" in headers[0]:
        support = f"contact {_names().provider} support"
        return Check(name, "error", f"is encoded (=?…?=), which mailbox providers do not read; {support}")
    uris = re.findall(r"<\s*([^<>]*?)\s*>", headers[0])
    web = [uri for uri in uris if _is_web(uri)]
    if len(web) != 1 or not web[0].lower().startswith("https://"):
        return Check(name, "error", f"needs exactly one https address, has {', '.join(web) or 'none'} (RFC 8058 §3.1)")
    if "#" in web[0]:
        return Check(name, "error", f"its address has a fragment (#), which browsers do not send: {web[0]}")
    if not _is_ours(web[0]):
        return Check(name, "error", f"leads to {_host(web[0])}, not to {settings.BASE_URL}; {_names().tracking}")
    return Check(name, "ok", "one https address, of this installation")


# ---------------------------------------------------------------- tracking


def _tracking(received: Received) -> Iterator[Check]:
    links, images, pixels = _places(received.mail)
    rewritten = [link for link in links if _is_tracker(link)]
    if rewritten:
        detail = f"{len(rewritten)} of {len(links)} links lead through {_host(rewritten[0])}; {_names().tracking}"
        yield Check("links", "error", detail)
    else:
        yield Check("links", "ok", f"{len(links)}, as they were written")
    opens = [*pixels, *(image for image in images if _is_tracker(image))]
    if opens:
        yield Check("images", "error", f"a tracking pixel from {_host(opens[0])}; {_names().tracking}")
    elif foreign := [image for image in images if not _is_ours(image)]:
        detail = f"{len(foreign)} come from {_host(foreign[0])}, which learns who opens the email; serve them yourself"
        yield Check("images", "warning", detail)
    else:
        yield Check("images", "ok", f"{len(images)}, all from {settings.BASE_URL}; no pixel")


def _places(mail: Message) -> tuple[list[str], list[str], list[str]]:
    """Return where links lead, where images come from, and which images are too small to be seen."""
    links: list[str] = []
    images: list[str] = []
    pixels: list[str] = []
    for part in mail.walk():
        content = _text(part)
        if part.get_content_type() == "text/plain":
            links += re.findall(r"https?://[^\s<>\"]+", content)
        if part.get_content_type() != "text/html" or not content.strip():
            continue
        tree = _tree(content)
        links += [href for href in tree.xpath("//a/@href") if _is_web(href)]
        for image in tree.xpath("//img[@src]"):
            if _is_web(image.get("src")):
                images.append(image.get("src"))
                if {image.get("width"), image.get("height")} & {"0", "1", "0px", "1px"}:
                    pixels.append(image.get("src"))
    return links, images, pixels


def _tree(content: str) -> lxml.html.HtmlElement:
    try:
        return lxml.html.document_fromstring(content.encode(), parser=lxml.html.HTMLParser(encoding="utf-8"))
    except (lxml.etree.ParserError, ValueError):  # only a comment, or NULs
        return lxml.html.document_fromstring("<p></p>")


def _is_web(address: str) -> bool:
    return address.lower().startswith(("http://", "https://"))


def _text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    try:
        return payload.decode(part.get_content_charset() or "utf-8", "replace")
    except LookupError:  # an unknown charset
        return payload.decode("utf-8", "replace")


def _is_ours(address: str) -> bool:
    return _host(address) == _host(settings.BASE_URL)


def _is_tracker(address: str) -> bool:
    parts = _split(address)
    if parts is None or _is_ours(address):
        return False
    return configured_provider().rewrites(address)


def _names() -> Names:
    return configured_provider().names


def _host(address: str) -> str:
    parts = _split(address)
    return (parts.hostname or "").lower() if parts else ""


def _split(address: str) -> SplitResult | None:
    try:
        return urlsplit(address)
    except ValueError:
        return None
