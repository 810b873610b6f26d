"""One line per record: time, level, logger, phrase, then the keys given as `extra`."""

import logging
import traceback
from pathlib import Path

_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def place_of(error: BaseException) -> str:
    """Return file and line that raised the error: its message may hold an address."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"


class WithoutPath(logging.Filter):
    """Django's own records name the route of a request instead of its path, which may hold a reader's token."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = vars(record).pop("request", None)
        path = getattr(request, "path", None)
        if path and isinstance(record.args, tuple):
            match = request.resolver_match
            route = match.view_name if match else "a path that is no page"
            record.args = tuple(route if argument == path else argument for argument in record.args)
        return True


class KeyValueFormatter(logging.Formatter):
    """`2026-11-22 09:00:00 INFO mailer.sending batch accepted send=12 batch=3`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s", "%Y-%m-%d %H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:
        keys = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        return " ".join([super().formatMessage(record), *(f"{name}={value}" for name, value in keys.items())])
