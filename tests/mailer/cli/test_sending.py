# ruff: noqa: F811 — the fixtures are those of tests/mailer/sending
"""`send issue --at`, `--on-unknown` and `status`, as an editor types them."""

import json
import re
from datetime import date, timedelta

import pytest
from django.utils import timezone

from mailer.models import Batch, Delivery, Event, Fact, Installation, Send
from mailer.worker.sweeping import sweep
from tests import readers
from tests.mailer.sending.conftest import _own_home, api  # noqa: F401 — the same stage
from tests.mailer.sending.outgoing import deliver_all, planned

pytestmark = pytest.mark.django_db(transaction=True)

ISSUE = (
    f"---\nnewsletter: weekly\ndate: {date.today()}\n---\n# The Weekly 2026-11-20\n\n"
    "First lines.\n\n## News\n\nA board for everybody.\n"
)
IN_AN_HOUR = ("--at", "+1h")


@pytest.fixture
def ready(run, api):
    """Let a worker have swept, and create a subscriber."""
    sweep()
    readers.confirmed()
    return run


def test_the_time_that_the_help_shows_is_one_to_send_at(ready, issue):
    example = re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\d", ready("send", "issue", "--help").out)[0]
    assert ready("send", "issue", issue(ISSUE), "--at", example, "--dry-run").code == 0


def test_a_plan_for_later_says_when_by_weekday_zone_and_distance(ready, issue):
    shown = ready("send", "issue", issue(ISSUE), "--at", "2036-07-02T09:00", "--dry-run")
    assert shown.code == 0
    assert "Wednesday 2036-07-02 09:00" in shown.out
    assert not Send.objects.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--at", "2019-07-02T09:00"), "--at: 2019-07-02T09:00 is in the past"),
        (("--at", "soon"), "--at: 'soon' is not a time; write 2036-07-02T09:00"),
        (("--on-unknown", "resend"), "--on-unknown resend needs the event webhook"),
    ],
)
def test_impossible_options_are_refused_with_an_explanation(ready, issue, options, words):
    ran = ready("send", "issue", issue(ISSUE), "--yes", *options)
    assert (ran.code, words in ran.err) == (2, True)
    assert not Send.objects.exists()


def test_a_draft_is_not_sent_but_can_be_tested_and_rendered(ready, issue, tmp_path):
    draft = issue(ISSUE.replace("---\n", "---\ndraft: true\n", 1))
    for more in ((), ("--ignore", "http"), ("--dry-run",)):
        refused = ready("send", "issue", draft, "--yes", *more)
        assert (refused.code, ":2:1 error draft " in refused.err) == (3, True)
    assert not Send.objects.exists()
    assert ready("send", "test", draft, "--to", "editor@news.example.org").code == 0
    rendered = ready("render", draft, "-o", tmp_path / "out")
    assert (rendered.code, ":2:1 error draft " in rendered.err) == (0, True)
    assert (tmp_path / "out" / "2026-11-20.html").is_file()


def test_a_plan_with_fewer_credits_than_readers_is_told_before_it_is_confirmed(ready, issue, api):
    api.credits = {"remain": 0, "total": 100, "used": 100}
    ran = ready("send", "issue", issue(ISSUE))
    assert ran.code == 4
    assert "has 0 emails left for 1 subscribers" in ran.err


def test_a_schedule_needs_a_worker_when_nobody_stays(ready, issue):
    Installation.objects.update(swept_at=timezone.now() - timedelta(minutes=2))
    ran = ready("send", "issue", issue(ISSUE), *IN_AN_HOUR, "--detach", "--yes")
    assert ran.code == 1
    assert "start one with `mailer worker`" in ran.err
    assert not Send.objects.exists()


def test_a_detached_schedule_is_shown_moved_and_taken_back(ready, issue):
    file = issue(ISSUE)
    first = ready("send", "issue", file, *IN_AN_HOUR, "--detach", "--yes")
    assert first.code == 0
    assert "goes out" in first.out
    status = ready("status", "2026-11-20", "--json")
    assert (status.code, json.loads(status.out)["state"]) == (0, "scheduled")
    again = ready("send", "issue", file, "--dry-run")
    assert (again.code, "action  would continue: it was planned before" in again.out) == (0, True)
    was = json.loads(status.out)["at"]
    assert ready("send", "issue", file, "--at", "+3h", "--detach", "--yes").code == 0
    assert json.loads(ready("status", "2026-11-20", "--json").out)["at"] > was
    assert ready("cancel", "2026-11-20", "--yes").code == 0
    assert Send.objects.get().state == "cancelled"


def test_the_policy_and_the_one_to_tell_are_kept_with_the_send(ready, issue, settings):
    from dataclasses import replace

    settings.SENDGRID_WEBHOOK_KEYS = (b"key",)
    settings.NEWSLETTERS = {"weekly": replace(settings.NEWSLETTERS["weekly"], notify="editor@news.example.com")}
    assert ready("send", "issue", issue(ISSUE), "--detach", "--yes", "--on-unknown", "resend").code == 0
    send = Send.objects.get()
    assert (send.on_unknown, send.notify) == ("resend", "editor@news.example.com")


def test_status_lists_who_bounced_and_why_and_who_got_it(ready):
    ben = readers.confirmed(who=readers.BEN)
    send = planned()
    deliver_all(send)
    bounced = Delivery.objects.get(subscriber=ben)
    Delivery.objects.filter(pk=bounced.pk).update(facts=Fact.HARD)
    Delivery.objects.exclude(pk=bounced.pk).update(facts=Fact.DELIVERED)
    Batch.objects.update(delivered=1, bounced=1, bounced_hard=1)
    told = {"reason": "550 5.1.1 no such user"}
    Event.objects.create(kind="bounced", delivery=bounced.pk, at=timezone.now(), details=told, id_hash=1, fact_hash=2)
    assert f"{ben.email},bounced,550 5.1.1 no such user" in ready("status", "2026-11-20", "--list", "bounced").out
    assert readers.ADA.email in ready("status", "2026-11-20", "--list", "delivered").out
    assert ready("status", "2026-11-20", "--list", "complained").out.splitlines() == ["email,outcome,reason"]
    watched = ready("status", "2026-11-20", "--watch")
    assert (watched.code, "planned 2 = accepted 2" in watched.out) == (0, True)
    assert json.loads(ready("status", "2026-11-20", "--json").out)["events"] == {
        "delivered": 1,
        "deferred": 0,
        "bounced": 1,
        "dropped": 0,
        "complained": 0,
    }


def test_to_watch_or_list_a_send_must_be_named(ready):
    assert ready("status", "--watch").code == 2
    assert ready("status", "--list", "bounced").code == 2
