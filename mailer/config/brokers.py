"""Where the broker is and how its certificate is verified, from one URL.

kombu encrypts for `rediss://` but verifies nothing; and each of its transports names the options of TLS differently. So
they are taken out of the URL here.
"""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from mailer.config.environment import SettingError

SCHEMES = ("redis", "rediss", "redis+socket", "amqp", "amqps")
VERIFY = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE}
FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
LONGEST_CONNECTING = 3.0  # seconds, also for a server that takes the connection and says nothing


@dataclass(frozen=True)
class Broker:
    """`tls` is Celery's `broker_use_ssl`: None without encryption."""

    url: str = field(repr=False)  # it may hold a password
    tls: dict[str, Any] | None = None

    @property
    def is_verified(self) -> bool:
        """Return False only if the connection is encrypted without verifying who answers."""
        return self.tls is None or ssl.CERT_NONE not in self.tls.values()


def read_broker(url: str) -> Broker:
    """Read CELERY_BROKER_URL. Raises SettingError.

    `?ssl_cert_reqs=none` (also CERT_NONE) opts out of verifying, `?ssl_ca_certs=FILE` names another authority.
    """
    parts = urlsplit(url)
    if url and parts.scheme not in SCHEMES:
        raise SettingError("CELERY_BROKER_URL (or REDIS_URL) is not valid; give redis://…, rediss://… or amqp://….")
    if parts.scheme not in ("rediss", "amqps"):
        return Broker(url)
    query = dict(parse_qsl(parts.query))
    options = {name: query.pop(name) for name in list(query) if name.startswith("ssl_")}
    tls = _tls(options)
    if parts.scheme == "amqps":
        tls = _for_amqp(tls)
    return Broker(parts._replace(query=urlencode(query)).geturl(), tls)


def _tls(options: dict[str, str]) -> dict[str, Any]:
    """Return the options as redis-py names them."""
    verify = options.pop("ssl_cert_reqs", "required").lower().removeprefix("cert_")
    if verify not in VERIFY:
        raise SettingError(f"CELERY_BROKER_URL: ssl_cert_reqs is {verify!r}; it must be required or none.")
    tls: dict[str, Any] = {"ssl_cert_reqs": VERIFY[verify]}
    if "ssl_check_hostname" in options:
        tls["ssl_check_hostname"] = options.pop("ssl_check_hostname").lower() not in ("false", "0", "no")
    for name in FILES:
        if path := options.pop(name, ""):
            tls[name] = _readable(name, path)
    if options:
        raise SettingError(f"CELERY_BROKER_URL: {', '.join(sorted(options))} is unknown; see docs/settings.md.")
    return tls


def _readable(name: str, path: str) -> str:
    try:
        Path(path).open("rb").close()
    except OSError as error:
        raise SettingError(f"CELERY_BROKER_URL: {name} is {path}, which cannot be read ({error.strerror}).") from None
    return path


def _for_amqp(tls: dict[str, Any]) -> dict[str, Any]:
    """Return the options as py-amqp names them.

    It compares the certificate's name only if given one; None stands for the URL's host.
    """
    checks_name = tls.pop("ssl_check_hostname", True) and tls["ssl_cert_reqs"] != ssl.CERT_NONE
    options = {name.removeprefix("ssl_"): value for name, value in tls.items()}
    # Without a name py-amqp switches the comparison off, which it must before it may switch off the rest.
    return options | ({"server_hostname": None} if checks_name else {})
