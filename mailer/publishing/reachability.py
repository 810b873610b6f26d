"""Check that subscribers can reach this installation: the public address answers as this very one."""

import http.client
import json
import socket
import ssl
import urllib.error
import urllib.request

from mailer.store.installation import public_id

TIMEOUT = 10.0  # seconds
BY_A_PROXY = (502, 503, 504)  # `mailer serve` itself never answers /healthz so


def why_unreachable(base_url: str) -> str:
    """Say why `base_url` does not lead to this installation; return "" if it does."""
    address = f"{base_url}/healthz"
    request = urllib.request.Request(address, headers={"User-Agent": "mailer-doctor"})  # noqa: S310 — http(s), checked in settings
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
            answer = json.loads(response.read(10_000))
    except urllib.error.HTTPError as error:
        if error.code in BY_A_PROXY:
            return (
                f"{address} answers {error.code}: the proxy is running, but `mailer serve` behind it does not "
                "answer; start it, or correct the proxy's upstream address."
            )
        return f"{address} answers {error.code}; is BASE_URL the address of `mailer serve`?"
    except (OSError, http.client.HTTPException) as error:
        return f"{address} does not answer {_why_silent(getattr(error, 'reason', None) or error)}."
    except (ValueError, RecursionError):
        return f"{address} is answered by something other than mailer; is BASE_URL the address of `mailer serve`?"
    if not isinstance(answer, dict) or answer.get("installation") != public_id():
        return f"{address} is an installation with another database; use the same DATABASE_URL on both sides."
    return ""


def _why_silent(reason: object) -> str:
    """Return what went wrong, in brackets, and what to do about it."""
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"(its certificate is refused: {reason.verify_message}); renew or replace it at the proxy"
    if isinstance(reason, socket.gaierror):
        return f"({reason.strerror}); its host name needs a DNS record that leads to the server, or correct BASE_URL"
    return f"({reason}); start `mailer serve` and the proxy there, or correct BASE_URL"


def faults_in_front(base_url: str) -> list[str] | None:
    """Return what the web process at `base_url` says of the proxies in front, by the names of `proxies.Fault`.

    Return None if this installation does not answer, or one of an older version does.
    """
    request = urllib.request.Request(f"{base_url}/healthz?front", headers={"User-Agent": "mailer-doctor"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
            answer = json.loads(response.read(10_000))
    except (OSError, http.client.HTTPException, ValueError, RecursionError):
        return None
    if not isinstance(answer, dict) or answer.get("installation") != public_id():
        return None
    found = answer.get("front")
    return [str(name) for name in found] if isinstance(found, list) else None
