"""`/admin/`: Django's own, closed to strangers, with nothing in it that could break a rule of sending or consent."""

from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponseBase

from subscribers.networks import client_address

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


class Site(AdminSite):
    site_title = site_header = "mailer"
    index_title = "Readers and sends"
    site_url = "/"
    enable_nav_sidebar = False

    def login(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return _guarded(super().login(request, extra_context))

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        inner = super().admin_view(view, cacheable)
        return lambda *given, **named: _guarded(inner(*given, **named))


def _guarded(response: HttpResponseBase) -> HttpResponseBase:
    response["Content-Security-Policy"] = POLICY
    # Browsers send `Origin: null` under no-referrer, and Django would refuse its own forms.
    response["Referrer-Policy"] = "same-origin"
    response["X-Robots-Tag"] = "noindex"
    return response


def visitor(request: HttpRequest) -> str:
    """Whose failed logins are counted together."""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    return client_address(request.META.get("REMOTE_ADDR", ""), forwarded, settings.MAILER_PROXIES)
