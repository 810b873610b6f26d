"""Whether a proxy stands in front of which the settings know nothing: then all visitors seem to be one."""

import logging
from typing import Any

from django.conf import settings
from django.http import HttpRequest

log = logging.getLogger(__name__)

UNTOLD = (
    "MAILER_PROXIES is 0, but requests come through a proxy (X-Forwarded-For): all visitors count as one, and the "
    "limits of sign-ups and logins shut them out together; set MAILER_PROXIES to the number of your proxies"
)


class _Seen:
    forwarded = False


def notice(request: HttpRequest) -> None:
    """Remember and log, once a process, that a request was forwarded although no proxy is set."""
    if not _Seen.forwarded and not settings.MAILER_PROXIES and "X-Forwarded-For" in request.headers:
        _Seen.forwarded = True
        log.warning(UNTOLD)


def state() -> dict[str, Any]:
    """What this web process says of it in the table of processes."""
    return {"untold_proxy": True} if _Seen.forwarded else {}
