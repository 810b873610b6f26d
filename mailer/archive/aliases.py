"""Where the former addresses of imported issues lead. Slugs and these share one namespace in each newsletter."""

from collections.abc import Sequence

from mailer.content.aliases import name_of
from mailer.models import Alias


def slug_behind(newsletter: str, *addresses: str) -> str | None:
    """Return the slug of the issue that had one of these addresses, or slugs; None if none had."""
    names = _usable(addresses)
    found = Alias.objects.filter(newsletter=newsletter, name__in=names) if names else Alias.objects.none()
    return found.values_list("slug", flat=True).first()


def issue_behind(path: str, newsletters: Sequence[str]) -> tuple[str, str] | None:
    """Return newsletter and slug of the issue that had this path on another site, of the first that has one."""
    names = _usable([path])
    found = Alias.objects.filter(name__in=names, newsletter__in=newsletters) if names else Alias.objects.none()
    known = sorted(found.values_list("newsletter", "slug"), key=lambda one: newsletters.index(one[0]))
    return known[0] if known else None


def _usable(addresses: Sequence[str]) -> list[str]:
    return [name for address in addresses if (name := name_of(address))]
