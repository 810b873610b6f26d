"""Lead from the addresses that imported issues had on another site to their pages here."""

from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.urls import Resolver404
from django.utils.cache import patch_cache_control

from mailer.archive import archive_root
from mailer.archive.aliases import instead, issue_behind
from subscribers.offline import AWAY
from subscribers.web import views

FRESH = 3600  # seconds for which it may be kept; browsers would keep a permanent redirect for good


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer an address that no page has: with the issue that had it on another site, or 404."""
    unknown = isinstance(exception, Resolver404) and request.method in ("GET", "HEAD")
    found = _behind(request.path_info) if unknown else None
    return _lead_to(*found) if found else views.not_found(request, exception)


def within_archive(label: str, slug: str, path: str) -> tuple[bool, HttpResponse | None]:
    """Return whether the page of this slug was removed, and the redirect to the issue that had this slug or path."""
    removed, found = instead(label, slug, path)
    return removed, _lead_to(label, found) if found else None


def _behind(path: str) -> tuple[str, str] | None:
    try:
        return issue_behind(path, list(settings.NEWSLETTERS))
    except AWAY:
        return None


def _lead_to(label: str, slug: str) -> HttpResponse:
    root = archive_root(settings.BASE_URL, label, list(settings.NEWSLETTERS))
    response = HttpResponsePermanentRedirect(f"{root}{quote(slug, safe='')}/")
    patch_cache_control(response, public=True, max_age=FRESH)
    return response
