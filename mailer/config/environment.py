"""Read settings from the environment, then from the `.env` beside newsletter.toml; and word their errors.

Without a newsletter.toml it is the `.env` of the current folder.

Settings have their names and meanings in `mailer.settings`; commands ask here only where this is, before any setting is
made. A variable that is set to nothing counts as set: `…_API_KEY= mailer …` rehearses whatever the `.env` says.
"""

import io
import math
import os
import re
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from dotenv import dotenv_values
from dotenv.parser import Binding, parse_stream

from mailer.config.newsletter import find_config


class SettingError(ImproperlyConfigured):
    """A setting is missing or malformed; the message names it and says what to write."""


LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")
# What RFC 3986 allows in a URL: it ends a line of a file that programs read.
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
    """Return the settings in the file; none if it does not exist. Raises SettingError.

    Anything else that keeps it from being read stops the command: without its `.env` a server would use the defaults,
    and start a second, empty list of subscribers.
    """
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise SettingError(f"{path} is not UTF-8; save it as UTF-8.") from None
    except OSError as error:
        if _is_absent(path, error):
            return {}
        raise SettingError(
            f"{_place_of(path)} cannot be read ({error.strerror}); let the user who runs this command read it."
        ) from None
    for binding in parse_stream(io.StringIO(text)):
        _refuse_what_sets_nothing(path, binding)
    return dotenv_values(stream=io.StringIO(text))


def _is_absent(path: Path, error: OSError) -> bool:
    """Return False for a link that leads nowhere: it exists. Return True for a virtual environment named `.env`."""
    if isinstance(error, FileNotFoundError):
        return not path.is_symlink()
    return isinstance(error, IsADirectoryError) and (path / "pyvenv.cfg").exists()


def _place_of(path: Path) -> str:
    return f"{path} points to {os.path.realpath(path)}, which" if path.is_symlink() else str(path)


def _refuse_what_sets_nothing(path: Path, binding: Binding) -> None:
    """Raise SettingError for a line that is neither a setting nor a comment, without its text, which may be a key."""
    text = binding.original.string
    is_named = binding.key is not None and re.fullmatch(r"[A-Za-z_][\w.-]*", binding.key)
    if not binding.error and (binding.key is None or (is_named and binding.value is not None)):
        return
    line = binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")
    quoted = ", with both quotes and nothing after the closing one" if "=" in text else ""
    raise SettingError(f"{path}:{line} is not a setting; write NAME=value{quoted}.")


_dotenv = _read_dotenv(CONFIG_FOLDER / ".env")

# Every name that was asked for, and those that deploy/ and the tests ask for elsewhere.
_known = {"MAILER_CONFIG", "MAILER_HOST", "MAILER_OLD_HOSTS", "MAILER_IMAGE", "MAILER_UPSTREAM", "MAILER_CADDY_BUFFERS"}
_OF_TESTS = "MAILER_TEST_"
# What Kubernetes and Docker set beside a service that is called mailer.
_OF_SERVICES = re.compile(r"MAILER(_\w+)?_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP)(_\w+)?)")


def read(name: str, default: str = "") -> str:
    """Return the value without spaces around it, or the default."""
    _known.add(name)
    if name in os.environ:
        return os.environ[name].strip() or default
    return (_dotenv.get(name) or "").strip() or default


def home() -> Path:
    """Return the folder of this installation's own files."""
    return Path(read("MAILER_HOME") or CONFIG_FOLDER / "var").resolve()


def nowhere() -> bool:
    """Tell whether no newsletter.toml, no setting and no earlier database says that subscribers are kept here."""
    chosen = CONFIG or read("MAILER_HOME") or read("DATABASE_URL")
    return not chosen and not (CONFIG_FOLDER / "var" / "mailer.sqlite3").exists()


def misnamed() -> list[str]:
    """Return names that look like settings but are not, each with its place and the nearest setting.

    Call it when the settings are made: it knows those that were asked for.
    """
    ours = [name for name in _dotenv if name not in _known and (name.startswith("MAILER_") or _nearest(name))]
    theirs = [name for name, value in os.environ.items() if name not in _known and _is_meant(name, value)]
    return [
        *(_not_known(name, str(CONFIG_FOLDER / ".env")) for name in ours if not name.startswith(_OF_TESTS)),
        *(_not_known(name, "the environment") for name in sorted(theirs) if name not in ours),
    ]


