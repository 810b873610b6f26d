# ruff: noqa: F811 — the fixtures are those of tests/mailer/sending
"""What `send issue` and `status` show of a send that workers plan in ranges, and what Ctrl-C does to it."""

import json
import os
import signal
import threading
from datetime import date

import pytest

from mailer.cli import watching
from mailer.models import Send
from mailer.sending import ranges
from mailer.sending.ranges import plan_next_range
from mailer.worker.sweeping import sweep
from tests import readers
from tests.mailer.sending.conftest import _own_home, api  # noqa: F401 — the same stage
from tests.mailer.sending.in_ranges import _ranges_of_four  # noqa: F401

pytestmark = pytest.mark.django_db(transaction=True)

ISSUE = (
    f"---\nnewsletter: weekly\ndate: {date.today()}\n---\n# The Weekly 2026-11-20\n\n"
    "First lines.\n\n## News\n\nA board for everybody.\n"
)


@pytest.fixture
def ready(run, api):
    sweep()
    readers.crowd(10)
    return run


@pytest.fixture
def left(ready, issue, monkeypatch):
    """Run `send issue`, press Ctrl-C while no worker gets on with the plan, and return what was printed."""
    pressed = threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT))

    def plan_nothing(send: int) -> bool:
        if not pressed.ident:
            pressed.start()  # only now is the command waiting for its workers
        return False

    with monkeypatch.context() as nobody_plans:
        nobody_plans.setattr(ranges, "plan_next_range", plan_nothing)
        ran = ready("send", "issue", issue(ISSUE), "--yes")
        pressed.cancel()
    return ran


def test_send_issue_waits_for_the_plan_and_the_send(ready, issue, api):
    ran = ready("send", "issue", issue(ISSUE), "--yes")
    assert ran.code == 0
    assert Send.objects.get().state == "finished"
    assert len(api.times_mailed) == 10


def test_whoever_watches_hears_once_that_the_provider_is_out_of_reach(ready, issue, api, monkeypatch):
    look = watching._Hindrances._say_trouble

    def come_back_once_it_is_said(told, send):
        look(told, send)
        if told._said:
            api.listen()

    monkeypatch.setattr(watching._Hindrances, "_say_trouble", come_back_once_it_is_said)
    api.refuse_connections()
    ran = ready("send", "issue", issue(ISSUE), "--yes")
    assert ran.code == 0
    assert ran.err.count("2026-11-20 is held up: no connection to 127.0.0.1") == 1
    assert len(api.times_mailed) == 10


def test_ctrl_c_leaves_the_plan_to_workers_and_says_how_to_hold_or_cancel_it(left, ready, issue, api):
    send = Send.objects.get()
    assert (left.code, send.state) == (1, "planning")
    assert "2026-11-20 is being planned and no email has gone out" in left.err
    assert "`mailer pause 2026-11-20` holds it then, `mailer cancel 2026-11-20` cancels it" in left.err
    again = ready("send", "issue", issue(ISSUE), "--yes")
    assert "2026-11-20 is being planned; continuing" in again.err
    assert again.code == 0
    assert len(api.times_mailed) == 10


def test_status_says_how_far_the_plan_is(left, ready):
    plan_next_range(Send.objects.get().pk)
    one = ready("status", "2026-11-20")
    assert one.code == 0
    assert "weekly/2026-11-20: planning, 4 of ~10\n" in one.out
    assert "weekly/2026-11-20: planning, 4 of ~10.\n" in ready("status").out
    assert json.loads(ready("status", "2026-11-20", "--json").out)["expected"] == 10


def test_pausing_and_resuming_a_plan_say_when_that_takes_effect(left, ready):
    paused = ready("pause", "2026-11-20")
    assert "Workers finish the plan, then it is paused" in paused.out
    assert "Workers finish the plan and then send it" in ready("resume", "2026-11-20", "--detach").out
    again = ready("resume", "2026-11-20", "--detach")
    assert (again.code, "2026-11-20 is planning, so there is nothing to resume" in again.err) == (1, True)


def test_a_changed_file_is_refused_while_the_first_is_planned(left, ready, issue):
    ran = ready("send", "issue", issue(ISSUE + "\nOne more.\n"), "--yes")
    assert ran.code == 1
    assert "`mailer cancel 2026-11-20` cancels it for those still waiting" in ran.err
