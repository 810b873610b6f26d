"""Verify the DKIM signatures of an email (RFC 6376) with the keys that the DNS holds now."""

import logging
from dataclasses import dataclass

from mailer.cli.doctor import domains

MOST = 10  # signatures looked at; each costs a question to the DNS


@dataclass(frozen=True)
class Signature:
    domain: str
    selector: str
    headers: frozenset[str]  # names of the headers that it covers, in lower case
    valid: bool
    why: str = ""  # why it is not valid
    unanswered: bool = False  # no name server answered


def signatures_of(raw: bytes) -> list[Signature]:
    """Return the signatures of an email from top to bottom."""
    import dkim

    silent = logging.getLogger(f"{__name__}.dkim")  # the package logs what it dislikes, with headers of the mail
    silent.disabled = True
    try:
        mail = dkim.DKIM(raw, logger=silent)
    except dkim.MessageFormatError:
        return []
    count = sum(1 for name, _ in mail.headers if name.lower() == b"dkim-signature")
    return [_verified(raw, number) for number in range(min(count, MOST))]


def _verified(raw: bytes, number: int) -> Signature:
    import dkim

    silent = logging.getLogger(f"{__name__}.dkim")
    mail = dkim.DKIM(raw, logger=silent)
    asked = _Keys()
    try:
        valid, why = bool(mail.verify(number, dnsfunc=asked)), ""
    # A stranger's bytes: the package raises its own errors for most of what can be wrong, and others for the rest.
    except Exception as error:  # noqa: BLE001
        valid, why = False, str(error) or type(error).__name__
    if not valid:
        why = asked.why or why or "the signature does not match: the email was changed on the way, or when it was saved"
    fields = getattr(mail, "signature_fields", None) or {}
    headers = frozenset(one.decode("ascii", "replace") for one in getattr(mail, "include_headers", ()) or ())
    return Signature(_plain(fields.get(b"d")), _plain(fields.get(b"s")), headers, valid, why, asked.unanswered)


def _plain(value: bytes | None) -> str:
    return (value or b"").decode("ascii", "replace").strip().lower()


class _Keys:
    """Asks the DNS for keys, and remembers why there was none."""

    def __init__(self) -> None:
        self.why = ""
        self.unanswered = False

    def __call__(self, name: bytes | str, timeout: float = 5) -> bytes | None:
        host = (name.decode("ascii", "replace") if isinstance(name, bytes) else name).rstrip(".")
        try:
            keys = [text for text in domains.texts(host) if "p=" in text]
        except domains.Unanswered as error:
            self.why, self.unanswered = f"no DNS server answers from here ({error})", True
            return None
        if not keys:
            self.why = f"no key at {host}"
            return None
        return keys[0].encode("ascii", "replace")
