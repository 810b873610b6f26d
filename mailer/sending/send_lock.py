"""Who may work on a send at the same time as whom.

Claims and acceptances, which are nearly everything that happens to a send, share it, until their commit is on the disk.
What changes its state, or plans a batch of it again, holds it alone: so no claim is committed after a pause returned,
and no batch is planned again whose acceptance is just being written. SQLite has one writer anyway.

On PostgreSQL the row of the send decides. Sharing it (KEY SHARE) does not keep others from writing times into it. But
PostgreSQL lets newcomers share a row past somebody who waits to hold it alone, and with many slots a pause might wait
for minutes. So both queue for an advisory lock first, which is given in the order of asking.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from mailer.models import Send

_QUEUE = 7_203_118  # first of the two keys of the advisory lock; the second is the send
_MOST = 2**31  # beyond it two sends may have the same, and wait for each other in vain


def queue_to_share(send: int) -> None:
    """Wait for those who hold the send alone, or asked to before; in the transaction of a claim or an acceptance.

    Then that locks the row FOR KEY SHARE, in the statement that reads it.
    """
    _queue("pg_advisory_xact_lock_shared", send)


@contextmanager
def alone(send: int) -> Iterator[None]:
    """Hold the send alone in a transaction."""
    with transaction.atomic():
        _queue("pg_advisory_xact_lock", send)
        Send.objects.select_for_update().filter(pk=send).values_list("pk").first()
        yield


def _queue(function: str, send: int) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {function}(%s, %s)", [_QUEUE, send % _MOST])
