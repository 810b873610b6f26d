# ruff: noqa: F811 — the fixtures are those of tests/mailer/sending
"""Hard bounces that jump at one domain are put on hold; see mailer.events.outages."""

import json
import os
import random
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mailer.cli.subscribers.showing import _send_in_words
from mailer.events import outages, processing, storing
from mailer.models import Delivery, HardBounce, Send
from mailer.privacy.exporting import sends_of
from mailer.store import clock
from subscribers import erasing, optin
from subscribers.models import Subscriber, Suppression
from subscribers.optin import Origin
from tests import readers
from tests.mailer.events.test_processing import everything
from tests.mailer.reports import DAY, HARD, Mailed, mailed, post
from tests.mailer.sending.conftest import _own_home, api  # noqa: F401 — the same stage
from tests.mailer.sending.outgoing import claimed, close_breaker, in_thread, planned

pytestmark = pytest.mark.django_db


def hard(issue: Mailed, some: list[Subscriber], days_ago: float = 0) -> list[dict[str, Any]]:
    at = int(time.time() - days_ago * DAY)
    return [issue.about(reader, "bounce", **HARD | {"timestamp": at}) for reader in some]


def suppressed() -> int:
    return Suppression.objects.filter(reason="bounce").count()


def held() -> set[str]:
    return outages.held(Subscriber.objects.values_list("suppression_hash", flat=True), clock.now())


@pytest.fixture
def gmail(api) -> list[Subscriber]:
    return readers.crowd(60, domain="gmail.example")


# ---------------------------------------------------------------- what a jump is


def test_a_welcome_that_is_mailed_for_months_shows_no_outage(gmail):
    issue = mailed()
    Send.objects.filter(pk=issue.send.pk).update(kind="welcome", first_request_at=None)
    post(*hard(issue, gmail[:20]), *hard(issue, gmail[20:30], days_ago=90))
    assert (suppressed(), len(held())) == (30, 0)


def test_20_hard_bounces_of_one_domain_are_held_apart_and_those_that_came_first_too(gmail):
    issue = mailed()
    post(*hard(issue, gmail[:19]))
    assert (suppressed(), len(held())) == (19, 0)
    post(*hard(issue, gmail[19:20]))
    assert (suppressed(), len(held())) == (0, 20)
    assert readers.history_of(gmail[0])[-1] == ("changed", "event")


def test_other_domains_of_the_same_send_are_judged_by_themselves(gmail):
    others = readers.crowd(30)
    issue = mailed()
    post(*hard(issue, gmail[:20]), *hard(issue, others[:3]))
    assert (suppressed(), len(held())) == (3, 20)


@pytest.mark.parametrize(
    ("size", "bounces", "apart"), [(5, 4, True), (5, 3, False), (4, 4, False), (10, 8, True), (10, 7, False)]
)
def test_80_percent_of_a_domain_with_at_least_5_are_held_apart(api, size, bounces, apart):
    everybody = readers.crowd(size, domain="company.example")
    readers.crowd(10)
    post(*hard(mailed(), everybody[:bounces]))
    assert (len(held()), suppressed()) == ((bounces, 0) if apart else (0, bounces))


@pytest.mark.parametrize(("usual", "apart"), [(2, True), (3, False)])
def test_a_domain_that_always_bounces_much_has_to_bounce_ten_times_as_much(gmail, usual, apart):
    """25 bounces are a jump where 2 are usual, but not where 3 are."""
    for n in range(3):
        issue = mailed(slug=f"before-{n}", ago=timedelta(days=10 - n))
        post(*hard(issue, gmail[30 + n * usual : 30 + (n + 1) * usual], days_ago=10 - n))
    post(*hard(mailed(), gmail[:25]))
    assert len(held()) == (25 if apart else 0)


def test_late_bounces_of_earlier_sends_can_show_that_it_was_no_jump(gmail):
    first, second = mailed(slug="first", ago=timedelta(days=5)), mailed(slug="second")
    post(*hard(second, gmail[:25]))
    assert len(held()) == 25
    post(*hard(first, gmail[30:33], days_ago=5))
    assert (len(held()), suppressed()) == (0, 28)


# ---------------------------------------------------------------- what becomes of those held apart


def mailed_again(slug: str) -> tuple[int, dict[str, int]]:
    """Return how many get the following issue, and who is skipped and why."""
    send = planned(slug=slug, source=slug)
    close_breaker()
    claimed(send)
    skipped = Delivery.objects.filter(send=send, outcome="skipped").values_list("reason", flat=True)
    reasons = list(skipped)
    return send.planned - len(reasons), {reason: reasons.count(reason) for reason in reasons}


