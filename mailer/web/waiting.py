"""Limit how long a visitor waits for a database that is down: each request has a deadline, and says if it misses it."""

from collections.abc import Callable

from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from mailer.config import deadlines
from subscribers.offline import AWAY
from subscribers.web.views import without_database

PATIENCE = 1.4  # seconds for the database, in all: the watcher may be a tenth late
# Operators and programs may ask for more at once than a subscriber's page does. They too find an open circuit breaker.
# Prometheus gives up after ten seconds and learns nothing; a provider posts again.
LONGER = {"/admin/": 20.0, "/metrics": 4.5, "/webhooks/": 10.0}


class InTime:
    """Middleware: the deadline, and a 503 that explains itself if a view found no database."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with deadlines.within(_patience(request.path)) as deadline:
            try:
                return self._get_response(request)
            finally:
                if deadline.cancelled:
                    connection.close()

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return without_database(request) if isinstance(exception, AWAY) else None


def _patience(path: str) -> float:
    return next((seconds for begin, seconds in LONGER.items() if path.startswith(begin)), PATIENCE)
