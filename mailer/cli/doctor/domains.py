"""Check the DNS of the newsletters' sender domains: large receivers reject unauthorised bulk email."""

from collections.abc import Callable, Iterator

from django.conf import settings

from mailer.config.patience import PATIENCE, NoAnswer, in_time, patiently
from mailer.providers.current import configured_provider
from mailer.providers.protocol import Check

NAMESERVERS: list[str] = []  # those of this machine, unless a test names others
PORT = 53


class Unanswered(Exception):
    """No name server answered."""


def checks() -> Iterator[Check]:
    """Yield SPF, DKIM and DMARC of each domain. Skipped for a provider on this machine: nothing leaves it."""
    if settings.PROVIDER_IS_LOCAL:
        return
    emails = {newsletter.from_email for newsletter in settings.NEWSLETTERS.values()}
    for domain in sorted({email.rpartition("@")[2].lower() for email in emails}):
        try:
            looks = [_dkim, _spf, _dmarc] if configured_provider().dkim_selectors else [_spf, _dmarc]
            yield from [_in_time(look, domain) for look in looks]
        except (Unanswered, NoAnswer) as why:
            yield Check(f"DNS {domain}", "warning", f"no DNS server answers from here ({why})")


def _in_time(look: Callable[[str], Check], domain: str) -> Check:
    with patiently():
        return look(domain)


def _dkim(domain: str) -> Check:
    name = f"DKIM {domain}"
    selectors = configured_provider().dkim_selectors
    missing = [selector for selector in selectors if not _key_at(f"{selector}._domainkey.{domain}")]
    if not missing:
        return Check(name, "ok", f"keys found: {' and '.join(selectors)}")
    hosts = " and ".join(f"{selector}._domainkey.{domain}" for selector in missing)
    return Check(
        name,
        "warning",
        f"no key at {hosts}; {configured_provider().names.authenticate} and add "
        "the CNAME records that it shows. Without them emails are signed by a domain that is not yours",
    )


def _key_at(host: str) -> bool:
    """Tell whether a DKIM key is there. A resolver follows a provider's CNAME, so the key itself comes back."""
    return any("p=" in text for text in texts(host))


def _spf(domain: str) -> Check:
    name = f"SPF {domain}"
    records = [text for text in texts(domain) if text.lower().split(" ")[0] == "v=spf1"]
    if len(records) > 1:
        return Check(
            name, "warning", (f"{len(records)} SPF records, so receivers ignore all of them; merge them into one")
        )
    if not records:
        provider = configured_provider().names.provider
        return Check(name, "ok", f"none; with {provider}'s CNAME records in place its return path brings its own")
    return Check(name, "ok", records[0])


def _dmarc(domain: str) -> Check:
    name = f"DMARC {domain}"
    for place in itself_and_parents(domain):
        if record := dmarc_at(place):
            return Check(name, "ok", f"{record} (at _dmarc.{place})")
    return Check(
        name,
        "warning",
        f'none, and large receivers require one; add a TXT record _dmarc.{domain}: "v=DMARC1; p=none"',
    )


def dmarc_at(place: str) -> str:
    """Return the DMARC record of exactly this domain; "" if there is none. Raises Unanswered."""
    records = [text for text in texts(f"_dmarc.{place}") if text.replace(" ", "").lower().startswith("v=dmarc1")]
    return records[0] if records else ""


def itself_and_parents(domain: str) -> Iterator[str]:
    """Yield the domain and its parents, down to two labels: nobody who sends email owns what is above."""
    labels = domain.split(".")
    for start in range(max(1, len(labels) - 1)):
        yield ".".join(labels[start:])


def texts(host: str) -> list[str]:
    """Return the TXT records there; none if the name does not exist. Raises Unanswered."""
    import dns.exception
    import dns.resolver

    try:
        resolver = dns.resolver.Resolver(configure=not NAMESERVERS)
        if NAMESERVERS:
            resolver.nameservers, resolver.port = list(NAMESERVERS), PORT
        answer = in_time(lambda: resolver.resolve(host, "TXT", lifetime=PATIENCE))
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except (dns.exception.DNSException, OSError) as error:
        raise Unanswered(type(error).__name__) from error
    return [b"".join(record.strings).decode("utf-8", "replace") for record in answer]