def _is_meant(name: str, value: str) -> bool:
    """Tell whether the name is meant for mailer: others use the environment, too."""
    if not name.startswith("MAILER_") or name.startswith(_OF_TESTS):
        return False
    return not (_OF_SERVICES.fullmatch(name) or value.startswith(("tcp://", "udp://")))


def _not_known(name: str, place: str) -> str:
    nearest = _nearest(name)
    return f"{name} in {place} is not a setting{f'; is {nearest} meant?' if nearest else ', see docs/settings.md'}"


def _nearest(name: str) -> str:
    """Return the setting that is probably meant; "" if none is near. Names alike only in their prefix are not."""
    from difflib import get_close_matches

    if not name.startswith("MAILER_"):
        return next(iter(get_close_matches(name, _known, 1, 0.85)), "")
    rests = {known.removeprefix("MAILER_"): known for known in _known}
    return next((rests[rest] for rest in get_close_matches(name.removeprefix("MAILER_"), rests, 1)), "")


def number(name: str, default: float, at_least: float = 0) -> float:
    """Read a finite number. Raises SettingError."""
    text = read(name, str(default))
    try:
        value = float(text)
    except ValueError:
        raise SettingError(f"{name} is {text!r}; it must be a number.") from None
    if not at_least <= value < math.inf:
        raise SettingError(f"{name} is {text}; it must be at least {at_least:g}.")
    return value


def whole(name: str, default: int, at_least: int, at_most: int) -> int:
    """Read a number without a fraction, within both limits. Raises SettingError."""
    value = number(name, default, at_least)
    if value != int(value) or value > at_most:
        raise SettingError(f"{name} is {value:g}; it must be a whole number from {at_least} to {at_most}.")
    return int(value)


def switch(name: str) -> bool:
    """Return True only for 1. Raises SettingError."""
    text = read(name, "0")
    if text not in ("0", "1"):
        raise SettingError(f"{name} is {text!r}; it must be 0 or 1.")
    return text == "1"


def web_address(name: str, default: str, why: str) -> str:
    """Read a URL without a trailing slash; plain http only on this machine. Raises SettingError."""
    text = read(name, default).rstrip("/")
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 — raises for a port that is not a number
    except ValueError:
        raise SettingError(f"{name} is {text!r}, which is not a web address.") from None
    if parts.username or parts.password:
        raise SettingError(f"{name} contains a user name or a password; give the address without them.")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise SettingError(f"{name} is {text!r}; give an address such as {default}.")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise SettingError(f"{name} is {text!r}: plain http is accepted only for this machine, {why}; use https.")
    return text


def contact(name: str) -> str:
    """Read an address that security.txt may hold (RFC 9116, 2.5.3), to which people write. Raises SettingError."""
    text = read(name)
    address = text if ":" in text else f"mailto:{text}"
    if text and not CONTACT.fullmatch(address):
        raise SettingError(
            f"{name} is {text!r}; give an email address, or an address that begins with mailto:, https:// or tel:+."
        )
    return address if text else ""


def _a_label(name: str) -> str:
    import idna  # 10 ms, which commands need not spend

    return idna.encode(name, uts46=True).decode()


def origin_of(address: str) -> str:
    """Return scheme, host and port of a URL, as browsers write them into `Origin`. Raises UnicodeError."""
    parts = urlsplit(address)
    name = parts.hostname or ""
    host = f"[{name}]" if ":" in name else name if name.isascii() else _a_label(name)
    usual = parts.port in (None, {"http": 80, "https": 443}[parts.scheme])
    return f"{parts.scheme}://{host}" if usual else f"{parts.scheme}://{host}:{parts.port}"


def may_be_public(host: str) -> bool:
    """Return False for this machine, and for addresses of a network behind a router."""
    try:
        return ip_address(host).is_global
    except ValueError:
        return host != "localhost" and not host.endswith(".localhost")
