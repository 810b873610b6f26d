"""`/admin/`: Django's own, closed to strangers, with nothing in it that could break a rule of sending or consent."""

import threading
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from axes.models import AccessAttempt
from axes.signals import user_locked_out
from django.conf import settings
from django.contrib.admin import AdminSite, site
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.validators import MaxLengthValidator
from django.db.models import Sum
from django.db.models.signals import pre_save
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from subscribers.networks import client_address

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


LONGEST_NAME = 150  # letters, as Django keeps them
GUESSES = 30  # wrong passwords from one network, for any names; then it is locked for as long as a name is
# Checking a password keeps a processor busy for a moment. A flood of them must leave threads for unsubscribes.
_checking = threading.BoundedSemaphore(2)


class LoginForm(AdminAuthenticationForm):
    """Rejects a name that the record of failed logins cannot hold: PostgreSQL would refuse the record."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.fields["username"].validators.append(MaxLengthValidator(LONGEST_NAME))


class Site(AdminSite):
    site_title = site_header = "mailer"
    index_title = "Subscribers and sends"
    index_template = "admin/start.html"
    site_url = "/"
    enable_nav_sidebar = False
    login_form = LoginForm

    def login(self, request: HttpRequest, extra_context: Any = None) -> Any:
        if request.method == "POST" and _guessed(network := visitor(request)) >= GUESSES:
            user_locked_out.send("mailer", request=request, username=None, ip_address=network)
            return locked(request, limit=GUESSES, whole_network=True)
        if request.method == "POST" and not _checking.acquire(blocking=False):
            return _busy()
        try:
            return _guarded(super().login(request, extra_context))
        finally:
            if request.method == "POST":
                _checking.release()

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        inner = super().admin_view(view, cacheable)
        return lambda *given, **named: _guarded(inner(*given, **named))


def _guessed(network: str | None) -> int:
    """Return how many wrong passwords came from this network lately, for any name. By the clock that axes counts by."""
    since = timezone.now() - timedelta(hours=settings.AXES_COOLOFF_TIME)  # noqa: TID251
    lately = AccessAttempt.objects.filter(ip_address=network, attempt_time__gte=since)
    return int(lately.aggregate(all=Sum("failures_since_start"))["all"] or 0)


def _busy() -> HttpResponseBase:
    message = "Others are logging in right now. Go back and try again in a moment."
    return HttpResponse(message, status=503, content_type="text/plain", headers={"Retry-After": "1"})


def locked(request: HttpRequest, *_: Any, limit: int = 0, whole_network: bool = False) -> HttpResponseBase:
    """Answer somebody who guessed too often, and say how long to wait."""
    told = {
        "title": "Too many wrong passwords",
        "limit": limit or settings.AXES_FAILURE_LIMIT,
        "whole_network": whole_network,
        "minutes": round(settings.AXES_COOLOFF_TIME * 60),
    }
    page: HttpResponse = render(request, "admin/locked.html", site.each_context(request) | told, status=429)
    page["Cache-Control"] = "no-store"
    return _guarded(page)


def _guarded(response: HttpResponseBase) -> HttpResponseBase:
    response["Content-Security-Policy"] = POLICY
    # Browsers send `Origin: null` under no-referrer, and Django would refuse its own forms.
    response["Referrer-Policy"] = "same-origin"
    response["X-Robots-Tag"] = "noindex"
    return response


def visitor(request: HttpRequest) -> str | None:
    """Return whose failed logins count together: the first address of the visitor's network, /24 or /64.

    None, for visitors without a readable address, is one of them.

    PostgreSQL keeps addresses only: what a proxy writes otherwise ("unknown", or with a port) would make the record
    fail, and a guess that is not recorded locks nobody out.
    """
    remote = request.META.get("REMOTE_ADDR", "")
    claimed = client_address(remote, request.META.get("HTTP_X_FORWARDED_FOR", ""), settings.MAILER_PROXIES)
    return _readable(claimed) or _readable(remote)


def _readable(address: str) -> str | None:
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return str(ip_network((ip.packed, 24 if ip.version == 4 else 64), strict=False).network_address)


@receiver(pre_save, sender=AccessAttempt)
def _keep_no_form(instance: AccessAttempt, **_: Any) -> None:
    """Drop what was typed and requested, which axes would keep: a name, a network and a count are enough."""
    instance.get_data = instance.post_data = instance.path_info = instance.http_accept = ""
