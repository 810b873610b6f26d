"""Tell which addresses count as one mailbox. For limits alone: identity and delivery stay as typed, see `addresses`."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class _Provider:
    """A provider under whose domains one mailbox has many spellings."""

    domains: tuple[str, ...]  # the first stands for all
    ignored: str = ""  # characters before the @ that change nothing
    means: Mapping[str, str] = field(default_factory=dict)  # likewise, characters that stand for another


# Each lets anybody reach one person under several domains, or under a spelling for each place of a dot.
PROVIDERS = (
    _Provider(("gmail.com", "googlemail.com"), "."),
    _Provider(("proton.me", "protonmail.com", "protonmail.ch", "pm.me"), ".-_"),
    _Provider(("icloud.com", "me.com", "mac.com")),
    _Provider(("yandex.ru", "yandex.com", "yandex.by", "yandex.kz", "ya.ru"), means={"-": "."}),
)
_BY_DOMAIN = {domain: provider for provider in PROVIDERS for domain in provider.domains}
# Where anybody may have a mailbox, so that many addresses are many people. For limits of a domain, which would protect
# nobody there.
SHARED = frozenset(
    {
        "aol.com",
        "fastmail.com",
        "foxmail.com",
        "free.fr",
        "gmx.at",
        "gmx.ch",
        "gmx.de",
        "gmx.net",
        "hey.com",
        "hotmail.co.uk",
        "hotmail.com",
        "hotmail.fr",
        "126.com",
        "139.com",
        "163.com",
        "laposte.net",
        "libero.it",
        "live.com",
        "mail.com",
        "mail.ru",
        "msn.com",
        "naver.com",
        "orange.fr",
        "outlook.com",
        "outlook.de",
        "outlook.fr",
        "qq.com",
        "sina.com",
        "sohu.com",
        "online.de",
        "web.de",
        "yahoo.co.jp",
        "yahoo.co.uk",
        "yahoo.com",
        "yahoo.de",
        "yahoo.fr",
        "yeah.net",
        "zoho.com",
    }
)
# Fastmail delivers anything@ada.fastmail.com to ada@fastmail.com.
TAGS_BEFORE_THE_NAME = (".fastmail.com", ".fastmail.fm")


def folded(email_key: str) -> str:
    """Return the address without its `+tag`, and as its provider reads it.

    Otherwise a stranger could mail one person as often as they can think of tags.
    """
    local, _, domain = email_key.rpartition("@")
    local = local.partition("+")[0] or local
    if domain.endswith(TAGS_BEFORE_THE_NAME):
        local, _, domain = domain.partition(".")
    if provider := _BY_DOMAIN.get(domain):
        domain = provider.domains[0]
        meant = "".join(provider.means.get(sign, sign) for sign in local if sign not in provider.ignored)
        local = meant or local
    return f"{local}@{domain}"


def is_shared(domain: str) -> bool:
    """Tell whether a domain is that of a large provider, where anybody may have a mailbox."""
    return domain in SHARED or domain in _BY_DOMAIN
