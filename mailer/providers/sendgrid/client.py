"""Post one request to SendGrid, and say what its answer means for the subscribers in it.

SendGrid knows no idempotency key, so nothing is tried twice here: see `providers.answers` for what an answer can be.
"""

import re
import time
from email.message import Message as Headers
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mailer.config.exhaustion import shortage
from mailer.providers.answers import (
    Accepted,
    Answer,
    ConnectFailed,
    DeadlinePassed,
    Exhausted,
    OutcomeUnknown,
    RateLimited,
    RecipientsRejected,
    Refused,
    UnlocatedRefusal,
    Unreachable,
)
from mailer.providers.sendgrid.payload import Request

if TYPE_CHECKING:
    from mailer.providers.transport import Reply

LONGEST_DETAIL = 500
LONGEST_WAIT = 600.0
_WAIT_WITHOUT_RESET = 60.0
_PLACE = re.compile(r"personalizations[.\[](\d+)(?![\d])")


class Client:
    """Requests to SendGrid at `url`, each within `timeout` seconds. Threads may share it; each has its connection."""

    def __init__(self, url: str, key: str, timeout: float) -> None:
        from mailer.providers.sendgrid.package import open_api
        from mailer.providers.transport import Transport

        if not key:
            raise ValueError("a client needs a key")  # the package would look for one in the environment
        self._url = url.rstrip("/")
        self._key = key
        self._transport = Transport(self._url, timeout)
        self._api = open_api(self._url, key, self._transport)

    def __repr__(self) -> str:
        parts = urlsplit(self._url)  # a path may hold the rehearsal's token
        return f"<Client of {parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}>"

    def __reduce__(self) -> str:
        raise TypeError("a client holds a key and connections; it is made where it is used")

    def post(self, request: Request, first_byte_by: float | None = None) -> Answer:
        """Post to /v3/mail/send, once, and return what came of it. `first_byte_by` is a limit by time.monotonic()."""
        from mailer.providers.transport import FirstByteTooLate, Lost, NotOpened, RanOut

        try:
            reply = self._api.mail.send.post(request_body=request.body, first_byte_by=first_byte_by)
        except FirstByteTooLate:
            return DeadlinePassed()
        except RanOut as error:
            return Exhausted(str(error))
        except NotOpened as error:
            return ConnectFailed(self._clean(str(error)))
        except Lost as error:
            detail = self._clean(str(error))
            return OutcomeUnknown(detail, error.status, detail)
        except MemoryError as error:  # before the transport, which knows the rest
            return Exhausted(shortage(error))
        return self._meaning(reply, request.recipients)

    def get(self, path: str) -> tuple[int, Any]:
        """Return status and JSON (text if it is not JSON) of GET `path`, such as `/v3/scopes`. Raises Unreachable."""
        from mailer.providers.transport import Lost, NotOpened

        request = self._api
        for part in path.removeprefix("/v3/").strip("/").split("/"):
            request = request._(part)
        try:
            reply = request.get()
        except (NotOpened, Lost) as error:
            raise Unreachable(self._clean(str(error))) from None
        if not reply.whole:
            raise Unreachable(f"the answer to {path} was cut off")
        parsed = _json(reply.body)
        return reply.status_code, self._detail(reply) if parsed is None else parsed

    def delete(self, path: str, body: Any = None) -> tuple[int, str]:
        """Return status and message of DELETE `path`, such as `/v3/suppression/bounces`. Raises Unreachable."""
        from mailer.providers.transport import Lost, NotOpened

        request = self._api
        for part in path.removeprefix("/v3/").strip("/").split("/"):
            request = request._(part)
        try:
            reply = request.delete(request_body=body)
        except (NotOpened, Lost) as error:
            raise Unreachable(self._clean(str(error))) from None
        return reply.status_code, self._detail(reply)

    def close(self) -> None:
        """Close this thread's connection; the client may still be used."""
        self._transport.close()

    def _meaning(self, reply: "Reply", recipients: int) -> Answer:
        status = reply.status_code
        if status == 202:
            return Accepted(self._clean(reply.headers.get("X-Message-Id", ""))[:200])
        if status < 300 or status == 408 or status >= 500:
            return OutcomeUnknown(self._detail(reply), status, f"the provider answered {status}")
        if status == 429:
            return RateLimited(self._detail(reply), _wait(reply.headers))
        if not reply.whole and status in (400, *range(300, 400)):
            detail = f"the answer {status} was cut off"
            return OutcomeUnknown(detail, status, detail)
        if status == 413:
            return UnlocatedRefusal(self._detail(reply), status)
        if status == 400:
            return self._meaning_of_bad_request(reply, recipients)
        return Refused(self._detail(reply), status)

    def _meaning_of_bad_request(self, reply: "Reply", recipients: int) -> Answer:
        errors = _errors(_json(reply.body))
        if errors and all(error.get("field") is None for error in errors):
            return UnlocatedRefusal(self._detail(reply), reply.status_code)
        places: dict[int, list[str]] = {}
        for error in errors:
            match = _PLACE.match(str(error.get("field")))
            if match is None or int(match[1]) >= recipients:
                places.clear()
                break
            places.setdefault(int(match[1]), []).append(str(error.get("message") or "refused without a message"))
        if not places:
            return Refused(self._detail(reply), reply.status_code)
        detail = {index: self._clean("; ".join(dict.fromkeys(messages))) for index, messages in places.items()}
        return RecipientsRejected(detail, reply.status_code)

    def _detail(self, reply: "Reply") -> str:
        """Return the provider's message on one line: its errors, else the text of its page, else the reason."""
        said = [
            str(error.get("message")) + (f" ({error['field']})" if error.get("field") else "")
            for error in _errors(_json(reply.body))[:10]
        ]
        text = "; ".join(said) or _text(reply.body)
        return self._clean(
            f"{reply.status_code} {reply.reason}: {text}" if text else f"{reply.status_code} {reply.reason}"
        )

    def _clean(self, detail: str) -> str:
        without_key = detail.replace(self._key, "[key]")
        printable = "".join(letter if letter.isprintable() else " " for letter in without_key)
        return " ".join(printable.split())[:LONGEST_DETAIL]


