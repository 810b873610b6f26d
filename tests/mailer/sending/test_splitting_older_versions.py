"""Who was refused alone, where an older version that did not record it settled before or during the upgrade."""

import pytest
from django.db.models import F

from mailer.models import Batch, Delivery, Send
from mailer.providers.answers import RecipientsRejected, UnlocatedRefusal
from mailer.sending import settling
from mailer.sending.accounting import count
from mailer.sending.settling import settle
from tests.mailer.sending.outgoing import balanced, claimed, states
from tests.older import database_of

pytestmark = pytest.mark.django_db(transaction=True)
REFUSAL = UnlocatedRefusal("400 Bad Request", 400)


def refuse_single_as_before(batch: Batch, delivery: int, words: str) -> bool:
    """Write what a worker of the previous version writes when it refuses the first single of a batch."""
    Delivery.objects.filter(pk=delivery, outcome=None).update(outcome=Delivery.Outcome.REJECTED, reason=words)
    Batch.objects.filter(pk=batch.pk).update(
        state=Batch.State.REFUSED, current_attempt=None, rejected=F("rejected") + 1
    )
    return True


def upgrade() -> None:
    """Remove from the database what the previous version lacked, and migrate it during the send."""
    with database_of(("mailer", "0012_events_in_neutral_words")):
        pass


@pytest.fixture(params=["before the upgrade", "beside the new version"])
def refused_by_the_older_version(request, four, monkeypatch):
    """Split four subscribers twice; let the older version refuse the first one alone."""
    with monkeypatch.context() as patched:
        patched.setattr(settling, "refuse_single", refuse_single_as_before)
        for _ in range(3):
            settle(claimed(four, 0), REFUSAL)
    if request.param == "before the upgrade":
        upgrade()
    assert states(four) == ["refused", "planned", "planned"]
    return four


def test_the_second_single_restores_the_first_which_an_older_version_refused(refused_by_the_older_version):
    send = refused_by_the_older_version
    settle(claimed(send, 2), REFUSAL)
    balanced(send)
    assert (send.state, send.reason) == (Send.State.PAUSED, REFUSAL.detail)
    assert (count(send).rejected, count(send).waiting) == (0, 4)


def test_a_reader_whom_an_older_version_refused_by_name_stays_refused(four):
    settle(claimed(four, 0), REFUSAL)
    settle(claimed(four, 0), REFUSAL)
    settle(claimed(four, 0), RecipientsRejected({0: "Does not contain a valid address."}, 400))
    upgrade()
    settle(claimed(four, 2), REFUSAL)
    balanced(four)
    assert (four.state, states(four)) == (Send.State.SENDING, ["refused", "planned", "refused"])
