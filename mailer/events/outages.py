"""Judge hard bounces, and whether a domain that suddenly has many of them is in an outage.

Gmail answered 5.1.1 for valid mailboxes on 14 and 15 December 2020. So when the hard bounces of one receiving domain
jump, its subscribers are held apart: no send mails them for three days, and only a second hard bounce suppresses.

Everything is computed from rows that are only added or moved to an earlier time, in one order, one process at a time:
so events lead to the same end in whatever order they come, also if the twentieth bounce reveals what the first was.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from operator import attrgetter
from statistics import median
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Q

from mailer.models import REHEARSAL, HardBounce, Send
from mailer.sending.domains import SMALLEST, subscribers_by_domain
from subscribers import records
from subscribers.models import Subscriber, Suppression
from subscribers.records import places, with_zone

log = logging.getLogger(__name__)

MANY = 20  # hard bounces of a domain in one send
JUMP = 10  # times the domain's median
SHARE = 0.8  # of a domain that has at least `domains.SMALLEST` subscribers
BEFORE = 10  # sends that the median is taken of

HELD = timedelta(days=3)
CLOCKS = timedelta(minutes=5)  # by which the provider's clock and ours may differ
# Two bounces further apart are unrelated: a domain may have one outage this year and another the next.
SECOND_WITHIN = timedelta(days=60)
KEPT = timedelta(days=400)

_LOCK = 7_203_117  # of PostgreSQL, while bounces are judged

# A report of lower rank takes the place of one that came before it, and is judged anew. One statement, where the ORM
# needs three that cost ten times as much, in each post with a bounce.
_NOTE = """
    INSERT INTO mailer_hardbounce (delivery_id, send_id, hash, domain, at, dropped, forgiven)
    VALUES (%s, %s, %s, %s, %s, %s, false)
    ON CONFLICT (delivery_id) DO UPDATE SET dropped = excluded.dropped, at = excluded.at, held_until = NULL
    WHERE (mailer_hardbounce.dropped, mailer_hardbounce.at) > (excluded.dropped, excluded.at)"""

# Also what is read for each post with a bounce is not asked by the ORM: it took longer to write these than they take.
_COUNTS = """
    SELECT domain, send_id, count(*), count(held_until) FROM mailer_hardbounce
    WHERE domain IN ({}) AND NOT dropped GROUP BY domain, send_id"""
_BOUNCES = """
    SELECT hash, at, dropped, held_until FROM mailer_hardbounce WHERE hash IN ({}) AND NOT forgiven ORDER BY hash, at"""
_HOLD = """
    UPDATE mailer_hardbounce SET held_until = {until}
    WHERE domain = %s AND send_id = %s AND NOT dropped AND held_until IS {before} RETURNING hash, forgiven"""
# SQLite adds to times by the function with which Django adds to them.
_HELD_UNTIL = {"postgresql": "at + %s", "sqlite": "django_format_dtdelta('+', at, %s)"}
_VERSIONS = "SELECT id FROM mailer_send WHERE id IN ({}) AND kind = 'welcome'"
_ASKED = """
    SELECT id, newsletter, kind FROM mailer_send
    WHERE newsletter IN (SELECT newsletter FROM mailer_send WHERE id IN ({}))
    AND first_request_at IS NOT NULL AND provider <> %s ORDER BY first_request_at, id"""


@dataclass(frozen=True)
class Bounced:
    """One report that an address bounced permanently."""

    delivery: int
    send: int
    hash: str
    domain: str
    at: datetime
    dropped: bool

    @property
    def rank(self) -> tuple[bool, datetime]:
        """Rank reports about one delivery; the lowest is kept: a bounce before a drop, the earlier before the later."""
        return self.dropped, self.at


@dataclass(frozen=True)
class Judgement:
    gone: frozenset[str] = frozenset()  # hashes of addresses that are to be suppressed
    spared: frozenset[str] = frozenset()  # of addresses that these bounces do not suppress, or no longer do


def note(bounces: Collection[Bounced]) -> None:
    """Store these bounces. Commit before judging them: the judge must see those of all others."""
    if not bounces:
        return
    first: dict[int, Bounced] = {}
    for one in sorted(bounces, key=attrgetter("rank"), reverse=True):
        first[one.delivery] = one
    at = connection.ops.adapt_datetimefield_value
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(
            _NOTE, [(pk, one.send, one.hash, one.domain, at(one.at), one.dropped) for pk, one in sorted(first.items())]
        )


def judge(bounces: Collection[Bounced]) -> Judgement:
    """Say which of these addresses, and of those that are judged anew because of them, must be suppressed.

    In the caller's transaction, which also does what the judgement says.
    """
    if not bounces:
        return Judgement()
    _one_at_a_time()
    hashes = {one.hash for one in bounces} | _review({one.domain for one in bounces})
    confirmed = records.confirmed(hashes)
    gone = set()
    for hash, of_one in groupby(_bounces_of(hashes), key=attrgetter("hash")):
        since = confirmed.get(hash)
        if _is_gone([row for row in of_one if since is None or row.at > since - CLOCKS]):
            gone.add(hash)
    return Judgement(frozenset(gone), frozenset(hashes - gone))


def _one_at_a_time() -> None:
    """Serialize judging. SQLite has one writer anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


class _Row(NamedTuple):
    hash: str
    at: datetime
    dropped: bool
    held_until: datetime | None


