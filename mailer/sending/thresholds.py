"""Pause a send with too many bounces or complaints, or let the newsletter's next issue start paused.

A welcome is always paused itself: it goes on for months, and says nothing about who has subscribed for long.
"""

import logging
from collections.abc import Collection

from django.db import connection

from mailer.models import Batch, Send
from mailer.sending.domains import subscribers_by_domain
from mailer.sending.lifecycle import pause_for, pause_welcome

log = logging.getLogger(__name__)

FROM = 500  # accepted subscribers; with fewer, one unhappy subscriber would stop a newsletter
MOST_HARD_BOUNCES = 0.05
MOST_COMPLAINTS = 0.001  # providers block senders from 0.3 % (Gmail, Yahoo: sender requirements)
FEWEST_COMPLAINTS = 3  # two unhappy subscribers have no effect, however small the list is
# Their users' complaints are never reported, so they say nothing about how many complain. Gmail:
# https://support.google.com/a/answer/6254652; Apple has no feedback loop either.
SILENT = ("gmail.com", "googlemail.com", "icloud.com", "me.com", "mac.com")

_NEEDED = ("pk", "planned", "slug", "state", "kind", "newsletter", "language", "provider")

# Raw, because the ORM takes longer to write this than the database to answer it, in each post with a bounce.
_TOTALS = f"""
    SELECT coalesce(sum(bounced_hard), 0), coalesce(sum(complained), 0),
        coalesce(sum(CASE WHEN state = '{Batch.State.ACCEPTED.value}' THEN size - skipped - rejected END), 0)
    FROM mailer_batch WHERE send_id = %s"""  # noqa: S608 — a word of ours


def check(sends: Collection[int]) -> None:
    """Pause sends past a threshold, once, with the reason; one that is over keeps it for the next send."""
    for send in Send.objects.filter(pk__in=list(sends), notice="").only(*_NEEDED):
        detail = _passed(send)
        if not detail:
            continue
        is_welcome = send.kind == Send.Kind.WELCOME
        over = send.state in (Send.State.FINISHED, Send.State.CANCELLED) and not is_welcome
        if Send.objects.filter(pk=send.pk, notice="").update(notice=detail, notice_shown=not over):
            log.error("bounce or complaint threshold exceeded", extra={"send": send.pk})
            if is_welcome:
                pause_welcome(send, detail, language=send.language)
            else:
                pause_for(send.pk, detail)


def _passed(send: Send) -> str:
    """Say which threshold was passed; return "" if none."""
    with connection.cursor() as cursor:
        cursor.execute(_TOTALS, [send.pk])
        hard, complaints, accepted = map(int, cursor.fetchone())
    if accepted < FROM:
        return ""
    if hard > accepted * MOST_HARD_BOUNCES:
        return (
            f"{hard} of the {accepted} addresses of {send.slug} do not exist (more than {MOST_HARD_BOUNCES:.0%}): "
            "check where this list comes from before providers block you"
        )
    if complaints >= FEWEST_COMPLAINTS and complaints > (heard := _heard(send, accepted)) * MOST_COMPLAINTS:
        return (
            f"{complaints} of {heard} subscribers of {send.slug} marked it as spam (more than {MOST_COMPLAINTS:.1%}): "
            "check whom you email and how they subscribed before providers block you"
        )
    return ""


def _heard(send: Send, accepted: int) -> int:
    """Return how many of the accepted have a provider that would report a complaint.

    While a send is under way, its share of the whole: requests hold subscribers of all providers alike.
    """
    by_domain = subscribers_by_domain(send.pk)
    silent = sum(by_domain.get(domain, 0) for domain in SILENT)
    return accepted - accepted * silent // send.planned if send.planned else accepted
