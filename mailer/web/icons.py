"""Views of a newsletter's icon: what browsers show in a tab and a bookmark, and telephones on their home screen.

It is made of the logo when an issue is sent. Before, and while the database is down, name and colour do.
"""

import struct
import zlib

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.cache import patch_cache_control
from django.views.decorators.http import conditional_page, require_safe

from mailer.config.newsletter import Newsletter
from mailer.content.colours import palette
from mailer.store import page_images
from mailer.store.page_images import Role
from subscribers.offline import AWAY
from subscribers.web.pages import at_any_host, first_newsletter

KEPT = 86_400  # seconds; a new logo or colour is seen after a day
HOME_SCREEN = 180  # pixels of an icon on a home screen


@at_any_host
@require_safe
@conditional_page
def favicon(request: HttpRequest, label: str = "") -> HttpResponse:
    """Show the newsletter's logo, or its first letter on its colour."""
    newsletter = _newsletter(label)
    if drawn := _drawn(newsletter, Role.ICON):
        return drawn
    shades = palette(newsletter.accent_color)
    values = {"ground": shades.accent, "ink": shades.on_accent, "letter": initial(newsletter.name)}
    return _icon(render_to_string("pages/icon.svg", values).encode(), "image/svg+xml")


@at_any_host
@require_safe
@conditional_page
def touch_icon(request: HttpRequest, label: str = "") -> HttpResponse:
    """Show the newsletter's logo, or its colour; home screens write its name below."""
    newsletter = _newsletter(label)
    return _drawn(newsletter, Role.HOME_SCREEN) or _icon(square(newsletter.accent_color, HOME_SCREEN), "image/png")


def initial(name: str) -> str:
    """Return the first letter or digit of a name, as a capital."""
    return next((sign.upper()[:1] for sign in name if sign.isalnum()), "")


def square(colour: str, side: int) -> bytes:
    """Return a PNG of one colour."""
    header = struct.pack(">IIBBBBB", side, side, 8, 3, 0, 0, 0)  # eight bits a pixel, from a palette
    rows = zlib.compress(bytes(side * (side + 1)), 9)
    chunks = ((b"IHDR", header), (b"PLTE", bytes.fromhex(colour.removeprefix("#"))), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _newsletter(label: str) -> Newsletter:
    found: Newsletter = settings.NEWSLETTERS[label or first_newsletter()]
    return found


def _drawn(newsletter: Newsletter, role: Role) -> HttpResponse | None:
    try:
        found = page_images.icon(newsletter.label, role)
    except AWAY:
        return None
    return _icon(bytes(found.content), found.content_type) if found else None


def _icon(content: bytes, content_type: str) -> HttpResponse:
    response = HttpResponse(content, content_type=content_type)
    response["Content-Security-Policy"] = "default-src 'none'"
    patch_cache_control(response, public=True, max_age=KEPT)
    return response