def _bounces_of(hashes: Collection[str]) -> list[_Row]:
    """Return the bounces of these addresses that count, by address and time."""
    sql = _BOUNCES.format(places(hashes))
    return [_Row(hash, with_zone(at), dropped, held_until) for hash, at, dropped, held_until in _all(sql, [*hashes])]


def _all(sql: str, values: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _is_gone(rows: Sequence[_Row]) -> bool:
    """Tell whether one address must be suppressed, by its bounces in the order of their times.

    A drop is the provider's memory of a bounce. While that bounce is held apart, it does not count as a second one.
    """
    real = [row for row in rows if not row.dropped]
    if any(row.held_until is None for row in real):
        return True
    if not real:
        return bool(rows)
    return any(HELD - CLOCKS <= later.at - earlier.at <= SECOND_WITHIN for earlier, later in pairwise(real))


# ---------------------------------------------------------------- which domains are in an outage


def _review(domains: Collection[str]) -> set[str]:
    """Hold the bounces of suspected outages apart, and no others; return the hashes of those for whom that is new."""
    counts: dict[str, dict[int, int]] = defaultdict(dict)
    apart: dict[tuple[str, int], int] = {}
    for domain, send, bounces, held in _all(_COUNTS.format(places(domains)), [*domains]):
        counts[domain][send], apart[domain, send] = bounces, held
    # What was usual is asked only where there are many.
    earlier = _earlier_sends({send for domain, send in apart if counts[domain][send] >= MANY})
    welcomes = _versions_of_welcomes({send for domain, send in apart if counts[domain][send] >= SHARE * SMALLEST})
    changed: set[str] = set()
    for (domain, send), held in apart.items():
        suspected = send not in welcomes and _is_suspected(domain, send, counts[domain], earlier.get(send, ()))
        if held != (counts[domain][send] if suspected else 0):
            changed |= _hold(domain, send, suspected)
    return changed


def _is_suspected(domain: str, send: int, by_send: Mapping[int, int], earlier: Sequence[int]) -> bool:
    bounces = by_send[send]
    usual = median([by_send.get(one, 0) for one in earlier]) if earlier else 0
    if bounces >= MANY and bounces >= JUMP * usual:
        return True
    # Not for each domain with a dead address: the first query counts the send.
    return bounces >= SHARE * SMALLEST and bounces >= SHARE * subscribers_by_domain(send).get(domain, float("inf"))


def _versions_of_welcomes(sends: Collection[int]) -> set[int]:
    """Return those that are mailed for months: their bounces are not of one day, so they show no outage."""
    return {send for (send,) in _all(_VERSIONS.format(places(sends)), [*sends])} if sends else set()


def _earlier_sends(sends: Collection[int]) -> dict[int, list[int]]:
    """Return the last ten issues of the same newsletter before each of these."""
    if not sends:
        return {}
    in_order: dict[str, list[int]] = defaultdict(list)
    found: dict[int, list[int]] = {send: [] for send in sends}
    for send, newsletter, kind in _all(_ASKED.format(places(sends)), [*sends, REHEARSAL]):
        if send in found:
            found[send] = in_order[newsletter][-BEFORE:]
        if kind == Send.Kind.ISSUE:
            in_order[newsletter].append(send)
    return found


def _hold(domain: str, send: int, suspected: bool) -> set[str]:
    """Mark the bounces of a domain in a send as held apart or not; return the hashes of those that were not so."""
    if not suspected:
        changed = _all(_HOLD.format(until="NULL", before="NOT NULL"), [domain, send])
    else:
        held = HELD if connection.vendor == "postgresql" else HELD // timedelta(microseconds=1)
        sql = _HOLD.format(until=_HELD_UNTIL[connection.vendor], before="NULL")
        changed = _all(sql, [held, domain, send])
        if changed:
            log.warning("suspected outage of a receiving domain", extra={"domain": domain, "send": send})
    return {hash for hash, forgiven in changed if not forgiven}


# ---------------------------------------------------------------- looked at, lifted, forgotten


def held(hashes: Iterable[str], now: datetime) -> set[str]:
    """Return those of these addresses that are held apart now."""
    rows = HardBounce.objects.filter(hash__in=list(hashes), held_until__gt=now, forgiven=False)
    return set(rows.values_list("hash", flat=True))


def forgive(hashes: Collection[str]) -> int:
    """Let nothing more follow from the bounces of these addresses, as an operator asks. Return how many rows."""
    return HardBounce.objects.filter(hash__in=hashes, forgiven=False).update(forgiven=True)


def bounced_between(start: datetime, end: datetime, domain: str) -> set[str]:
    """Return the addresses (hashes) at this domain that bounced permanently in this time, or were suppressed for it."""
    rows = HardBounce.objects.filter(domain=domain, at__range=(start, end), forgiven=False)
    bounced = Suppression.objects.filter(reason=Suppression.Reason.BOUNCE, at__range=(start, end))
    # For those suppressed by a version that kept no bounces, only the subscriber's row has the domain.
    there = Subscriber.objects.filter(suppression_hash__in=bounced.values("hash"), email_key__endswith=f"@{domain}")
    return {*rows.values_list("hash", flat=True), *there.values_list("suppression_hash", flat=True)}


def prune(now: datetime) -> int:
    """Delete bounces that no rule looks at any longer, and those of erased subscribers; return how many."""
    old = HardBounce.objects.filter(Q(at__lt=now - KEPT) | Q(delivery__subscriber=None))
    return old.delete()[0]
