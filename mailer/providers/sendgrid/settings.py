"""SendGrid's settings: read from the environment and checked here, and handed on by `mailer.settings`."""

import base64
from urllib.parse import urlsplit

from mailer.config.environment import SettingError, read, web_address

API_KEY = read("SENDGRID_API_KEY")
if API_KEY and not (API_KEY.isascii() and API_KEY.isprintable()):
    raise SettingError("SENDGRID_API_KEY contains invalid characters; copy it again.")
API_URL = web_address("SENDGRID_API_URL", "https://api.sendgrid.com", "because the key travels with each request")
# What accounts and sends are bound to. A European account has another host, and its own reputation.
HOST = urlsplit(API_URL).hostname or ""


def _webhook_keys() -> tuple[bytes, ...]:
    """Return the public keys of SendGrid's signed event webhook, as DER; several during a rotation."""
    texts = [text.strip() for text in read("SENDGRID_WEBHOOK_PUBLIC_KEY").split(",")]
    return tuple(_webhook_key(text) for text in texts if text)


def _webhook_key(text: str) -> bytes:
    from mailer.providers.sendgrid.webhook import public_key  # loads cryptography, which takes a while

    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        raise SettingError("SENDGRID_WEBHOOK_PUBLIC_KEY is not base64; copy the key from SendGrid again.") from None
    if public_key(key) is None:
        raise SettingError("SENDGRID_WEBHOOK_PUBLIC_KEY is not a P-256 public key; copy the key from SendGrid again.")
    return key


WEBHOOK_KEYS = _webhook_keys()
