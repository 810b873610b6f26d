"""HTTP's door to the ledger: is it us, is it ready, the images of issues and the pages of sent ones."""

import logging
import time
from collections.abc import Callable

from django.db import DatabaseError, InterfaceError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_safe

from mailer.archive import sent
from mailer.installation import public_id
from mailer.models import Media
from mailer.schema import missing_migrations
from subscribers.views import CONTENT_POLICY, first_newsletter, newsletter_shown

log = logging.getLogger(__name__)


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """This installation's id: a sender asks for it before a real send, so that readers can leave."""
    return _not_to_keep({"installation": public_id()})


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when the database answers and has the tables of this version, else 503."""
    try:
        missing = missing_migrations()
    except (DatabaseError, InterfaceError):
        return _not_to_keep({"ready": False, "database": "not reached"}, 503)
    return _not_to_keep({"ready": not missing}, 503 if missing else 200)


def _not_to_keep(answer: dict[str, object], status: int = 200) -> HttpResponse:
    return JsonResponse(answer, status=status, headers={"Cache-Control": "no-store"})


@require_safe
def media(request: HttpRequest, sha256: str, extension: str) -> HttpResponse:
    """An image of an issue. Its name is its content, so it may be kept for ever."""
    found = Media.objects.filter(sha256=sha256, extension=extension).only("content", "content_type").first()
    if found is None:
        raise Http404
    response = HttpResponse(bytes(found.content), content_type=found.content_type)
    response["Content-Security-Policy"] = "default-src 'none'"
    patch_cache_control(response, public=True, max_age=31_536_000, immutable=True)
    return response


@require_safe
def archive_issue(request: HttpRequest, slug: str, label: str = "") -> HttpResponse:
    """The web page of a sent issue: its content without any reader's link, and nothing that could run."""
    shown = newsletter_shown(label or first_newsletter())
    send = sent(shown.label).only("subject", "article").filter(slug=slug).first()
    if send is None:
        raise Http404
    with translation.override(shown.language):
        values = {"newsletter": shown, "language": translation.get_language(), "send": send}
        response = HttpResponse(render_to_string("pages/archive_issue.html", values))
    # Images of an issue may stand elsewhere; everything else is ours.
    response["Content-Security-Policy"] = CONTENT_POLICY.replace("img-src 'self'", "img-src 'self' https:")
    patch_cache_control(response, public=True, max_age=300)
    return response


def access_log(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """One line a request with the route's name, never the path: paths hold readers' tokens."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        started = time.monotonic()
        response = get_response(request)
        route = request.resolver_match.view_name if request.resolver_match else "none"
        milliseconds = round(1000 * (time.monotonic() - started))
        log.info(
            "request",
            extra={"method": request.method, "route": route, "status": response.status_code, "ms": milliseconds},
        )
        return response

    return middleware
