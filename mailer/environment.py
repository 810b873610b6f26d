"""How settings are read: from the environment, then from the `.env` beside newsletter.toml; and in which words refused.

Without a newsletter.toml it is the `.env` of the current folder.

Settings have their names and meanings in `mailer.settings`; commands ask here only where this is, before any setting is
made. A variable that is set to nothing counts as set: `SENDGRID_API_KEY= mailer …` rehearses whatever the `.env` says.
"""

import math
import os
import re
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import idna
from django.core.exceptions import ImproperlyConfigured
from dotenv import dotenv_values

from mailer.newsletter import find_config


class SettingError(ImproperlyConfigured):
    """A setting is missing or malformed; the message names it and says what to write."""


LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")
# Of what RFC 3986 lets stand in an address: it ends a line of a file that programs read.
CONTACT = re.compile(
    r"mailto:[\w.!#$%&'*+/=?^`{|}~-]+@(?:[A-Za-z0-9-]+[.])+[A-Za-z0-9-]{2,}"
    r"|https://(?:[A-Za-z0-9-]+[.])+[A-Za-z0-9-]{2,}(?::\d+)?(?:[/?][\w.~!$&'()*+,;=:@%/?-]*)?"
    r"|tel:[+][\d.()-]+",
    re.ASCII,
)

# ---------------------------------------------------------------- the editor's folder

_config = os.environ.get("MAILER_CONFIG", "")
if _config and not Path(_config).is_file():
    raise SettingError(f"MAILER_CONFIG names {_config}, which is not a file; give the path of a newsletter.toml.")
CONFIG: Path | None = Path(_config).resolve() if _config else find_config(Path.cwd())
CONFIG_FOLDER: Path = CONFIG.parent if CONFIG else Path.cwd()


def _read_dotenv(path: Path) -> dict[str, str | None]:
    try:
        return dotenv_values(path)
    except UnicodeDecodeError:
        raise SettingError(f"{path} is not UTF-8; save it as UTF-8.") from None
    except OSError as error:
        raise SettingError(
            f"{path} cannot be read ({error.strerror}); let the user who runs this command read it."
        ) from None


_dotenv = _read_dotenv(CONFIG_FOLDER / ".env")


def read(name: str, default: str = "") -> str:
    """The value without spaces around it; the default where there is none."""
    if name in os.environ:
        return os.environ[name].strip() or default
    return (_dotenv.get(name) or "").strip() or default


def home() -> Path:
    """The folder of this installation's own files."""
    return Path(read("MAILER_HOME") or CONFIG_FOLDER / "var").resolve()


def nowhere() -> bool:
    """Neither a newsletter.toml, nor a setting, nor a database of before says that readers are kept here."""
    chosen = CONFIG or read("MAILER_HOME") or read("DATABASE_URL")
    return not chosen and not (CONFIG_FOLDER / "var" / "mailer.sqlite3").exists()


def number(name: str, default: float, at_least: float = 0) -> float:
    """A finite number. Raises SettingError."""
    text = read(name, str(default))
    try:
        value = float(text)
    except ValueError:
        raise SettingError(f"{name} is {text!r}; it must be a number.") from None
    if not at_least <= value < math.inf:
        raise SettingError(f"{name} is {text}; it must be at least {at_least:g}.")
    return value


def whole(name: str, default: int, at_least: int, at_most: int) -> int:
    """A number without a fraction, within both limits. Raises SettingError."""
    value = number(name, default, at_least)
    if value != int(value) or value > at_most:
        raise SettingError(f"{name} is {value:g}; it must be a whole number from {at_least} to {at_most}.")
    return int(value)


def switch(name: str) -> bool:
    """Off unless it is set to 1. Raises SettingError."""
    text = read(name, "0")
    if text not in ("0", "1"):
        raise SettingError(f"{name} is {text!r}; it must be 0 or 1.")
    return text == "1"


def web_address(name: str, default: str, why: str) -> str:
    """An address without a trailing slash; plain http only on this machine. Raises SettingError."""
    text = read(name, default).rstrip("/")
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 — raises for a port that is no number
    except ValueError:
        raise SettingError(f"{name} is {text!r}, which is not a web address.") from None
    if parts.username or parts.password:
        raise SettingError(f"{name} holds a user name or a password; give the bare address.")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise SettingError(f"{name} is {text!r}; give an address such as {default}.")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise SettingError(f"{name} is {text!r}: plain http is taken only for this machine, {why}; use https.")
    return text


def contact(name: str) -> str:
    """Where people write to, as an address that security.txt may hold (RFC 9116, 2.5.3). Raises SettingError."""
    text = read(name)
    address = text if ":" in text else f"mailto:{text}"
    if text and not CONTACT.fullmatch(address):
        raise SettingError(
            f"{name} is {text!r}; give a mail address, or an address that begins with mailto:, https:// or tel:+."
        )
    return address if text else ""


def origin_of(address: str) -> str:
    """Scheme, host and port of a web address, as browsers write them into `Origin`."""
    parts = urlsplit(address)
    name = parts.hostname or ""
    host = f"[{name}]" if ":" in name else name if name.isascii() else idna.encode(name, uts46=True).decode()
    usual = parts.port in (None, {"http": 80, "https": 443}[parts.scheme])
    return f"{parts.scheme}://{host}" if usual else f"{parts.scheme}://{host}:{parts.port}"


def may_be_public(host: str) -> bool:
    """Not this machine, and no address of a network behind a router."""
    try:
        return ip_address(host).is_global
    except ValueError:
        return host != "localhost" and not host.endswith(".localhost")
