"""Issues that were sent, as the tests of the archive need them."""

from datetime import UTC, datetime
from typing import Any

from mailer.models import Batch, Send
from tests import readers
from tests.mailer.sending import outgoing


def published(slug: str = "2026-11-20", newsletter: str = "weekly", **said: Any) -> Send:
    """Make a real send, accepted at noon of the date in its slug; `said` sets fields of its row."""
    readers.confirmed(newsletter)
    send = outgoing.planned(newsletter=newsletter, slug=slug, provider="127.0.0.1")
    noon = datetime.fromisoformat(slug).replace(hour=12, tzinfo=UTC)
    Batch.objects.filter(send=send).update(state=Batch.State.ACCEPTED)
    Send.objects.filter(pk=send.pk).update(**{"first_request_at": noon, "state": "finished"} | said)
    send.refresh_from_db()
    return send
