"""Read newsletter.toml as `Newsletter`: who writes, from which address, in which language and colour."""

import re
import tomllib
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mailer.config.languages import read_language
from mailer.config.rules import names, why_not_ignored

FILE_NAME = "newsletter.toml"
FASTEST = 2_147_483_647  # emails an hour: the largest number in a column of PostgreSQL's type integer


# A newsletter's label is the first part of its pages' addresses, so it must not be one of ours.
RESERVED_LABELS = names(
    "about admin api archive assets confirm confirmation favicon.ico feed feed.xml healthz issues media "
    "metrics newsletters preferences readyz robots.txt sitemap.xml static subscribe subscribed unsubscribe "
    "webhooks .well-known"
)


class NewsletterError(ValueError):
    """newsletter.toml cannot be used; the text says where, what and what to do."""


@dataclass(frozen=True)
class Newsletter:
    label: str  # the table's name in newsletter.toml, e.g. "embedded-ai"
    name: str
    from_email: str
    folder: Path  # of newsletter.toml
    from_name: str = ""  # `name` unless the file sets it
    reply_to: str = ""
    postal_address: str = ""  # may have several lines; required for a real send
    language: str = "en"  # lower case, as Django writes it: "zh-hans"
    list_id: str = ""  # label and domain of the sender unless the file sets it
    timezone: str = "UTC"
    source_url: str = ""  # ends in "/"
    max_per_hour: int | None = None
    accent_color: str = "#0a58ca"  # always "#" and six lower-case digits
    logo: str = ""  # a path in the folder, or an https address
    card_font: str = ""  # the path of a font file, from the folder
    license: str = ""
    about: str = ""
    remote_images: str = "keep"  # at their own addresses, or "copy"
    media_url: str = ""  # where images are served instead of BASE_URL/media/; ends in "/"
    notify: str = ""  # who is told of sends that need a person
    ignore: frozenset[str] = frozenset()  # rules of the checker that no issue of it is to be measured by


def find_config(start: Path) -> Path | None:
    """Return the nearest newsletter.toml in `start` or a folder above it."""
    start = start.resolve()
    candidates = (folder / FILE_NAME for folder in (start, *start.parents))
    return next((path for path in candidates if path.is_file()), None)


def read_newsletters(path: Path) -> dict[str, Newsletter]:
    """Return every newsletter of the file by its label, in the order of the file. Raises `NewsletterError`."""
    return _Parser(path).newsletters()


def why_invalid(key: str, value: str) -> str:
    """Say what is wrong with a value of this setting, as it continues "value "; return "" if it can be used."""
    try:
        CHECKS[key](value)
    except _Bad as bad:
        return str(bad)
    return ""


def why_not_a_label(label: str) -> str:
    """Say why no newsletter can have this label; return "" if one can."""
    if label in RESERVED_LABELS:
        return f"{label!r} is reserved for a page; choose another name for the newsletter."
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", label):
        return f"{label!r} is used in addresses; use only lower-case letters a-z, digits and -."
    return ""


class _Bad(ValueError):
    """A value is unusable; the text continues "name = value "."""


