"""Count what no row holds, and sum up the rows of requests, so that metrics are cheap and all processes agree.

What happens often, such as posts that are refused, is added up in memory and written every few seconds: a flood of junk
must not become a flood of writes. Requests are counted from their rows, once each when they have ended, so that a
killed process does not lose any.
"""

import threading
from bisect import bisect_left
from collections import Counter as Sums
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.contrib.auth.signals import user_login_failed
from django.db import connection, transaction

from mailer.models import Attempt, Counter, Installation
from mailer.store import clock
from subscribers import limits

# Upper limits in seconds; longer ones fall into the last, which has no limit.
LATENCIES = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0)
LAGS = (1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 86_400.0)
# A transaction commits a while after the time that it wrote; one that takes longer than this is not counted.
SETTLED = timedelta(seconds=30)

REQUESTS, RATE_LIMITED, REQUEST_SECONDS = "requests", "rate_limited", "request_seconds"
POSTS, LAG = "webhook_posts", "webhook_lag_seconds"
SIGN_UPS, LOGINS = "sign_ups_limited", "logins_failed"

Key = tuple[str, str]  # what is counted, and of which kind

_pending: Sums[Key] = Sums()
_lock = threading.Lock()

# All write in this order, or two processes could wait for each other.
_ADD = (
    "INSERT INTO mailer_counter (name, kind, value) VALUES (%s, %s, %s) "
    "ON CONFLICT (name, kind) DO UPDATE SET value = mailer_counter.value + excluded.value"
)


def count(name: str, kind: str = "", by: float = 1) -> None:
    """Add to a counter, in memory until the next `flush`."""
    with _lock:
        _pending[name, kind] += by  # type: ignore[assignment]  # seconds are no whole numbers


def observe(name: str, limits: tuple[float, ...], seconds: Mapping[float, int]) -> None:
    """Add durations, and how often each was seen, to a histogram, in memory until the next `flush`."""
    found = _histogram(name, limits, seconds)
    with _lock:
        _pending.update(found)


def listen() -> None:
    """Count what the apps that know nothing of mailer signal."""
    limits.limited.connect(_sign_up_limited)
    user_login_failed.connect(_login_failed)


def _sign_up_limited(reason: str, **_: object) -> None:
    count(SIGN_UPS, reason)


def _login_failed(**_: object) -> None:
    count(LOGINS)


def flush() -> None:
    """Write what was counted since the last time. Raises DatabaseError, and keeps it then."""
    with _lock:
        taken = _pending.copy()
        _pending.clear()
    try:
        with transaction.atomic():
            _add(taken)
    except BaseException:
        with _lock:
            _pending.update(taken)
        raise


def count_requests() -> None:
    """Count the requests that have ended, each once; of several sweeps at the same time one counts."""
    begin = Installation.objects.values_list("requests_counted_until", flat=True).get(pk=1)
    now = clock.now()
    until = now - SETTLED
    mark = Installation.objects.filter(requests_counted_until=begin)
    if begin > now:
        mark.update(requests_counted_until=until)  # the clock was ahead, and has been set
        return
    found = _requests(begin, until)
    if not found:
        return
    with transaction.atomic():
        _add(found)
        # Last, because each claim needs this row too.
        if not mark.update(requests_counted_until=until):
            transaction.set_rollback(True)


def totals() -> dict[str, dict[str, float]]:
    """Return what is on record: name → kind → value."""
    found: dict[str, dict[str, float]] = {}
    for name, kind, value in Counter.objects.values_list("name", "kind", "value"):
        found.setdefault(name, {})[kind] = value
    return found


def _requests(begin: datetime, until: datetime) -> Sums[Key]:
    ended = Attempt.objects.filter(ended_at__gt=begin, ended_at__lte=until)
    found: Sums[Key] = Sums()
    answered = []
    for state, status, started_at, ended_at in ended.values_list("state", "status", "started_at", "ended_at"):
        found[REQUESTS, state] += 1
        found[RATE_LIMITED, ""] += status == 429
        if status is not None and ended_at is not None:
            answered.append((ended_at - started_at).total_seconds())
    return found + _histogram(REQUEST_SECONDS, LATENCIES, Sums(answered))


def _histogram(name: str, limits: tuple[float, ...], seconds: Mapping[float, int]) -> Sums[Key]:
    """Count each duration at its upper limit, and once more in the sum."""
    found: Sums[Key] = Sums()
    for one, times in seconds.items():
        at = bisect_left(limits, one)
        found[name, str(limits[at]) if at < len(limits) else "+Inf"] += times
        found[name, "sum"] += max(0.0, one) * times  # type: ignore[assignment]
    return found


def _add(counted: Mapping[Key, float]) -> None:
    rows = [(name, kind, value) for (name, kind), value in sorted(counted.items()) if value]
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(_ADD, rows)
