"""The issues that were sent, as pages: which there are, and where they stand. Rehearsals are never among them."""

from urllib.parse import quote

from django.db.models import QuerySet

from mailer.models import REHEARSAL, Send


def sent(newsletter: str) -> QuerySet[Send]:
    """Real sends that a reader may have got."""
    return Send.objects.filter(newsletter=newsletter, first_request_at__isnull=False).exclude(provider=REHEARSAL)


def sent_slugs(newsletter: str) -> frozenset[str]:
    """What a link between issues may lead to."""
    return frozenset(sent(newsletter).values_list("slug", flat=True))


def archive_root(base_url: str, newsletter: str, newsletters: list[str]) -> str:
    """The address under which the pages of a newsletter stand: the first keeps the bare path. Ends in a slash."""
    label = "" if newsletters[:1] == [newsletter] else f"{quote(newsletter)}/"
    return f"{base_url}/{label}archive/"