class _Parser:
    """One newsletter.toml, and the lines to name when something in it is wrong."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = self._decode(self._read_bytes())
        self.lines = self.text.splitlines()

    def newsletters(self) -> dict[str, Newsletter]:
        data = self._parse()
        for key, value in data.items():
            if key != "newsletters":
                fix = "move it under [newsletters.<name>] or remove it."
                if isinstance(value, dict) and get_close_matches(key, ["newsletters"]):
                    fix = f"did you mean [newsletters.{next(iter(value), '<name>')}]?"
                self._fail(self._line_of("", key), f"{key!r} does not belong here; {fix}")
        tables = data.get("newsletters")
        if not isinstance(tables, dict) or not tables:
            self._fail(1, 'no newsletter is configured; add a table such as [newsletters.weekly] with name = "…".')
        return {label: self._newsletter(label, table) for label, table in tables.items()}

    def _read_bytes(self) -> bytes:
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise NewsletterError(
                f"{self.path} cannot be read ({error.strerror}); give the path of a newsletter.toml."
            ) from error

    def _decode(self, content: bytes) -> str:
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            self._fail(content[: error.start].count(b"\n") + 1, "this line is not UTF-8; save the file as UTF-8.")

    def _parse(self) -> dict[str, Any]:
        try:
            data = tomllib.loads(self.text)
            str(data)  # Python reads a long hexadecimal number but refuses to print it
            return data
        except tomllib.TOMLDecodeError as error:
            what, _, place = str(error).partition(" (at ")
            found = re.search(r"line (\d+)", place)
            self._fail(
                int(found[1]) if found else len(self.lines),
                f'this is not TOML: {what[:1].lower()}{what[1:]}; write lines such as name = "The Weekly".',
            )
        except (ValueError, RecursionError):
            longest = max(range(len(self.lines)), key=lambda number: len(self.lines[number]))
            self._fail(longest + 1, "a number is too long, or something is nested too deeply; write plain text.")

    def _newsletter(self, label: str, table: Any) -> Newsletter:
        self._check_label(label)
        if not isinstance(table, dict):
            self._fail(
                self._line_of("newsletters", label), f"newsletters.{label} must be a table: [newsletters.{label}]."
            )
        values: dict[str, Any] = {}
        for key, value in table.items():
            if key not in CHECKS:
                self._fail(
                    self._line_of(label, key),
                    f"{key!r} is not a newsletter setting; known settings are {', '.join(CHECKS)}.",
                )
            try:
                values[key] = CHECKS[key](value)
            except _Bad as bad:
                shown = str(value).lower() if isinstance(value, bool) else repr(value)  # as TOML has them
                self._fail(self._line_of(label, key), f"{key} = {shown} {bad}")
        for key in REQUIRED:
            if not values.get(key):
                self._fail(
                    self._line_of(label, ""), f"newsletter {label!r} has no {key}; add {key} = {EXAMPLES[key]!r}."
                )
        values["from_name"] = values.get("from_name") or values["name"]
        # Subscribers' filters depend on it, so it is made of what stays: the label and the sender's domain.
        values["list_id"] = values.get("list_id") or f"{label}.{values['from_email'].rpartition('@')[2]}"
        return Newsletter(label=label, folder=self.path.resolve().parent, **values)

    def _check_label(self, label: str) -> None:
        if why := why_not_a_label(label):
            self._fail(self._line_of(label, ""), why)

    def _line_of(self, label: str, key: str) -> int:
        """Return the line of `key` of newsletter `label` (of its table without a key); tomllib does not say."""
        table, of_table = "", 1
        for number, line in enumerate(self.lines, 1):
            if header := re.match(r"\s*\[\[?([^\[\]#]+)\]", line):
                table = header[1].strip().replace('"', "").replace("'", "").removeprefix("newsletters.").strip()
                if table == label:
                    of_table = number
                if (not label and table.split(".")[0] == key) or (table == label and not key):
                    return number
            elif key and table == label and re.match(rf"""\s*["']?{re.escape(key)}["']?\s*[=.]""", line):
                return number
        return of_table

    def _fail(self, line: int, message: str) -> NoReturn:
        raise NewsletterError(f"{self.path}:{line} {message}")


# ---------------------------------------------------------------- what each value must be


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _Bad('must be text in quotes, such as "…".')
    if re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", value):
        raise _Bad("contains a control character; remove it.")
    return value.strip()


def _header(value: Any) -> str:
    """Return text of one line: a line break would let a value add headers of its own."""
    text = _text(value)
    if not isinstance(value, str) or re.search(r"[\r\n\x00\x85\u2028\u2029]", value):
        raise _Bad("has more than one line; write it on one line, because it goes into an email header.")
    if len(text) > 200:
        raise _Bad("is too long for an email header; use at most 200 characters.")
    return text


def _address(value: Any) -> str:
    text = _header(value)
    local, at, domain = text.rpartition("@")
    if text and not (
        at
        and len(local) <= 64
        and re.fullmatch(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+", local)
        and re.fullmatch(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z0-9-]{2,}", domain)
    ):
        raise _Bad('is not an email address; write it as "editor@example.com" (the name goes into from_name).')
    return text


def _language(value: Any) -> str:
    try:
        return read_language(_header(value))
    except _Bad:
        raise
    except ValueError as error:
        raise _Bad(str(error)) from None


def _timezone(value: Any) -> str:
    text = _header(value)
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _Bad('is not a time zone; write one such as "Europe/Berlin", "Asia/Shanghai" or "UTC".') from None
    return text


def _list_id(value: Any) -> str:
    text = _header(value)
    if text and not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+", text):
        raise _Bad('is not a list id; write a name under a domain of yours, such as "weekly.example.com".')
    return text


def _web_address(value: Any) -> str:
    text = _header(value)
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        host = None
    if text and (not host or parts.scheme not in ("http", "https") or re.search(r"[\s\"'<>]", text)):
        raise _Bad('is not a web address; write it as "https://…".')
    return text


def _refuse_login(address: str) -> None:
    if "@" in urlsplit(address).netloc:
        raise _Bad("must not contain a user name or password, because it is in every email.")


def _folder_address(value: Any) -> str:
    text = _web_address(value)
    if "?" in text or "#" in text:
        raise _Bad("must be the address of a folder, without ? and #.")
    _refuse_login(text)
    return text if not text or text.endswith("/") else f"{text}/"


def _media_url(value: Any) -> str:
    parts = urlsplit(_folder_address(value))
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise _Bad("must begin with https://, because email programs load no other images.")
    return parts.geturl()  # with its scheme in lower case


def _remote_images(value: Any) -> str:
    if value not in ("keep", "copy"):
        raise _Bad('must be "keep", to leave images of other sites there, or "copy", to send copies of them.')
    return str(value)


def _logo(value: Any) -> str:
    """Return a path in the folder, or an address."""
    text = _header(value)
    if re.match("https?://", text, re.IGNORECASE):
        _refuse_login(_web_address(text))
    return text


def _font(value: Any) -> str:
    text = _header(value)
    if text and not text.lower().endswith((".ttf", ".otf", ".ttc", ".otc")):
        raise _Bad('must be the path of a font file (.ttf, .otf, .ttc or .otc), such as "fonts/Serif.otf".')
    return text


def _colour(value: Any) -> str:
    text = _header(value).lower()
    if re.fullmatch(r"#[0-9a-f]{3}", text):
        text = "#" + "".join(digit * 2 for digit in text[1:])
    if not re.fullmatch(r"#[0-9a-f]{6}", text):
        raise _Bad('is not a colour; write six digits after "#", such as "#0a58ca".')
    return text


def _rate(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _Bad("must be a whole number of emails, at least 1, without quotes.")
    if value > FASTEST:
        raise _Bad(f"is more than a database can store; write at most {FASTEST}, or remove it for no limit.")
    return value


def _rules(value: Any) -> frozenset[str]:
    """Return the rules to ignore; one without brackets is a list of one, as in front matter."""
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(rule, str) for rule in listed):
        raise _Bad('must be a list of rules of `mailer check`, such as ["alt-missing"].')
    for rule in listed:
        if why := why_not_ignored(rule):
            raise _Bad(f"names {rule!r}: {why}")
    return frozenset(listed)


CHECKS: dict[str, Callable[[Any], Any]] = {
    "name": _header,
    "from_email": _address,
    "from_name": _header,
    "reply_to": _address,
    "postal_address": _text,
    "language": _language,
    "list_id": _list_id,
    "timezone": _timezone,
    "source_url": _folder_address,
    "max_per_hour": _rate,
    "accent_color": _colour,
    "logo": _logo,
    "card_font": _font,
    "license": _header,
    "about": _text,
    "remote_images": _remote_images,
    "media_url": _media_url,
    "notify": _address,
    "ignore": _rules,
}
REQUIRED = [field.name for field in fields(Newsletter) if field.default is MISSING and field.name in CHECKS]
EXAMPLES = {"name": "The Weekly", "from_email": "editor@example.com"}
