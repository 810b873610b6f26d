# ruff: noqa: F811 — the fixtures are those of tests/mailer/sending
"""The list of sends, as an editor and a pipe read it, and what a schedule says while it waits."""

import os
import signal
from datetime import timedelta
from functools import partial

import pytest

from mailer.cli import watching
from mailer.models import Send
from mailer.sending.planning import schedule_send
from mailer.store import clock
from mailer.worker.sweeping import sweep
from tests import readers
from tests.mailer.sending.conftest import _own_home, api  # noqa: F401 — the same stage
from tests.mailer.sending.outgoing import a_plan, batch_of, deliver_all, deliver_batch, planned

pytestmark = pytest.mark.django_db(transaction=True)
LONG = "2026-11-20-" + "a-long-name-of-an-issue-" * 3 + "end"


@pytest.fixture
def ready(run, api):
    sweep()
    readers.crowd(3)
    return run


def test_what_is_not_finished_is_called_so(ready):
    deliver_all(planned())
    head = ready("status").out.splitlines()[0].split()
    assert "unfinished" in head
    assert "open" not in head


def test_a_pipe_gets_whole_slugs_one_send_a_line(ready):
    deliver_all(planned(slug=LONG))
    (row,) = [line.split() for line in ready("status").out.splitlines()[1:]]
    assert row[:3] == ["weekly", LONG, "finished"]


def test_scheduled_sends_say_when_and_to_how_many(ready):
    schedule_send(a_plan(), clock.now() + timedelta(days=2))
    for told in (ready("status").out, ready("status", "2026-11-20").out):
        assert "goes out" in told
        assert "to those subscribed then (now 3 subscribers)" in told


def test_a_schedule_that_is_resumed_says_that_it_waits_and_how_to_leave(ready, monkeypatch):
    send = schedule_send(a_plan(), clock.now() + timedelta(days=2))
    Send.objects.filter(pk=send.pk).update(state="paused")
    press_ctrl_c = partial(os.kill, os.getpid(), signal.SIGINT)
    monkeypatch.setattr(watching._Hindrances, "say", lambda *_: press_ctrl_c())  # at the end of its first look
    told = ready("resume", send.slug).err
    assert f"waiting; {send.slug} goes out" in told
    assert f"Ctrl-C pauses it: then `mailer resume {send.slug} --detach` leaves it to workers" in told
    send.refresh_from_db()
    assert send.state == "paused"


@pytest.mark.parametrize(
    ("typed", "meant"), [("stauts", "status"), ("prevew", "preview"), ("subscriber", "subscribers")]
)
def test_a_mistyped_command_gets_a_suggestion(run, typed, meant):
    ran = run(typed)
    assert (ran.code, f"No such command '{typed}'. Did you mean '{meant}'?" in ran.err) == (2, True)
    assert "Did you mean" not in run("xyzzy").err


def test_a_provider_out_of_reach_is_named_by_the_status_and_the_log(ready, api, caplog):
    send = planned()
    api.refuse_connections()
    deliver_batch(batch_of(send).pk)
    assert "request not sent" in caplog.text
    assert "Held up: no connection to 127.0.0.1" in ready("status", "weekly/2026-11-20").out
    api.listen()
    deliver_all(send)
    assert "Held up" not in ready("status", "weekly/2026-11-20").out