def test_for_three_days_no_issue_goes_to_them(gmail):
    post(*hard(mailed(), gmail[:20], days_ago=2.9))
    assert mailed_again("while-held") == (40, {"bounced in a suspected outage of gmail.example": 20})


def test_the_operator_sees_of_a_reader_that_they_are_held_apart(gmail):
    issue = mailed()
    post(*hard(issue, gmail[:20]))
    (sent,) = sends_of(gmail[0].pk)
    until = HardBounce.objects.get(delivery__subscriber=gmail[0]).held_until
    assert sent["held_apart_until"] == until.isoformat(timespec="seconds")
    assert "in a suspected outage: on hold until" in _send_in_words(sent)
    (other,) = sends_of(gmail[30].pk)
    assert other["held_apart_until"] is None


def test_after_three_days_issues_go_to_them_again(gmail):
    post(*hard(mailed(ago=timedelta(days=3.2)), gmail[:20], days_ago=3.1))
    assert mailed_again("after-hold") == (60, {})


def test_a_second_hard_bounce_after_the_hold_suppresses(gmail):
    first, second = mailed(slug="first", ago=timedelta(days=4)), mailed(slug="second")
    post(*hard(first, gmail[:20], days_ago=4))
    post(*hard(second, gmail[:2]))
    assert (suppressed(), readers.suppression_of(gmail[0]), readers.suppression_of(gmail[5])) == (2, "bounce", None)


def test_a_second_hard_bounce_that_no_outage_explains_suppresses_at_once(gmail):
    first, second = mailed(slug="first"), mailed(slug="second")
    post(*hard(first, gmail[:20]), *hard(second, gmail[:1]))
    assert suppressed() == 1


def test_a_second_send_into_the_same_outage_does_not(gmail):
    """For example two newsletters, or a correction, on the days on which a domain answers wrongly."""
    first, second = mailed(slug="first", ago=timedelta(days=1)), mailed(slug="second")
    post(*hard(first, gmail[:5], days_ago=1), *hard(second, gmail))
    post(*hard(first, gmail[:55], days_ago=1))
    assert suppressed() == 0


def test_another_outage_long_after_is_another_matter(gmail):
    first, second = mailed(slug="first", ago=timedelta(days=70)), mailed(slug="second")
    post(*hard(first, gmail[:55], days_ago=70), *hard(second, gmail[:59]))
    assert suppressed() == 0


def test_a_drop_is_the_providers_memory_of_the_bounce_and_no_second_one(gmail):
    first, second = mailed(slug="first", ago=timedelta(days=4)), mailed(slug="second")
    post(*hard(first, gmail[:20], days_ago=4))
    post(second.about(gmail[0], "dropped", reason="Bounced Address"))
    post(second.about(gmail[30], "dropped", reason="Bounced Address"))
    assert (readers.suppression_of(gmail[0]), readers.suppression_of(gmail[30])) == (None, "bounce")


def test_a_stronger_reason_stays_and_what_the_operator_did_too(gmail):
    issue = mailed()
    post(issue.about(gmail[0], "spamreport"))
    optin.suppress(gmail[1].suppression_hash, "manual", Origin(how="command"), optin.Why("by phone"))
    post(*hard(issue, gmail[:20]))
    assert [readers.suppression_of(reader) for reader in gmail[:3]] == ["complaint", "manual", None]


def test_a_subscriber_who_confirmed_since_has_a_mailbox(gmail):
    """An old bounce, lifted by confirming, does not make the next outage a second bounce."""
    first, second = mailed(slug="first", ago=timedelta(days=20)), mailed(slug="second")
    post(*hard(first, gmail[:1], days_ago=20))
    assert readers.suppression_of(gmail[0]) == "bounce"
    Suppression.objects.update(at=clock.now() - timedelta(days=8))
    optin.unsubscribe(gmail[0].public_id, "weekly", Origin(how="link"))
    request = optin.subscribe(readers.parse(gmail[0].email), "weekly", origin=readers.FORM)
    assert request.answer == "mail due"
    optin.confirm(gmail[0].public_id, "weekly", readers.LINK)
    assert readers.suppression_of(gmail[0]) is None
    post(*hard(second, gmail[:20]))
    assert suppressed() == 0


