"""The second line of defence: remove from a text what no log may contain. The first is not to log it.

Our own lines carry ids. But an error of a library may quote an address, a path with a subscriber's token, or a URL with
a password.
"""

import re
from functools import cache
from urllib.parse import unquote, urlsplit

_PLAIN = r"[^\s\"'<>()\[\]{},;:=/\\|]"
# Each looks at a letter a bounded number of times: a stranger's long text in an error must not stop the log.
PATTERNS = (
    # What PostgreSQL says of a row: it holds names besides addresses.
    (re.compile(r"\bDETAIL:[^\n]*"), "DETAIL: [removed]"),
    (re.compile(r"(\w://)[^\s\"'<>]{0,1000}@"), r"\1[removed]@"),  # user and password of a URL
    (re.compile(rf"(?:\"[^\"\n]+\"|(?<!{_PLAIN}){_PLAIN}+)(?:@|%40){_PLAIN}+"), "[address]"),
    (re.compile(r"\bSG\.[\w.-]+"), "[key]"),
    (re.compile(r"(?i)\bbearer\s+[^\s\"']+"), "[key]"),
    # A subscriber's token is base64url of at least 36 bytes. Hex digests, which hold no capital, stay.
    (re.compile(r"(?<![\w-])(?=[\w-]*[A-Z])(?=[\w-]*[a-z])[\w-]{44,}"), "[token]"),
)
LONGEST = 32_000  # characters of a text; nobody reads what is cut off
# How settings that hold a secret are named: an API key, a key that signs webhook posts, the token of the metrics.
SECRETS = ("_API_KEY", "_SECRET", "_TOKEN", "_PASSWORD")
SHORTEST_SECRET = 6  # a shorter one would match ordinary words


def scrub(text: str) -> str:
    """Return `text` without addresses, tokens, keys, and the secrets that are set on this installation."""
    for secret in _secrets():
        text = text.replace(secret, "[secret]")
    for pattern, instead in PATTERNS:
        text = pattern.sub(instead, text)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … and {len(text) - LONGEST} more"


@cache
def _secrets() -> tuple[str, ...]:
    """Return the secrets, longest first, so that one within another leaves no rest."""
    from django.conf import settings  # here: `mailer --help` loads the logs and not Django

    database = settings.DATABASES["default"]
    in_url = [urlsplit(url).password for url in (settings.BROKER_URL, settings.BASE_URL) if url]
    found = {
        settings.SECRET_KEY,
        *(str(getattr(settings, name)) for name in dir(settings) if name.endswith(SECRETS)),
        str(database.get("PASSWORD") or ""),
        *(password for password in in_url if password),
        *(unquote(password) for password in in_url if password),
    }
    return tuple(sorted((one for one in found if len(one) >= SHORTEST_SECRET), key=len, reverse=True))
