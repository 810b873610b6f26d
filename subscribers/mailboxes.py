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
_SHARED = """
    126.com 139.com 163.com 189.cn 21cn.com abv.bg alice.it aliyun.com aol.com arcor.de att.net au.com bk.ru
    bluewin.ch bol.com.br btinternet.com comcast.net cox.net daum.net docomo.ne.jp ezweb.ne.jp fastmail.com
    foxmail.com free.fr freenet.de gmx.at gmx.ch gmx.com gmx.de gmx.fr gmx.net hanmail.net hey.com hinet.net
    hotmail.co.uk hotmail.com hotmail.de hotmail.es hotmail.fr hotmail.it i.ua inbox.ru interia.pl internet.ru
    kpnmail.nl laposte.net libero.it list.ru live.co.uk live.com live.fr live.nl mail.com mail.ru mailbox.org msn.com
    naver.com netvigator.com nifty.com o2.pl onet.pl online.de orange.fr outlook.com outlook.com.br outlook.de
    outlook.es outlook.fr outlook.it outlook.jp posteo.de qq.com rambler.ru rediffmail.com rocketmail.com
    sbcglobal.net seznam.cz sfr.fr sina.cn sina.com sky.com skynet.be softbank.ne.jp sohu.com t-online.de telenet.be
    telia.com terra.com.br tin.it tiscali.it tuta.io tutanota.com ukr.net uol.com.br verizon.net vip.126.com
    vip.163.com vip.qq.com virgilio.it virginmedia.com walla.co.il wanadoo.fr web.de wp.pl yahoo.ca yahoo.co.in
    yahoo.co.jp yahoo.co.uk yahoo.com yahoo.com.au yahoo.com.br yahoo.com.hk yahoo.com.tw yahoo.de yahoo.es yahoo.fr
    yahoo.it yeah.net ymail.com ziggo.nl zoho.com
"""
SHARED = frozenset(_SHARED.split())
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
