"""What `send issue` may do about a slug that was planned before, by state and whether the source changed."""

from enum import Enum

from django.db import transaction

from mailer.models import REHEARSAL, Send
from mailer.sending.accounting import attempted


class Action(Enum):
    PLAN = "plan"  # nothing stands in the way
    REPLACE = "replace"  # the former plan never mailed anybody and is replaced, after confirmation if it differs
    ATTACH = "attach"  # it is being planned or sent: watch it
    RESUME = "resume"  # the editor paused it
    HELD = "held"  # paused for a reason that `mailer resume` must be told to ignore
    SHOW = "show"  # it is over, or waits for its time
    REFUSE = "refuse"  # the source changed after subscribers may have got it


def existing_send(newsletter: str, slug: str, provider: str) -> Send | None:
    """Return the real send of this slug. A rehearsal never counts: the next one replaces it."""
    if provider == REHEARSAL:
        return None
    return Send.objects.filter(newsletter=newsletter, slug=slug).exclude(provider=REHEARSAL).first()


def what_to_do(send: Send | None, source_sha256: str) -> Action:
    if send is None:
        return Action.PLAN
    same = send.source_sha256 == source_sha256
    fresh = not attempted(send)
    match send.state:
        case Send.State.SENDING | Send.State.PLANNING:
            return Action.ATTACH if same else Action.REFUSE
        case Send.State.PAUSED if same and send.is_held:
            return Action.HELD
        case Send.State.PAUSED if same:
            return Action.RESUME
        case Send.State.SCHEDULED if same:
            return Action.SHOW
        case Send.State.PAUSED | Send.State.CANCELLED | Send.State.SCHEDULED if fresh:
            return Action.REPLACE
        case Send.State.PAUSED:
            return Action.REFUSE
        case _:
            return Action.SHOW if same else Action.REFUSE


def discard_unsent(send: Send) -> bool:
    """Delete the plan if it has still not emailed anybody; return whether it did."""
    states = [Send.State.PAUSED, Send.State.CANCELLED, Send.State.SCHEDULED]
    with transaction.atomic():
        # Locked, or somebody could resume it while its batches are being deleted.
        held = Send.objects.select_for_update().filter(pk=send.pk, state__in=states).first()
        if held is None or attempted(held):
            return False
        held.delete()
    return True


def same_source_elsewhere(newsletter: str, slug: str, source_sha256: str) -> Send | None:
    """Return a real send of the same bytes under another slug: most likely a renamed file."""
    return (
        Send.objects.issues()
        .filter(newsletter=newsletter, source_sha256=source_sha256)
        .exclude(provider=REHEARSAL)
        .exclude(slug=slug)
        .exclude(state=Send.State.CANCELLED, first_request_at=None)
        .first()
    )
