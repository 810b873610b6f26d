"""Check that the proxies in front are as many as MAILER_PROXIES says, and pass on what they must.

From one request alone a web process learns little: visitors write headers too. So `mailer doctor` asks BASE_URL, as a
visitor who writes none, and the web process answers what it misses in that request.
"""

import logging
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

from axes.signals import user_locked_out
from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port

from subscribers import limits

log = logging.getLogger(__name__)

FOREIGN = "mailer.foreign_host"  # in the environment of what is answered under another name than that of BASE_URL
# Asked by machines beside us, without a proxy.
BY_MACHINES = ("/healthz", "/readyz", "/metrics")


class Fault(Enum):
    """What is wrong, by the name that processes use among themselves, and for the operator."""

    UNTOLD = (
        "MAILER_PROXIES is 0, but requests come through a proxy (X-Forwarded-For): all visitors count as one, and "
        "share the limits of sign-ups and logins; set MAILER_PROXIES to the number of your proxies"
    )
    MORE = (
        "more proxies add to X-Forwarded-For than MAILER_PROXIES says: visitors are counted by the address of one of "
        "your proxies; set MAILER_PROXIES to the number of your proxies"
    )
    FEWER = (
        "X-Forwarded-For has fewer addresses than MAILER_PROXIES says: visitors could forge their address, or count "
        "as one; let each proxy add to X-Forwarded-For (nginx: proxy_set_header X-Forwarded-For "
        "$proxy_add_x_forwarded_for;), or lower MAILER_PROXIES, and make `mailer serve` reachable only through them"
    )
    HOST = (
        "Host is not the name in BASE_URL, so visitors are redirected to BASE_URL for each page: let the proxy pass "
        "on the name that visitors ask for (nginx: proxy_set_header Host $host;)"
    )
    LOCAL_HOST = (
        "Host is the name of this machine, so visitors of an old address are not redirected to BASE_URL: let "
        "the proxy pass on the name that visitors ask for (nginx: proxy_set_header Host $host;)"
    )
    SCHEME = (
        "X-Forwarded-Proto is not https: let the proxy set it (nginx: proxy_set_header X-Forwarded-Proto $scheme;), "
        "or browsers are not told to use https only"
    )


ALL_AS_ONE = "a visitor reached a limit, and with MAILER_PROXIES at 0 behind a proxy it applies to everybody"
FORGOTTEN = (
    "MAILER_PROXIES is 0, but BASE_URL is https, so there is a proxy in front of `mailer serve`: set MAILER_PROXIES to "
    "the number of your proxies, or all visitors may count as one"
)


class _Seen:
    faults: set[Fault] = set()


def warn_at_start() -> None:
    """Warn that `mailer serve` does not speak https by itself."""
    if not settings.MAILER_PROXIES and settings.BASE_URL.startswith("https://"):
        log.warning(FORGOTTEN)


def notice(request: HttpRequest) -> None:
    """Remember and log, once per process, what a request shows that came from outside this machine."""
    if request.path_info in BY_MACHINES and "X-Forwarded-For" not in request.headers:
        return
    addresses = _addresses(request)
    if addresses and not settings.MAILER_PROXIES:
        remember(Fault.UNTOLD)
    elif addresses < settings.MAILER_PROXIES:
        remember(Fault.FEWER)


def remember(fault: Fault) -> None:
    """Log the fault once per process, and let doctor know."""
    if fault not in _Seen.faults:
        _Seen.faults.add(fault)
        log.warning(fault.value)


def faults_of(request: HttpRequest) -> list[Fault]:
    """Return what is wrong with a request that came by BASE_URL and had none of these headers before the proxies."""
    addresses, told = _addresses(request), settings.MAILER_PROXIES
    found = []
    if addresses != told:
        found.append(Fault.UNTOLD if not told else Fault.MORE if addresses > told else Fault.FEWER)
    if FOREIGN in request.META:
        found.append(Fault.HOST)
    elif split_domain_port(request.get_host())[0] != split_domain_port(urlsplit(settings.ORIGIN).netloc)[0]:
        found.append(Fault.LOCAL_HOST)
    if told and settings.ORIGIN.startswith("https://") and not request.is_secure():
        found.append(Fault.SCHEME)
    return found


def _addresses(request: HttpRequest) -> int:
    return len([one for one in request.headers.get("X-Forwarded-For", "").split(",") if one.strip()])


def state() -> dict[str, Any]:
    """Return what this web process reports of proxies in the table of processes."""
    return {"proxy_faults": sorted(fault.name for fault in _Seen.faults)} if _Seen.faults else {}


# ---------------------------------------------------------------- limits


def listen() -> None:
    """Warn when a limit may hold for all visitors together."""
    limits.limited.connect(_limited)
    user_locked_out.connect(_locked)


def _limited(reason: str, **_: object) -> None:
    if reason == "network":
        _tell_of_all()


def _locked(**_: object) -> None:
    _tell_of_all()


def _tell_of_all() -> None:
    if Fault.UNTOLD in _Seen.faults and not settings.MAILER_PROXIES:
        log.error(ALL_AS_ONE)
