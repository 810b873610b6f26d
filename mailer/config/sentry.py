"""Report errors to Sentry if SENTRY_DSN is set: what went wrong and where, and nothing about any subscriber.

Only what is logged at ERROR or above, and of that only what is named here. The SDK would send requests with their
paths, headers and cookies, local variables, and the log as breadcrumbs.
"""

import copy
import logging
import re
from importlib.util import find_spec
from typing import Any

from mailer.config.logs import WithoutPath, own_keys
from mailer.config.scrubbing import scrub

_URL = re.compile(r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]*://[^\s\"'<>]+", re.IGNORECASE)
KEPT = ("event_id", "timestamp", "platform", "level", "logger", "release", "environment", "sdk")
KEPT_OF_FRAMES = ("filename", "abs_path", "function", "module", "lineno", "in_app")


def why_unusable(dsn: str) -> str:
    """Say why nothing could be sent there, as the end of a sentence; return "" if it can."""
    if find_spec("sentry_sdk") is None:
        return "is set, but sentry-sdk is not installed; run `pip install 'markdown-mailer[sentry]'`, or unset it."
    from sentry_sdk.utils import BadDsn, Dsn

    try:
        Dsn(dsn)
    except BadDsn:
        return "is not a valid Sentry DSN; copy it again."
    return ""


def start(dsn: str) -> None:
    """Send errors from now on. At the end of the process, pending ones are sent for at most two seconds."""
    from importlib.metadata import version

    import sentry_sdk
    from sentry_sdk.integrations.atexit import AtexitIntegration
    from sentry_sdk.integrations.logging import LoggingIntegration

    sentry_sdk.init(
        dsn,
        release=version("markdown-mailer"),
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            LoggingIntegration(level=None, event_level=logging.ERROR, sentry_logs_level=None),
            AtexitIntegration(callback=lambda pending, timeout: None),
        ],
        # Not send_default_pii: it is off unless set, and deprecated.
        before_send=_only_what_helps,  # type: ignore[arg-type]  # an event is a dict
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        auto_session_tracking=False,
        send_client_reports=False,
    )


def _only_what_helps(event: dict[str, Any], hint: dict[str, Any]) -> dict[str, Any] | None:
    kept = {name: event[name] for name in KEPT if name in event}
    if record := hint.get("log_record"):
        kept |= _of_record(copy.copy(record))
    values = event.get("exception", {}).get("values", [])
    return kept | ({"exception": {"values": [_of_error(one) for one in values]}} if values else {})


def _of_record(record: logging.LogRecord) -> dict[str, Any]:
    WithoutPath().filter(record)
    return {
        "logentry": {"message": _plain(str(record.msg)), "formatted": _plain(record.getMessage())},
        "extra": {name: _plain(str(value)) for name, value in own_keys(record).items()},
    }


def _of_error(error: dict[str, Any]) -> dict[str, Any]:
    frames = (error.get("stacktrace") or {}).get("frames", [])
    return {
        "type": error.get("type"),
        "module": error.get("module"),
        "value": _plain(str(error.get("value"))),
        "stacktrace": {"frames": [{name: frame[name] for name in KEPT_OF_FRAMES if name in frame} for frame in frames]},
    }


def _plain(text: str) -> str:
    return scrub(_URL.sub("[url]", text))
