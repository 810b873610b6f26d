"""Where a link of an issue leads once it stands in a mail, far from the editor's folder."""

import posixpath
import re
from pathlib import PurePosixPath
from urllib.parse import quote, urlsplit

from markdown_it.common.normalize_url import normalizeLink

OPENED = ("http", "https", "mailto", "tel")


class LinkError(ValueError):
    """Mail clients cannot or must not open the address."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message, self.fix = message, fix


def absolute(target: str, source_url: str, place: PurePosixPath) -> str:
    """The address that opens from a mail. `place` is the issue's folder, relative to the newsletter's.

    Raises `LinkError`.
    """
    # Browsers read "java\nscript:" as "javascript:".
    compact = re.sub(r"[\x00-\x20\x7f-\x9f\u2028\u2029]", "", target)
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", compact)
    if scheme and scheme[1].lower() not in OPENED:
        raise LinkError(f'mail clients do not open "{scheme[1]}:" links', "give an https address")
    if scheme and scheme[1].lower() in ("mailto", "tel"):
        return quote(compact, safe="%:@/?&=+,;!$'()*~.-_#")
    if scheme or compact.startswith("//"):
        return _encoded(target if scheme else f"https:{target.strip()}")
    return _encoded(_from_source(target.strip(), source_url, place))


def _encoded(address: str) -> str:
    address = re.sub(r"[\r\n\t]", "", address.strip())
    try:
        host = urlsplit(address).hostname
    except ValueError:
        host = None
    if not host:
        raise LinkError(f'"{address}" is not a web address', "write it as https://…")
    return str(normalizeLink(address))


def _from_source(target: str, source_url: str, place: PurePosixPath) -> str:
    if not source_url:
        raise LinkError(
            f'link "{target}" leads nowhere from a mail',
            "give an https address, or set source_url in newsletter.toml to the folder's public address",
        )
    path, mark, rest = re.match(r"([^?#]*)([?#]?)(.*)", target, re.DOTALL).groups()  # type: ignore[union-attr]
    joined = path.lstrip("/") if path.startswith("/") else posixpath.join(*map(quote, place.parts), path)
    clean = posixpath.normpath(joined) if joined else "."
    if clean == ".." or clean.startswith("../"):
        raise LinkError(
            f'link "{target}" leads out of the newsletter\'s folder', "give an https address, or move what it names"
        )
    slash = "/" if joined.endswith("/") and clean != "." else ""
    return f"{source_url}{'' if clean == '.' else clean}{slash}{mark}{rest}"
