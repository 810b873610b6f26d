"""The preview's button: the same as `mailer send test`, for the draft that the page shows."""

from django.conf import settings

from mailer.previewing.drafts import Draft
from mailer.previewing.server import Answered
from mailer.providers.current import rehearsals
from mailer.publishing.errors import Refused
from mailer.publishing.testing import read_recipients
from mailer.publishing.testing import send_test as send
from mailer.store.schema import bring_up_to_date


def send_test(draft: Draft, written: list[str]) -> Answered:
    """Send the draft to those addresses, and say how it went. Only for a draft that could be rendered."""
    assert draft.rendered is not None
    assert draft.newsletter is not None
    if copying := sum(not tried for tried in draft.rendered.uncopied.values()):
        images = "1 image is" if copying == 1 else f"{copying} images are"
        return Answered(False, f"{images} still being copied; try again as soon as the page shows them.")
    try:
        to = read_recipients(written)
        bring_up_to_date()
        outcome = send(draft.rendered, draft.newsletter, to)
    except Refused as error:
        return Answered(False, str(error))
    if not outcome.accepted:
        return Answered(False, outcome.detail)
    addresses = ", ".join(address.email for address in to)
    if settings.PROVIDER == "rehearsal":
        return Answered(True, f"Rehearsed for {addresses}. No email went out; it is in {rehearsals() / 'mail'}.")
    return Answered(True, f"{settings.PROVIDER} accepted the test for {addresses}.")
