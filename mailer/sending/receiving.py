"""For which domains a send's readers receive: counted once a send, since it reads each of its deliveries."""

from django.db import connection

from mailer.models import ReceivingDomains

SMALLEST = 5  # readers; what happens at a smaller domain says nothing about the domain


def readers_by_domain(send: int) -> dict[str, int]:
    """Return how many readers were planned at each domain that has at least five of them."""
    known = ReceivingDomains.objects.filter(send=send).values_list("readers", flat=True).first()
    if known is not None:
        return dict(known)
    counted = _count(send)
    ReceivingDomains.objects.bulk_create([ReceivingDomains(send_id=send, readers=counted)], ignore_conflicts=True)
    return counted


def _count(send: int) -> dict[str, int]:
    """By SQL: a million addresses would have to come into this process for it."""
    after_at = (
        "split_part(reader.email_key, '@', 2)"
        if connection.vendor == "postgresql"
        else "substr(reader.email_key, instr(reader.email_key, '@') + 1)"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {after_at} AS domain, count(*) FROM mailer_delivery AS delivery"  # noqa: S608 — words of ours
            " JOIN subscribers_subscriber AS reader ON reader.id = delivery.subscriber_id"
            " WHERE delivery.batch_id IN (SELECT id FROM mailer_batch WHERE send_id = %s)"
            f" GROUP BY {after_at} HAVING count(*) >= %s",
            [send, SMALLEST],
        )
        return dict(cursor.fetchall())
