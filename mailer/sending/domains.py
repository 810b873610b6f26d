"""Where a send's subscribers receive their email, and how receivers treated the send as a whole."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Count

from mailer.models import HardBounce, PolicyBounce, ReceivingDomains, Send
from mailer.providers.current import configured_provider
from mailer.providers.policies import Policy, policy_named

SMALLEST = 5  # subscribers; what happens at a smaller domain says nothing about the domain


def subscribers_by_domain(send: int) -> dict[str, int]:
    """Return how many subscribers were planned at each domain that has at least five of them.

    Counted once an issue and kept, since it reads each of its deliveries; of a welcome, which goes on for months, each
    time.
    """
    kind, known = Send.objects.values_list("kind", "receivingdomains__readers").get(pk=send)
    if kind == Send.Kind.WELCOME:
        return _count(send)
    if known is not None:
        return dict(known)
    counted = _count(send)
    ReceivingDomains.objects.bulk_create([ReceivingDomains(send_id=send, readers=counted)], ignore_conflicts=True)
    return counted


def _count(send: int) -> dict[str, int]:
    """Count in SQL: otherwise a million addresses would have to come into this process."""
    after_at = (
        "split_part(subscriber.email_key, '@', 2)"
        if connection.vendor == "postgresql"
        else "substr(subscriber.email_key, instr(subscriber.email_key, '@') + 1)"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {after_at} AS domain, count(*) FROM mailer_delivery AS delivery"  # noqa: S608 — words of ours
            " JOIN subscribers_subscriber AS subscriber ON subscriber.id = delivery.subscriber_id"
            " WHERE delivery.batch_id IN (SELECT id FROM mailer_batch WHERE send_id = %s)"
            f" GROUP BY {after_at} HAVING count(*) >= %s",
            [send, SMALLEST],
        )
        return dict(cursor.fetchall())


@dataclass(frozen=True)
class Refusal:
    """Email of a send that a receiver's policy refused: our fault, not the subscribers'."""

    policy: Policy
    subscribers: int

    @property
    def fix(self) -> str:
        """Say what to do, and where at the provider."""
        return configured_provider().names.fill(self.policy.fix)


def refusals_of(*sends: int, since: datetime | None = None) -> list[Refusal]:
    """Return why receivers refused email of these sends, the most frequent reason first."""
    rows = PolicyBounce.objects.filter(send__in=sends)
    if since:
        rows = rows.filter(at__gt=since)
    counts = rows.values_list("policy").annotate(n=Count("pk")).order_by("-n", "policy")
    return [Refusal(policy_named(key), subscribers) for key, subscribers in counts]


@dataclass(frozen=True)
class Outage:
    """A receiving domain that seems to have an outage, in one send."""

    domain: str
    subscribers: int
    until: datetime  # from then on the last of them may be mailed again


def outages_of(send: int) -> list[Outage]:
    """Return the suspected outages of a send, the largest first."""
    ends: dict[str, list[datetime]] = defaultdict(list)
    rows = HardBounce.objects.filter(send=send, held_until__isnull=False, forgiven=False)
    for domain, held_until in rows.values_list("domain", "held_until"):
        if held_until:
            ends[domain].append(held_until)
    found = [Outage(domain, len(of_one), max(of_one)) for domain, of_one in ends.items()]
    return sorted(found, key=lambda one: (-one.subscribers, one.domain))