def _json(body: bytes) -> Any:
    import orjson

    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _errors(parsed: Any) -> list[dict[str, Any]]:
    errors = parsed.get("errors") if isinstance(parsed, dict) else None
    if not isinstance(errors, list):
        return []
    return [error if isinstance(error, dict) else {"message": str(error), "field": "?"} for error in errors]


def _text(body: bytes) -> str:
    """Return the text of a page, or of an answer that is not SendGrid's JSON."""
    detail, *tags = body[:20_000].decode("utf-8", "replace").split("<")
    hidden = ""
    for piece in tags:
        tag, closed, rest = piece.partition(">")
        name = tag.removeprefix("/").partition(" ")[0].lower()
        if hidden:
            hidden = "" if tag.startswith("/") and name == hidden else hidden
        elif name in ("script", "style", "title"):
            hidden = name
        if not hidden:
            detail += f" {rest}" if closed else f"<{piece}"
    return detail.strip()


def _wait(headers: Headers) -> float:
    """Return the seconds until the limit is lifted, 1 to 600. By the provider's clock, since ours may be wrong."""
    reset = _number(headers.get("X-RateLimit-Reset"))
    seconds = _number(headers.get("Retry-After"))
    if reset is not None:
        # Epoch seconds, as documented; a small number can only be a duration.
        seconds = reset - _now(headers) if reset > 1_000_000_000 else reset
    return min(max(seconds if seconds is not None else _WAIT_WITHOUT_RESET, 1.0), LONGEST_WAIT)


def _now(headers: Headers) -> float:
    try:
        return parsedate_to_datetime(headers["Date"] or "").timestamp()
    except (TypeError, ValueError, OverflowError):
        return time.time()  # noqa: TID251 — the provider did not say its own


def _number(text: str | None) -> float | None:
    return float(text) if text is not None and re.fullmatch(r"\d{1,15}(\.\d{1,6})?", text.strip()) else None
