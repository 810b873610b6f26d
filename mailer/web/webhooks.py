"""The provider's webhook: accept signed events, and answer 2xx once they are stored."""

import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from operator import attrgetter

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from mailer.events import processing, storing
from mailer.providers.current import configured_provider
from mailer.providers.events import NotEvents, NotSigned
from mailer.providers.protocol import Events
from mailer.sending import webhook_posts
from mailer.store import clock, counting
from mailer.web.bodies import FAULT, Fault
from subscribers.web.pages import at_any_host, obeys_broken_bodies

log = logging.getLogger(__name__)


class _Unwanted(Exception):
    """Not accepted; status and message for the person who set the webhook up."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@at_any_host
@obeys_broken_bodies  # it refuses them with a message for a program
@csrf_exempt
@require_POST
def receive(request: HttpRequest, provider: str) -> HttpResponse:
    """Answer 204 once the events are committed, so that the provider repeats all others. Never 500.

    404 for another provider than the configured one, 4xx for what it did not sign; 503 while the database is down.
    """
    events = configured_provider().events
    if events is None or provider != configured_provider().names.path:
        return HttpResponse("this installation does not use that provider", status=404, content_type="text/plain")
    try:
        body, key = _signed_body(request, events)
        found = events.parse(body)
    except _Unwanted as unwanted:
        return _refuse(unwanted.status, str(unwanted))
    except NotSigned as error:
        return _refuse(403, str(error))
    except NotEvents as error:
        return _refuse(400, str(error))
    try:
        stored = storing.store(found)
        webhook_posts.record_verified(key, stored.accounts)
    except (DatabaseError, InterfaceError) as error:
        counting.count(counting.POSTS, "not_stored")
        log.error("events not stored", extra={"events": len(found), "error": type(error).__name__})
        return HttpResponse("the database is unavailable; post it again", status=503, content_type="text/plain")
    counting.count(counting.POSTS, "stored")
    if stored.new:  # else it is a post that came before
        now = clock.now_or_estimated()
        times = Counter(map(attrgetter("at"), found))
        lags = {(now - at).total_seconds(): events for at, events in times.items()}
        counting.observe(counting.LAG, counting.LAGS, lags)
    _apply(stored.left)
    return HttpResponse(status=204)


def _signed_body(request: HttpRequest, events: Events) -> tuple[bytes, bytes]:
    """Return the raw body, and the key that signed it. Raises _Unwanted, NotSigned."""
    if not events.keys():
        setting = configured_provider().names.events
        raise _Unwanted(403, f"events are refused: {setting} is not set on this installation")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        # No provider compresses them, and unpacking is how a small body becomes a huge one.
        raise _Unwanted(415, "events must be uncompressed")
    body = _body(request)
    return body, events.verify(body, request.headers, clock.now_or_estimated)


def _body(request: HttpRequest) -> bytes:
    # Not request.body: Django's own limit is meant for forms.
    if fault := request.META.get(FAULT):
        raise _Unwanted(413 if fault is Fault.TOO_LARGE else 400, fault.value)
    body: bytes = request.read()
    return body


def _apply(ids: Sequence[int]) -> None:
    try:
        processing.apply(ids)
    except Exception as error:  # noqa: BLE001 — they are stored, and the sweep applies them: nobody need repeat them
        log.error("events stored but not applied yet", extra={"events": len(ids), "error": type(error).__name__})


def _refuse(status: int, message: str) -> HttpResponse:
    """Refuse the post. Its content is unknown, so silence is not evidence until a later post is accepted."""
    counting.count(counting.POSTS, "refused")
    log.warning("events refused", extra={"status": status, "why": message})
    with suppress(DatabaseError, InterfaceError):  # who posts is told of the refusal all the same
        webhook_posts.record_refused()
    return HttpResponse(message, status=status, content_type="text/plain")
