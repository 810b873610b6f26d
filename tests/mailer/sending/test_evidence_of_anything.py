"""Silence is evidence exactly where the rule says so, whatever was requested, reported and refused.

The oracle below is the rule in the words of docs/sending.md, over plain tuples; it shares nothing with the product.
"""

import random
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from hypothesis import event, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mailer.models import Attempt, Batch, Event, Installation, ProviderAccount, Send
from mailer.sending import webhook_posts
from mailer.sending.evidence import SHORT, doubt_about, full_wait
from mailer.store import clock

pytestmark = pytest.mark.django_db

MINUTE, HOUR = 60, 3600
QUARTER = 15 * MINUTE
NEVER_ACCEPTED = ("refused", "unsent")


@dataclass(frozen=True)
class Report:
    """An event; seconds after the request in doubt, by the provider's clock and by ours."""

    at: int
    received: int


@dataclass(frozen=True)
class Request:
    account: str
    same_send: bool
    state: str
    reports: tuple[Report, ...]


@dataclass(frozen=True)
class Post:
    """A post to the webhook; `key` is empty if it is refused. `about` is one of the requests, if any."""

    at: int
    key: str
    about: int | None


@dataclass(frozen=True)
class World:
    age: int  # of the request in doubt, in seconds
    requests: tuple[Request, ...]
    posts: tuple[Post, ...]
    webhook: bool
    unapplied: bool  # an event of the request itself is stored and was not applied yet


# ---------------------------------------------------------------- the rule, once more


def is_evidence(world: World, wait: int) -> bool:
    theirs = [one for one in world.requests if one.account == "ours" and one.state not in NEVER_ACCEPTED]
    told = [one for request in theirs for one in request.reports if one.received > 0]
    before = any(-QUARTER <= one.at <= 0 for one in told)
    after = any(0 <= one.at <= QUARTER for one in told)
    single = not any(one.same_send for one in theirs)
    able = world.webhook and before and after and not suspended(world)
    return able and not single and not world.unapplied and world.age >= wait


def suspended(world: World) -> bool:
    refused = [post.at for post in world.posts if not post.key]
    taken = [at for key in ("a", "b") for at in taken_by(world, key)]
    if not refused or max(refused) < max(taken, default=-(10**9)):
        return False
    for key in ("a", "b"):
        for before, at in pairwise([-(10**9), *taken_by(world, key)]):
            if at >= 25 * HOUR and any(before < one < at for one in refused):
                return False  # an earlier suspension was ended when nothing of that time could be repeated any more
    return True


def taken_by(world: World, key: str) -> list[int]:
    """Return when posts signed by this key came, from the first one about a request of ours."""
    posts = sorted((post for post in world.posts if post.key == key), key=lambda post: post.at)
    about_us = [
        post.about is not None and world.requests[post.about % len(world.requests)].account == "ours"
        if world.requests
        else False
        for post in posts
    ]
    first = about_us.index(True) if True in about_us else len(posts)
    return [post.at for post in posts[first:]]


# ---------------------------------------------------------------- worlds

EDGES = (0, 1, QUARTER - 1, QUARTER, QUARTER + 1, 2 * QUARTER, 26 * HOUR)
offsets = st.sampled_from(sorted({sign * edge for edge in EDGES for sign in (1, -1)}))
received = st.sampled_from([-10, -1, 0, 1, 30, QUARTER, 24 * HOUR])
reports = st.builds(Report, offsets, received)
requests = st.builds(
    Request,
    st.sampled_from(["ours", "ours", "ours", "another"]),
    st.booleans(),
    st.sampled_from(["accepted", "accepted", "accepted", "unknown", "open", "refused", "unsent"]),
    st.lists(reports, max_size=3).map(tuple),
)
heard = st.just(Request("ours", True, "accepted", (Report(-30, 5), Report(30, 35))))
# One thing away from evidence, or none: what is heard on each side stands at an edge, and nothing else is heard.
near = st.builds(
    lambda before, after, late: Request("ours", True, "accepted", (Report(-before, late), Report(after, late))),
    st.sampled_from(EDGES[:5]),
    st.sampled_from(EDGES[:5]),
    st.sampled_from([30, 30, 1, 0, -1]),
)
silent = requests.map(lambda one: Request(one.account, one.same_send, one.state, ()))
# Ten seconds and more apart: what is written at most every five is then exact.
times = st.sampled_from([-HOUR, -60, 60, 70, 10 * MINUTE, HOUR, 24 * HOUR, 25 * HOUR + 10, 25 * HOUR + 30, 26 * HOUR])
posts = st.builds(Post, times, st.sampled_from(["", "a", "b"]), st.none() | st.integers(0, 3))
ages = st.sampled_from([0, 59 * MINUTE, 61 * MINUTE, 25 * HOUR - 60, 25 * HOUR + 60, 40 * HOUR, 90 * HOUR])
worlds = st.builds(
    World,
    ages,
    st.one_of(st.lists(requests, max_size=4), st.tuples(heard, requests), st.tuples(near), st.tuples(near, silent)).map(
        tuple
    ),
    st.lists(posts, max_size=5, unique_by=lambda post: post.at).map(tuple),
    st.integers(0, 9).map(bool),
    st.integers(0, 9).map(lambda number: number == 0),
)


