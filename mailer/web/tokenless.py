"""gunicorn's log as `mailer serve` writes it: in our format, and without the token in a request's path."""

import logging
from typing import Any

from django.conf import settings
from gunicorn.glogging import Logger


class TokenlessLog(Logger):  # type: ignore[misc]
    """gunicorn's log in our format. A request that it cannot read is logged without its path, which holds a token."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        self.error_log.setLevel(settings.MAILER_LOG_LEVEL)
        self.error_log.addFilter(_without_request)


def _without_request(record: logging.LogRecord) -> bool:
    if str(record.msg).startswith("Invalid request from"):
        record.msg, record.args = "a request that is not HTTP was refused", ()
    elif str(record.msg).startswith("Error handling request"):
        record.msg, record.args = "a request failed before it reached a page", ()
    return True
