"""Refuse requests before a view is asked, and say why."""

import logging
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from mailer.web.bodies import FAULT, Fault
from subscribers.web.pages import kept_private, page_in_house_language

log = logging.getLogger(__name__)


class Cause(StrEnum):
    """The causes that the page "refused" tells apart."""

    TOO_LARGE = "too large"
    BROKEN_OFF = "broken off"
    NOT_UNDERSTOOD = "not understood"
    WRONG_HOST = "wrong host"


CAUSES = {
    Fault.TOO_LARGE: Cause.TOO_LARGE,
    Fault.BROKEN_OFF: Cause.BROKEN_OFF,
    Fault.NOT_UNDERSTOOD: Cause.NOT_UNDERSTOOD,
}


class BodiesThatCame(MiddlewareMixin):
    """Middleware: no view is asked to act on a body that could not be read.

    Except a view marked `obeys_broken_bodies`: that does only what its signed link says, or refuses by itself.
    """

    def process_view(self, request: HttpRequest, view: Any, *_: Any) -> HttpResponseBase | None:
        fault = request.META.get(FAULT)
        if fault is None or getattr(view, "obeys_broken_bodies", False):
            return None
        log.info("request refused", extra={"because": fault.value})
        return refuse(request, CAUSES[fault])


def refused(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django cannot read; Django calls this."""
    large = isinstance(exception, RequestDataTooBig | TooManyFieldsSent)
    return refuse(request, Cause.TOO_LARGE if large else Cause.NOT_UNDERSTOOD)


def refuse(request: HttpRequest, cause: Cause, status: int = 0) -> HttpResponse:
    status = status or (413 if cause is Cause.TOO_LARGE else 400)
    context = {"cause": cause, "address": settings.BASE_URL}
    return kept_private(page_in_house_language(request, "refused", status, context))
