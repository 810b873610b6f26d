"""Requests under a name that is not that of BASE_URL: an old one after a move, or what a proxy passes on in its place.

Nothing that we answer is made from the name in `Host`, so what needs no cookie works under any: links that are signed,
one-click, the webhook, images of old mails. The rest leads to BASE_URL, and to nowhere else.
"""

import logging
from contextlib import suppress
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port, validate_host
from django.urls import Resolver404, ResolverMatch, is_valid_path, resolve
from django.utils.deprecation import MiddlewareMixin

from mailer.environment import LOOPBACK
from mailer.proxies import FOREIGN
from mailer.refusals import Cause, refuse

log = logging.getLogger(__name__)

# In the address that a visitor is led to. Who comes back with it and still under another name was led in a circle: the
# proxy at BASE_URL passes on a name of its own.
LED_HERE = "led-here"

UNPASSED = (
    "a request for BASE_URL came in under another name: the proxy must pass on the name that visitors ask for, in "
    "`Host` (nginx: proxy_set_header Host $host;)"
)


class WithItsSlash(MiddlewareMixin):
    """Middleware: a POST needs no slash at its end. Django would redirect it, and it would arrive as a GET."""

    def process_request(self, request: HttpRequest) -> None:
        path = request.path_info
        if request.method == "POST" and not is_valid_path(path) and is_valid_path(f"{path}/"):
            request.path, request.path_info = f"{request.path}/", f"{path}/"


class UnderAnyName(MiddlewareMixin):
    """Middleware: below it each request is one for BASE_URL, or for this machine itself."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        if _is_ours(request):
            return None
        match = request.resolver_match = _match(request)
        if match is None or not getattr(match.func, "at_any_host", False):
            return _lead(request, match)
        request.META["HTTP_HOST"] = urlsplit(settings.ORIGIN).netloc
        request.META[FOREIGN] = True
        return None


def _is_ours(request: HttpRequest) -> bool:
    try:
        request.get_host()
    except DisallowedHost:
        return _was_ours(request)
    return True


def _was_ours(request: HttpRequest) -> bool:
    """Whether our proxy says that it was asked for our name, as Apache does. Then that is the one which counts."""
    claimed = request.headers.get("X-Forwarded-Host", "").rpartition(",")[2].strip()
    ours = bool(settings.MAILER_PROXIES) and validate_host(split_domain_port(claimed)[0], settings.ALLOWED_HOSTS)
    if ours:
        request.META["HTTP_HOST"] = claimed
    return ours


def _match(request: HttpRequest) -> ResolverMatch | None:
    for path in (request.path_info, f"{request.path_info}/"):
        with suppress(Resolver404):
            return resolve(path)
    return None


def _lead(request: HttpRequest, match: ResolverMatch | None) -> HttpResponse:
    """To the same page at BASE_URL. What was posted is not repeated there, and nobody is led twice."""
    led, home = LED_HERE in request.GET, urlsplit(settings.ORIGIN).hostname
    # From another machine nobody is led to their own.
    if match is None or led or home in LOOPBACK or request.method not in ("GET", "HEAD"):
        log.log(logging.WARNING if led else logging.INFO, UNPASSED if led else "a request for another host was refused")
        return refuse(request, Cause.WRONG_HOST)
    path = request.get_full_path()
    response = refuse(request, Cause.WRONG_HOST, 302)
    response["Location"] = f"{settings.BASE_URL}{path}{'&' if '?' in path else '?'}{LED_HERE}=1"
    return response


class OwnOrigin(MiddlewareMixin):
    """Middleware: a form of ours is known as such where a proxy sets `Referrer-Policy: no-referrer`.

    Then browsers send `Origin: null`. No page can make its visitors' browsers send this `Sec-Fetch-Site`.
    """

    def process_request(self, request: HttpRequest) -> None:
        if request.headers.get("Origin") == "null" and request.headers.get("Sec-Fetch-Site") == "same-origin":
            request.META["HTTP_ORIGIN"] = settings.ORIGIN
