"""Parse email addresses, and tell when two of them belong to the same subscriber."""

import re
import unicodedata
from typing import NamedTuple

LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# Nearly all addresses are plain, and a file holds a million: this pattern is twelve times faster than the rules below.
PLAIN = re.compile(rf"{LOCAL_PART.pattern}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{{0,61}}[A-Za-z0-9])?\.)+[A-Za-z]{{2,63}}")
LONGEST_ADDRESS = 254  # RFC 5321 §4.5.3.1.3, less the angle brackets
LONGEST_LOCAL_PART = 64  # octets; RFC 5321 §4.5.3.1.1
LONGEST_NAME = 200
# Invisible characters that web pages and spreadsheets leave around a text.
INVISIBLE = " \t\u00a0\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\u202a\u202c\u202f\u3000\ufeff"
LANGUAGE_CODE = re.compile(r"(?=.{2,16}$)[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")


class AddressError(ValueError):
    """The text is not an address that can be mailed; the message tells the person who typed it why."""


class Address(NamedTuple):  # files hold a million, and a frozen dataclass takes three times as long to make
    email: str  # as typed: deliver to this one
    key: str  # identity: two addresses with one key are one subscriber


def gettext_noop(text: str) -> str:
    """Mark the text for translation. Pages translate it; this module does not depend on Django."""
    return text


def parse(text: str) -> Address:
    """Return the one address in the text, without the spaces around it.

    Tags (`+news`) and dots stay: only the receiving server knows whether they matter. Raises AddressError.
    """
    text = text.strip(" ")
    if len(text) <= LONGEST_LOCAL_PART and PLAIN.fullmatch(text) and "xn--" not in (key := text.lower()):
        return Address(text, key)
    text = unicodedata.normalize("NFC", text)
    if not text:
        raise AddressError(gettext_noop("Enter an email address."))
    if any(unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Cs") for character in text):
        raise AddressError(gettext_noop("An address cannot contain line breaks or other control characters."))
    if any(character in text for character in '<>"(),;:\\') or any(character.isspace() for character in text):
        raise AddressError(
            gettext_noop("Enter only the address, like ada@example.com, without a name, quotes or spaces.")
        )
    local, at, domain = text.partition("@")
    if not at or "@" in domain or not local or not domain:
        raise AddressError(gettext_noop("An address needs exactly one @, with text on both sides."))
    _check_local_part(local)
    written, key = _read_domain(domain)
    address = Address(email=f"{local}@{written}", key=f"{local.lower()}@{key}")
    if max(len(address.email.encode()), len(address.key)) > LONGEST_ADDRESS:
        raise AddressError(gettext_noop("The address is longer than 254 characters."))
    return address


def _check_local_part(local: str) -> None:
    if not local.isascii():
        raise AddressError(
            gettext_noop(
                "The part before the @ may contain only plain Latin letters, digits and signs; we cannot deliver "
                "to any other."
            )
        )
    if len(local) > LONGEST_LOCAL_PART:
        raise AddressError(gettext_noop("The part before the @ is longer than 64 characters."))
    if not LOCAL_PART.fullmatch(local):
        raise AddressError(
            gettext_noop("The part before the @ contains a character or a dot that is not allowed there.")
        )


def _read_domain(domain: str) -> tuple[str, str]:
    """Return the domain to deliver to, and its lower-case A-label form."""
    if domain.startswith("["):
        raise AddressError(gettext_noop("Enter a domain name, not an IP address."))
    key = domain.lower() if domain.isascii() else _a_label(domain)
    labels = key.split(".")
    if len(labels) < 2:
        raise AddressError(gettext_noop("The domain needs an ending, like .com."))
    if labels[-1].isdigit():
        raise AddressError(gettext_noop("Enter a domain name, not an IP address."))
    if not all(LABEL.fullmatch(label) for label in labels):
        raise AddressError(gettext_noop("The part after the @ is not a domain name."))
    readable = _readable(key)
    # A wide letter or an ideographic full stop (．。) is an input method's slip: no server would know it.
    return (domain if domain.isascii() or domain.lower() == readable else readable), key


def _a_label(domain: str) -> str:
    import idna  # 10 ms, which commands for issues need not spend

    try:
        return idna.encode(domain, uts46=True, std3_rules=True).decode("ascii").lower()
    except UnicodeError:
        raise AddressError(gettext_noop("The part after the @ is not a domain name.")) from None


def _readable(key: str) -> str:
    if "xn--" not in key:
        return key
    import idna

    try:
        return idna.decode(key)
    except UnicodeError:
        raise AddressError(gettext_noop("The part after the @ is not a domain name.")) from None


def clean_name(text: str) -> str:
    """Put the name on one line with single spaces. Raises AddressError for a name that no greeting could hold."""
    name = " ".join(unicodedata.normalize("NFC", text).split()).strip(INVISIBLE)
    if not name.isprintable() and any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise AddressError(gettext_noop("The name contains a control character."))
    if len(name) > LONGEST_NAME:
        raise AddressError(gettext_noop("The name is longer than 200 characters."))
    return name


def is_language_code(text: str) -> bool:
    """Tell whether the text is written like en, zh-hans or pt-BR."""
    return LANGUAGE_CODE.fullmatch(text) is not None