class _Undone(Exception):
    """Raised to roll back the rows of an example."""


@contextmanager
def taken_back():
    try:
        with transaction.atomic():
            yield
            raise _Undone
    except _Undone:
        pass


@pytest.mark.slow
@hypothesis_settings(max_examples=300)
@given(world=worlds)
def test_silence_is_evidence_where_the_rule_says_so_and_nowhere_else(world, settings, monkeypatch):
    settings.SENDGRID_WEBHOOK_KEYS = (b"a", b"b") if world.webhook else ()
    with taken_back():
        batch = _make(world, monkeypatch)
        alone, asked = is_evidence(world, 25 * HOUR), is_evidence(world, HOUR)
        event(f"evidence: {alone}, {asked}")
        assert (doubt_about(batch, full_wait()) is None) == alone
        assert (doubt_about(batch, full_wait() * SHORT) is None) == asked


def _make(world: World, monkeypatch: pytest.MonkeyPatch) -> Batch:
    at = clock.now().replace(microsecond=0) - timedelta(seconds=world.age)
    accounts = {name: ProviderAccount.objects.create(name=name, host="api.example") for name in ("ours", "another")}
    sends = {True: _send("lost", accounts["ours"])}
    batch = Batch.objects.create(send=sends[True], number=0, size=5, state="unknown")
    lost = _attempt(batch, "unknown", at)
    Batch.objects.filter(pk=batch.pk).update(current_attempt=lost)
    asked = []
    for number, request in enumerate(world.requests, 1):
        mine = request.same_send and request.account == "ours"
        send = sends[True] if mine else _send(f"other-{number}", accounts[request.account])
        asked.append(
            _attempt(Batch.objects.create(send=send, number=number, size=5, state="accepted"), request.state, at)
        )
        for report in request.reports:
            _report(asked[-1], at, report)
    if world.unapplied:
        _report(lost, at, Report(0, 1), applied=False)
    _post(world, at, asked, monkeypatch)
    return Batch.objects.get(pk=batch.pk)


def _send(slug: str, account: ProviderAccount) -> Send:
    texts = dict.fromkeys(("subject", "from_email", "from_name", "base_url", "html", "text", "article"), "")
    hashes = {"source_sha256": "", "content_sha256": ""}
    given = {"newsletter": "weekly", "slug": slug, "provider": account.host, "account": account}
    return Send.objects.create(**given, **texts, **hashes)


def _attempt(batch: Batch, state: str, at: datetime) -> UUID:
    lease = {"worker": uuid4(), "lease_until": at, "members": 5}
    return Attempt.objects.create(batch=batch, state=state, started_at=at, **lease).pk


def _report(attempt: UUID, at: datetime, report: Report, applied: bool = True) -> None:
    received = at + timedelta(seconds=report.received)
    hashes = {name: random.getrandbits(62) for name in ("id_hash", "fact_hash")}
    Event.objects.create(
        kind="delivered",
        attempt=attempt,
        at=at + timedelta(seconds=report.at),
        received_at=received,
        applied_at=received if applied else None,
        **hashes,
    )


def _post(world: World, at: datetime, asked: list[UUID], monkeypatch: pytest.MonkeyPatch) -> None:
    Installation.objects.update(events_refused_at=None)
    for post in sorted(world.posts, key=lambda post: post.at):
        with monkeypatch.context() as patched:
            patched.setattr(webhook_posts.clock, "now", lambda post=post: at + timedelta(seconds=post.at))
            if not post.key:
                webhook_posts.record_refused()
            else:
                about = [asked[post.about % len(asked)]] if asked and post.about is not None else []
                accounts = Send.objects.filter(batches__attempts__in=about).exclude(account=None)
                webhook_posts.record_verified(post.key.encode(), accounts.values_list("account", flat=True))
