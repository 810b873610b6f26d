"""The addresses of all pages for search engines, as sitemaps.org describes them."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from html import escape
from itertools import islice

LIMIT = 50_000  # addresses
Addresses = Iterable[tuple[str, datetime | None]]  # with the last change, if it is known


def sitemap(addresses: Addresses) -> str:
    """Return a sitemap. Written here, because a template takes ten times as long, and there may be ten thousand."""
    return "".join(_lines(islice(addresses, LIMIT)))


def _lines(addresses: Addresses) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="utf-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
    for address, changed in addresses:
        said = f"<lastmod>{changed.astimezone(UTC).isoformat()}</lastmod>" if changed else ""
        yield f"<url><loc>{escape(address)}</loc>{said}</url>\n"
    yield "</urlset>\n"
