"""The log: one line per event on stderr with time, level, logger, message, then the keys given as `extra`.

A traceback is a key like others. A warning that repeats is counted, so that nobody can fill a disk from outside.
"""

import json
import logging
import os
import re
import sys
import threading
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from mailer.config.scrubbing import scrub

LEVELS: tuple[str, ...] = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
FORMATS: tuple[str, ...] = ("text", "json")
MOST = 10  # lines of one warning in an interval; the rest is counted
INTERVAL = 60.0  # seconds

_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "request", "wsgi_request"}
_QUOTED = re.compile(r'[\s"=]')  # what would end a value or look like a key


class _Process:
    """Whether this process is a service, whose log is kept, or a command that a person watches."""

    is_service = False


def run_as_service() -> None:
    """Log from INFO on unless MAILER_LOG_LEVEL says otherwise, and each uncaught error as one line.

    Called before the settings are read. Settings, because logging is configured anew by each `django.setup()`: Celery
    and the WSGI application call it again.
    """
    _Process.is_service = True
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda failed: _log_uncaught(
        failed.exc_type, failed.exc_value or failed.exc_type(), failed.exc_traceback
    )
    logging.captureWarnings(True)


def are_json() -> bool:
    """Tell whether a program reads what this process writes to stderr."""
    handlers = logging.getLogger().handlers
    return _Process.is_service and any(isinstance(one.formatter, JsonFormatter) for one in handlers)


def default_level() -> str:
    return "INFO" if _Process.is_service else "WARNING"


def configuration(level: str, form: str) -> dict[str, Any]:
    """Return Django's LOGGING for our level and format."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "text": {"()": "mailer.config.logs.KeyValueFormatter"},
            "json": {"()": "mailer.config.logs.JsonFormatter"},
        },
        "filters": {
            "without_path": {"()": "mailer.config.logs.WithoutPath"},
            "unexpected": {"()": "mailer.config.logs.Unexpected"},
        },
        "handlers": {
            "stderr": {"()": "mailer.config.logs.CountingHandler", "formatter": form, "filters": ["without_path"]},
            "nowhere": {"class": "logging.NullHandler"},
        },
        # Libraries never below WARNING: at DEBUG Django logs each query with its values.
        "root": {"handlers": ["stderr"], "level": "WARNING" if level in ("DEBUG", "INFO") else level},
        "loggers": {
            "mailer": {"level": level},
            "subscribers": {"level": level},
            "gunicorn": {"level": level},
            # At DEBUG the client logs the API key and the whole payload.
            "python_http_client": {"handlers": [], "level": "CRITICAL", "propagate": False},
            "django": {"handlers": [], "level": "WARNING"},  # without the handlers that Django gives it
            "django.request": {"level": "ERROR", "filters": ["unexpected"]},
            # Anybody can send a wrong Host or a huge body; the access log has its line, and a traceback does not help.
            "django.security": {"handlers": [], "level": "CRITICAL", "propagate": False},
            # mailer.worker.embedded says in one line what Celery says in many, with tracebacks: the broker is down.
            "celery.worker": {"handlers": ["nowhere"], "propagate": False},
            # It logs names and addresses of failed logins.
            "axes": {"handlers": [], "level": "CRITICAL", "propagate": False},
            # Each attempt to connect would be a line; the command says in one what could not be reached.
            "psycopg.pool": {"level": "ERROR"},
        },
    }


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt | SystemExit):
        logging.getLogger("mailer").critical("uncaught error", exc_info=(kind, error, trace))


# ---------------------------------------------------------------- what a line says


def place_of(error: BaseException) -> str:
    """Return file and line that raised the error: its message may hold an address."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"


class WithoutPath(logging.Filter):
    """Makes Django's own records name a request's route instead of its path, which may hold a subscriber's token."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = vars(record).pop("request", None)
        path = getattr(request, "path", None)
        if path and isinstance(record.args, tuple):
            match = request.resolver_match
            route = match.view_name if match else "a path that is not a page"
            record.args = tuple(route if argument == path else argument for argument in record.args)
        return True


class Unexpected(logging.Filter):
    """Lets pass, of Django's own records about requests, only errors that nobody caught.

    An answer such as 503 was given on purpose; the access log has its status.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return bool(record.exc_info)


class LineFormatter(logging.Formatter):
    """What both formats have in common: the fields of a line, without addresses, tokens and keys."""

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        """Return time, level, logger and message, then the keys."""
        found: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": scrub(_message(record)),
        }
        for name, value in own_keys(record).items():
            if name not in found:
                found[name] = value if isinstance(value, int | float | None) else scrub(str(value))
        if record.exc_info and record.exc_info[0]:
            found["traceback"] = scrub(self.formatException(record.exc_info))
        return found


def own_keys(record: logging.LogRecord) -> dict[str, Any]:
    """Return what was given as `extra`."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):  # a library that passes too few arguments
        return str(record.msg)


class KeyValueFormatter(LineFormatter):
    """`2026-11-22T09:00:00.000+00:00 INFO mailer.sending batch accepted send=12 batch=3`."""

    def format(self, record: logging.LogRecord) -> str:
        fields = self.fields(record)
        time, level, logger, message = (fields.pop(name) for name in ("time", "level", "logger", "message"))
        plain = message.isprintable() and not set(message) & set('="')
        keys = (f"{name}={_written(value)}" for name, value in fields.items() if value is not None)
        return " ".join([time, level, logger, message if plain else _quoted(message), *keys])


def _written(value: Any) -> str:
    text = str(value)
    return text if text.isprintable() and text and not _QUOTED.search(text) else _quoted(text)


def _quoted(text: str) -> str:
    """Put the text in quotation marks, with line breaks and invisible characters escaped as in JSON."""
    quoted = json.dumps(text, ensure_ascii=False)
    return quoted if quoted.isprintable() else json.dumps(text)


class JsonFormatter(LineFormatter):
    """The same as an object of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self.fields(record))


# ---------------------------------------------------------------- what is written


class CountingHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to stderr; of a warning that repeats, MOST lines an interval and then one with `repeated`."""

    def __init__(self) -> None:
        super().__init__()
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._until = time.monotonic() + INTERVAL
        self._times: dict[tuple[str, int, str], int] = {}
        self._held: dict[tuple[str, int, str], logging.LogRecord] = {}
        self._timer: threading.Timer | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno < logging.WARNING:
            super().emit(record)
            return
        if self._pid != os.getpid():
            self._begin()  # forked: what was held back is for the parent to write
        elif time.monotonic() >= self._until:
            self.sum_up()
        key = (record.name, record.levelno, str(record.msg))
        self._times[key] = self._times.get(key, 0) + 1
        if self._times[key] <= MOST:
            super().emit(record)
        else:
            self._held[key] = record
            self._sum_up_later()

    def sum_up(self) -> None:
        """Write what was held back, and begin another interval."""
        with self.lock:  # type: ignore[union-attr]  # every handler has one
            held, times = self._held, self._times
            ours = self._pid == os.getpid()
            if self._timer:
                self._timer.cancel()
            self._begin()
            for key, last in held.items() if ours else ():
                told = vars(last) | {"repeated": times[key] - MOST, "exc_info": None, "exc_text": None}
                super().emit(logging.makeLogRecord(told))

    def _sum_up_later(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(max(0.0, self._until - time.monotonic()), self.sum_up)
            self._timer.daemon = True
            self._timer.start()

    def close(self) -> None:
        self.sum_up()
        super().close()

    def handleError(self, record: logging.LogRecord) -> None:
        """Do nothing: stderr cannot be written, so there is nowhere to report it."""
