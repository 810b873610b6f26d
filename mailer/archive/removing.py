"""Take the page of an issue out of the archive, or put it back. What was sent or imported stays on record."""

import logging

from mailer.models import RemovedPage
from mailer.store import clock

log = logging.getLogger(__name__)


def remove(newsletter: str, slug: str) -> None:
    """Let the page of this issue answer 410 from now on."""
    RemovedPage.objects.get_or_create(newsletter=newsletter, slug=slug, defaults={"removed_at": clock.now()})
    log.info("page removed", extra={"newsletter": newsletter, "issue": slug})


def put_back(newsletter: str, slug: str) -> bool:
    """Let the page be there again. Return False if nobody removed it."""
    deleted, _ = RemovedPage.objects.filter(newsletter=newsletter, slug=slug).delete()
    if deleted:
        log.info("page put back", extra={"newsletter": newsletter, "issue": slug})
    return bool(deleted)
