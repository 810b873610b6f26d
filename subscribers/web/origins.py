"""Explain why a form was not recognized as ours, as Django reports it (CSRF): for the page, and for the log."""

from enum import Enum
from urllib.parse import urlsplit

from django.http import HttpRequest
from django.middleware import csrf


class Why(Enum):
    ELSEWHERE = "its Origin or Referer does not match BASE_URL: it was sent from another address, or a proxy drops it"
    NO_COOKIE = "our cookie did not come with it"
    TOKEN = "its token is missing or belongs to another cookie"  # noqa: S105 — not a password


def why(request: HttpRequest, reason: str) -> Why:
    """Translate Django's sentence. Two of its sentences hold the address that they found, so none is passed on."""
    if reason == csrf.REASON_NO_CSRF_COOKIE:
        return Why.NO_COOKIE
    found = {
        csrf.REASON_BAD_ORIGIN % request.headers.get("Origin", ""),
        csrf.REASON_BAD_REFERER % _written_again(request.headers.get("Referer", "")),
        csrf.REASON_NO_REFERER,
        csrf.REASON_MALFORMED_REFERER,
        csrf.REASON_INSECURE_REFERER,
    }
    return Why.ELSEWHERE if reason in found else Why.TOKEN


def _written_again(address: str) -> str:
    try:
        return urlsplit(address).geturl()
    except ValueError:
        return address
