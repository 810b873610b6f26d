"""The addresses that an issue had on another site, as its front matter names them."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote, urlsplit

# Hugo's, and the one of Jekyll's plugin for redirects; then what both call the address of the page itself.
ALIASES = ("aliases", "alias", "redirect_from")
PERMALINKS = ("permalink", "url")
LONGEST = 500


def aliases_in(values: Mapping[str, str]) -> tuple[str, ...]:
    """Return the former addresses, each once, as `name_of` writes them. Lists have their items joined by commas."""
    return tuple(dict.fromkeys(filter(None, _named(values))))


def _named(values: Mapping[str, str]) -> Iterator[str]:
    for key in ALIASES:
        yield from map(name_of, re.split(r",\s+|\n", values.get(key, "").strip("[]")))
    for key in PERMALINKS:
        written = values.get(key, "")
        # "/:year/:title/" is a pattern; another address than a path is that of something else.
        if written.startswith("/") and ":" not in written:
            yield name_of(written)


def name_of(address: str) -> str:
    """Return the path of an address without what changes nothing: its site, `index.html`, a slash at its end.

    A name without any slash is another slug of the archive. "" if nothing is left.
    """
    text = address.strip().strip("\"'")
    try:
        path = urlsplit(text).path if re.match(r"[A-Za-z][\w+.-]*://", text) else re.split("[?#]", text)[0]
    except ValueError:
        return ""
    path = re.sub(r"[\x00-\x1f\x7f]", "", unquote(path)).removesuffix("/")
    if "/" not in path:
        return path[:LONGEST]
    clean = posixpath.normpath(f"/{path.lstrip('/')}")
    return re.sub(r"/index\.html?$", "", clean)[:LONGEST].removesuffix("/")
