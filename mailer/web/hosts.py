"""Requests for a host other than that of BASE_URL: an old one after a move, or what a proxy passes on instead.

No answer is made from the name in `Host`, so what needs no cookie works under any name: signed links, one-click, the
webhook, images of old emails. The rest is redirected to BASE_URL, and to nowhere else. A visitor who was redirected and
still comes in under another name came through a proxy that passes on a name of its own, and is answered.
"""

import logging
import re
from contextlib import suppress
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port, validate_host
from django.urls import Resolver404, ResolverMatch, is_valid_path, resolve
from django.utils.deprecation import MiddlewareMixin

from mailer.config.environment import LOOPBACK
from mailer.web import proxies
from mailer.web.refusals import Cause, refuse

log = logging.getLogger(__name__)

SLASHES = re.compile("/{2,}")
LED = "led-here=1"  # ends the URL to which a visitor was redirected


class WithSingleSlashes(MiddlewareMixin):
    """Middleware: a signed link opens although a gateway that rewrote it doubled its slashes.

    No other path: a proxy may keep strangers out of some, and need not know them under two names.
    """

    def process_request(self, request: HttpRequest) -> None:
        single = SLASHES.sub("/", request.path_info)
        if single != request.path_info and (match := _match_of(single)) and "token" in match.kwargs:
            request.path = request.path_info = single


class WithItsSlash(MiddlewareMixin):
    """Middleware: a POST needs no slash at its end. Django would redirect it, and it would arrive as a GET."""

    def process_request(self, request: HttpRequest) -> None:
        path = request.path_info
        # Looking a path up is a twentieth of a one-click unsubscribe, and one that has its slash needs no other.
        if request.method != "POST" or path.endswith("/"):
            return
        if not is_valid_path(path) and is_valid_path(f"{path}/"):
            request.path, request.path_info = f"{request.path}/", f"{path}/"


class OwnOrigin(MiddlewareMixin):
    """Middleware: a form of ours is recognised although a proxy sets `Referrer-Policy: no-referrer`.

    Then browsers send `Origin: null`. No page can make its visitors' browsers send this `Sec-Fetch-Site`.
    """

    def process_request(self, request: HttpRequest) -> None:
        if request.headers.get("Origin") == "null" and request.headers.get("Sec-Fetch-Site") == "same-origin":
            request.META["HTTP_ORIGIN"] = settings.ORIGIN


class UnderAnyName(MiddlewareMixin):
    """Middleware: below it each request is for BASE_URL, or for this machine itself."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        led = _was_led(request)
        if _is_ours(request):
            return None
        match = request.resolver_match = _match(request)
        if not (match and getattr(match.func, "at_any_host", False)):
            # No other page can make a browser name this origin in `Origin`.
            if not (led or request.headers.get("Origin") == settings.ORIGIN):
                return _lead(request, match)
            proxies.remember(proxies.Fault.HOST)
        request.META["HTTP_HOST"] = urlsplit(settings.ORIGIN).netloc
        request.META[proxies.FOREIGN] = True
        return None


def _was_led(request: HttpRequest) -> bool:
    """Tell whether the URL carries the mark of a redirect, and remove it: some pages check their queries."""
    query: str = request.META.get("QUERY_STRING", "")
    led = query == LED or query.endswith(f"&{LED}")
    if led:
        request.META["QUERY_STRING"] = query.removesuffix(LED).removesuffix("&")
    return led


def _is_ours(request: HttpRequest) -> bool:
    try:
        request.get_host()
    except DisallowedHost:
        return _was_ours(request)
    return True


def _was_ours(request: HttpRequest) -> bool:
    """Tell whether our proxy says that it was asked for our name, as Apache does; then that name counts."""
    claimed = request.headers.get("X-Forwarded-Host", "").rpartition(",")[2].strip()
    if not settings.MAILER_PROXIES or not validate_host(split_domain_port(claimed)[0], settings.ALLOWED_HOSTS):
        return False
    request.META["HTTP_HOST"] = claimed
    return True


def _match(request: HttpRequest) -> ResolverMatch | None:
    return _match_of(request.path_info)


def _match_of(path_info: str) -> ResolverMatch | None:
    for path in (path_info, f"{path_info}/"):
        with suppress(Resolver404):
            return resolve(path)
    return None


def _lead(request: HttpRequest, match: ResolverMatch | None) -> HttpResponse:
    """Redirect to the same page at BASE_URL; but what was posted is not repeated there."""
    at_home = (
        urlsplit(settings.ORIGIN).hostname in LOOPBACK
    )  # never redirect visitors from another machine to their own
    if match is None or at_home or request.method not in ("GET", "HEAD"):
        log.info("request for unknown host refused")
        return refuse(request, Cause.WRONG_HOST)
    path = request.get_full_path()
    response = refuse(request, Cause.WRONG_HOST, 302)
    response["Location"] = f"{settings.BASE_URL}{path}{'&' if '?' in path else '?'}{LED}"
    return response