def test_hard_bounces_in_an_outage_pause_a_send_like_any_other(api, settings):
    """Whether a receiver is broken or a list is old, going on would cost the sender's reputation."""
    settings.MAILER_BATCH_SIZE = 600
    there = readers.crowd(240, domain="gmail.example")
    readers.crowd(360)
    issue = mailed()
    Send.objects.filter(pk=issue.send.pk).update(state="sending")
    post(*hard(issue, there))
    assert Send.objects.get(pk=issue.send.pk).state == "paused"
    assert (suppressed(), len(held())) == (0, 240)
    Send.objects.filter(pk=issue.send.pk).update(notice_shown=True)
    assert mailed_again("next") == (360, {"bounced in a suspected outage of gmail.example": 240})


def test_an_erased_reader_leaves_no_bounce_behind(gmail):
    post(*hard(mailed(), gmail[:20]))
    erasing.forget(gmail[0].email_key, Origin(how="command"))
    assert HardBounce.objects.count() == 19
    Delivery.objects.filter(subscriber=gmail[1]).update(subscriber=None)
    outages.prune(clock.now())
    assert HardBounce.objects.count() == 18
    outages.prune(clock.now() + outages.KEPT + timedelta(days=1))
    assert not HardBounce.objects.exists()


# ---------------------------------------------------------------- any order


def test_any_order_and_any_repetition_lead_to_the_same_end(gmail, monkeypatch):
    monkeypatch.setattr(processing, "LEFT_ALONE", timedelta(0))
    company = readers.crowd(5, domain="company.example")
    first = mailed(slug="first", ago=timedelta(days=9))
    second = mailed(slug="second", ago=timedelta(days=4))
    third = mailed(slug="third")
    reports = [
        *hard(first, gmail[40:42], days_ago=9),
        *hard(second, gmail[:21], days_ago=4),
        *hard(second, company, days_ago=4),
        *hard(third, gmail[2:5]),
        *hard(third, company[:1]),
        *hard(second, gmail[:2], days_ago=3.9),
        third.about(gmail[7], "dropped", reason="Bounced Address"),
        third.about(gmail[8], "spamreport"),
        third.about(gmail[9], "dropped", reason="Invalid"),
        third.about(gmail[9], "bounce", **HARD),
        third.about(gmail[50], "bounce", type="blocked", status="5.7.1"),
        third.about(gmail[50], "bounce", type="blocked", status="5.0.0", reason="550 5.7.606 banned"),
    ]

    def end(*posts: list[dict[str, Any]]) -> dict[str, Any]:
        with transaction.atomic():
            for some in posts:
                post(*some)
            processing.apply_leftovers()
            found = everything()
            transaction.set_rollback(True)
        return found

    expected = end(reports)
    assert len(expected["suppressed"]) == 2 + 3 + 1 + 1 + 1
    examples = int(os.environ.get("MAILER_TEST_EXAMPLES", "10"))

    @hypothesis_settings(max_examples=examples)
    @given(st.randoms(use_true_random=False), st.integers(1, 20))
    def play(chance: random.Random, size: int) -> None:
        some = [*reports, *chance.choices(reports, k=5)]
        chance.shuffle(some)
        assert end(*(some[start : start + size] for start in range(0, len(some), size))) == expected

    play()


def test_what_a_crash_left_of_a_suspected_outage_is_made_up_for(gmail, monkeypatch):
    monkeypatch.setattr(processing, "LEFT_ALONE", timedelta(0))
    issue = mailed()
    post(*hard(issue, gmail[:19]))
    stored = storing.store(events_of(hard(issue, gmail[19:20]))).left

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    for step in ("judge", "note"):
        with monkeypatch.context() as patched:
            patched.setattr(outages, step, crash)
            with pytest.raises(KeyboardInterrupt):
                processing.apply(stored)
    processing.apply_leftovers()
    assert (suppressed(), len(held())) == (0, 20)


def events_of(reports: list[dict[str, Any]]) -> Any:
    from mailer.providers.sendgrid.webhook import parse

    return parse(json.dumps(reports).encode())


@pytest.mark.django_db(transaction=True)
def test_bounces_that_come_through_several_processes_at_once_are_judged_together(gmail):
    """Each process sees at most ten of its own; only the last one to decide sees all of them."""
    issue = mailed()
    reports = hard(issue, gmail[:24])
    failed: list[Exception] = []

    def work(start: int) -> None:
        try:
            for one in reports[start::4]:
                post(one)
        except DatabaseError as error:
            failed.append(error)

    threads = [in_thread(lambda start=start: work(start)) for start in range(4)]
    for thread in threads:
        thread.join()
    assert failed == []
    assert (suppressed(), len(held())) == (0, 24)
