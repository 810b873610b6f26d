"""Decide where a link of an issue leads in an email, far from the editor's folder."""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from markdown_it.common.normalize_url import normalizeLink

from mailer.content.aliases import name_of
from mailer.content.assets.meant import address_meant
from mailer.content.issues import slug_of

# Possessive, or an address that fails at its last letter would be tried in every possible way.
PLAIN = re.compile(r"https?://[a-z0-9.-]+(?::[1-5]?\d{1,4})?/(?:[A-Za-z0-9/?&=#:@;,.!~*'()+$_-]++|%[0-9A-Fa-f]{2})*+")
OPENED = ("http", "https", "mailto", "tel")


class LinkError(ValueError):
    """Mail clients cannot or must not open the address."""

    def __init__(self, message: str, fix: str, rule: str) -> None:
        super().__init__(message)
        self.message, self.fix, self.rule = message, fix, rule


HERE = PurePosixPath()


@dataclass(frozen=True)
class Destinations:
    """What a relative link can mean."""

    source_url: str = ""  # public address of the newsletter's folder, ends in "/"
    place: PurePosixPath = HERE  # the issue's folder, relative to the newsletter's
    archive_url: str = ""  # where sent issues have their pages, ends in "/"
    sent: frozenset[str] = frozenset()  # their slugs
    moved: Mapping[str, str] = field(default_factory=dict)  # slugs by what files and another site call the issues


def absolute(target: str, destinations: Destinations) -> str:
    """Return the address that opens from an email. Raises `LinkError`."""
    # Most addresses are right already, and normalising them is slow.
    if PLAIN.fullmatch(target):
        return target
    # Browsers read "java\nscript:" as "javascript:".
    compact = re.sub(r"[\x00-\x20\x7f-\x9f\u2028\u2029]", "", target)
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", compact)
    if scheme and scheme[1].lower() not in OPENED:
        raise LinkError(f'email clients do not open "{scheme[1]}:" links', "give an https address", "unsafe-target")
    if scheme and scheme[1].lower() in ("mailto", "tel"):
        return quote(compact, safe="%:@/?&=+,;!$'()*~.-_#")
    if scheme or compact.startswith("//"):
        return _encoded(target if scheme else f"https:{target.strip()}")
    return _encoded(_from_source(target.strip(), destinations))


def _encoded(address: str) -> str:
    address = re.sub(r"[\r\n\t]", "", address.strip())
    try:
        host, _ = urlsplit(address).hostname, urlsplit(address).port
    except ValueError:
        host = None  # also for a port that does not exist, with which the address would be lost
    if not host:
        fix = f"write {address_meant(address) or 'it as https://…'}"
        raise LinkError(f'"{address}" is not a web address', fix, "relative-left")
    return address if PLAIN.fullmatch(address) else str(normalizeLink(address))


def _from_source(target: str, destinations: Destinations) -> str:
    path, mark, rest = re.match(r"([^?#]*)([?#]?)(.*)", target, re.DOTALL).groups()  # type: ignore[union-attr]
    slug = slug_of(destinations.place / unquote(path)) if path.lower().endswith((".md", ".markdown")) else ""
    if slug not in destinations.sent:
        moved = destinations.moved.get(slug or name_of(path)) if slug or path.startswith("/") else None
        slug = moved or slug
    if slug in destinations.sent:
        return f"{destinations.archive_url}{quote(slug, safe='')}/{mark}{rest}"
    if not destinations.source_url:
        first = "send that issue first, or " if slug else ""
        fix = f"{first}give an https address, or set source_url in newsletter.toml to the folder's public address"
        if meant := address_meant(target):
            fix = f"write {meant}"
        raise LinkError(f'link "{target}" does not work in an email', fix, "relative-left")
    joined = path.lstrip("/") if path.startswith("/") else posixpath.join(*map(quote, destinations.place.parts), path)
    clean = posixpath.normpath(joined) if joined else "."
    if clean == ".." or clean.startswith("../"):
        raise LinkError(
            f'link "{target}" leads outside the newsletter\'s folder',
            "give an https address, or move the file",
            "relative-left",
        )
    slash = "/" if joined.endswith("/") and clean != "." else ""
    return f"{destinations.source_url}{'' if clean == '.' else clean}{slash}{mark}{rest}"
