"""Deliveries that belong to no batch of their send: no constraint of the database forbids them on PostgreSQL.

Only planning and splitting give a delivery its batch, and only a replaced send takes both away, each in one
transaction. So what is found here was changed behind mailer's back, or is a bug of it.
"""

from django.db import connection

# From batch to batch along the index, a tenth of a millisecond each, instead of reading ten million deliveries. Those
# of a batch were written alike, so the first one of each stands for the others.
_ORPHANED = """
    WITH RECURSIVE named(batch) AS (
        SELECT MIN(batch_id) FROM mailer_delivery
        UNION ALL
        SELECT (SELECT MIN(batch_id) FROM mailer_delivery WHERE batch_id > named.batch) FROM named
        WHERE named.batch IS NOT NULL
    )
    SELECT named.batch FROM named LEFT JOIN mailer_batch AS batch ON batch.id = named.batch
    WHERE named.batch IS NOT NULL AND (batch.id IS NULL OR batch.send_id <>
        (SELECT send_id FROM mailer_delivery WHERE batch_id = named.batch LIMIT 1))
    ORDER BY named.batch"""


def orphaned_batches() -> list[int]:
    """Return ids of batches that deliveries name and that do not exist, or are of another send."""
    with connection.cursor() as cursor:
        cursor.execute(_ORPHANED)
        return [batch for (batch,) in cursor.fetchall()]
