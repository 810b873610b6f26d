"""Views of the ledger for machines: installation id, readiness, metrics, and the images of issues."""

import logging
import secrets
import time
from collections.abc import Callable

from django.conf import settings
from django.core.files.uploadhandler import FileUploadHandler, StopUpload
from django.db import DatabaseError, InterfaceError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_safe

from mailer.models import Media
from mailer.store.installation import public_id
from mailer.web import proxies, readiness
from mailer.web.metrics import CONTENT_TYPE, exposition
from subscribers.web.pages import at_any_host

log = logging.getLogger(__name__)

UNREADABLE = (
    "in production /metrics needs a token: set MAILER_METRICS_TOKEN, and send it as `Authorization: Bearer TOKEN`"
)
BY_A_PROXY = ("X-Forwarded-", "X-Real-Ip", "X-Client-Ip", "Forwarded", "Via")


@at_any_host  # load balancers ask by an address of their own
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer with this installation's id: a sender asks for it before a real send, so that subscribers can leave.

    With `?front` also what the proxies in front do wrong, by the names of `proxies.Fault`: `mailer doctor` asks.
    """
    answer: dict[str, object] = {"installation": public_id()}
    if "front" in request.GET:
        answer["front"] = [fault.name for fault in proxies.faults_of(request)]
    return _not_to_keep(answer)


@at_any_host
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 if this process can serve and the database can be written, else 503 and what is wrong."""
    faults = readiness.faults()
    return _not_to_keep({"ready": not faults, **faults}, 503 if faults else 200)


def _not_to_keep(answer: dict[str, object], status: int = 200) -> HttpResponse:
    return JsonResponse(answer, status=status, headers={"Cache-Control": "no-store"})


@at_any_host
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Show metrics to anybody with the token, and outside production to this machine itself.

    In production nothing tells this machine from a visitor: a proxy here may add no header. Others do not learn that
    the page exists.
    """
    if settings.PRODUCTION and not settings.MAILER_METRICS_TOKEN:
        return HttpResponse(UNREADABLE, status=403, content_type="text/plain", headers={"Cache-Control": "no-store"})
    if not (_from_this_machine(request) or _has_metrics_token(request)):
        raise Http404
    try:
        figures = exposition()
    except (DatabaseError, InterfaceError):
        return HttpResponse(
            "the database is unavailable", status=503, content_type="text/plain", headers={"Retry-After": "5"}
        )
    return HttpResponse(figures, content_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})


def _from_this_machine(request: HttpRequest) -> bool:
    # A page whose name was made to resolve here would make a visitor's browser ask in its name.
    if proxies.FOREIGN in request.META:
        return False
    # Behind a proxy on this machine everybody comes from loopback. Proxies that we were not told of mostly show
    # themselves by their headers.
    if settings.PRODUCTION or settings.MAILER_PROXIES or any(name.startswith(BY_A_PROXY) for name in request.headers):
        return False
    return request.META.get("REMOTE_ADDR", "") in ("127.0.0.1", "::1")


def _has_metrics_token(request: HttpRequest) -> bool:
    token = settings.MAILER_METRICS_TOKEN
    given = request.headers.get("Authorization", "")
    return bool(token) and secrets.compare_digest(given.encode(), f"Bearer {token}".encode())


@at_any_host  # emails from before a move name the old one
@require_safe
def media(request: HttpRequest, sha256: str, extension: str) -> HttpResponse:
    """Serve an image of an issue. Its name is its content, so it may be cached indefinitely."""
    found = Media.objects.filter(sha256=sha256, extension=extension).only("content", "content_type").first()
    if found is None:
        raise Http404
    response = HttpResponse(bytes(found.content), content_type=found.content_type)
    response["Content-Security-Policy"] = "default-src 'none'"
    patch_cache_control(response, public=True, max_age=31_536_000, immutable=True)
    return response


def access_log(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Log one line a request with the route's name, never the path: paths hold subscribers' tokens."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        started = time.monotonic()
        proxies.notice(request)
        response = get_response(request)
        route = request.resolver_match.view_name if request.resolver_match else "none"
        milliseconds = round(1000 * (time.monotonic() - started))
        log.info(
            "request",
            extra={"method": request.method, "route": route, "status": response.status_code, "ms": milliseconds},
        )
        return response

    return middleware


def head_without_body(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Answer HEAD like GET without its body. Gunicorn would drop the body and warn each time."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if request.method == "HEAD" and isinstance(response, HttpResponse):
            response.headers.setdefault("Content-Length", str(len(response.content)))
            response.content = b""
        return response

    return middleware


# ---------------------------------------------------------------- what nobody has a reason to send


class NoFiles(FileUploadHandler):
    """Refuses uploads: no form of ours takes a file, and Django would write it to the disk before any view is asked."""

    def new_file(self, *_: object, **__: object) -> None:
        raise StopUpload(connection_reset=True)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Do nothing: never called."""

    def file_complete(self, file_size: int) -> None:
        """Do nothing: never called."""


def nothing_loaded(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Forbid answers without a policy, such as Django's refusals and redirects, to load or run anything."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        return response

    return middleware
