"""Real processes, one of them with a clock that is hours off: everybody is emailed once, and on time."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import events
from tests.clocks import FaketimeClock, MovedClock
from tests.processes.stage import Stage, wait_until
from tests.stand_in import StandIn

pytestmark = pytest.mark.slow

ISSUE, SLUG = "issues/2026-11-20.md", "2026-11-20"
OFF = pytest.mark.parametrize("hours", [25, -25, -3, 3], ids="{:+} h".format)
UNKNOWN = "SELECT count(*) FROM mailer_batch WHERE state = 'unknown'"
SEEN = "SELECT max(seen_at) FROM mailer_process WHERE kind = 'worker'"


@pytest.fixture(params=[MovedClock, FaketimeClock])
def clock(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., MovedClock]:
    return lambda **amount: request.param(tmp_path / f"clock-{len(list(tmp_path.glob('clock-*')))}", **amount)


@pytest.fixture
def small(distributed: Stage, for_real: dict[str, str]) -> dict[str, list[str]]:
    """Make a real send in ten small requests."""
    distributed.settings = {**for_real, "MAILER_BATCH_SIZE": "5", "MAILER_LANES": "2"}
    return distributed.import_readers({"active": 50})


def mailed(api: StandIn) -> Counter[str]:
    return Counter(reader["email"] for reader in api.recipients)


def sweeps_go_by(stage: Stage) -> None:
    """Wait for some sweeps: a worker reports that it is alive at each."""
    for _ in range(3):
        before = stage.ask(SEEN)
        wait_until(lambda before=before: stage.ask(SEEN) != before, "a worker continues")


@OFF
def test_a_send_planned_and_half_worked_by_wrong_clocks_reaches_everybody_once(
    distributed: Stage, small, api: StandIn, clock, hours: int
):
    """Planner and one of two workers have wrong clocks: that worker says so and leaves the requests to the other."""
    wrong = clock(hours=hours)
    distributed.start("worker", home="wrong", **wrong.settings)
    wait_until(
        lambda: "sending stopped, this machine's clock is wrong" in distributed.logs(),
        "the worker says that its clock is wrong",
    )
    idle = "SELECT count(*) FROM mailer_process WHERE state::text LIKE '%the clock of this machine%'"
    wait_until(lambda: distributed.ask(idle) == [[1]], "others can read why it does not send")
    alone = distributed.run("send", "issue", ISSUE, "--yes", "--detach", expect=1)
    assert "the clock of this machine is" in alone.err
    with distributed.workers(1):
        distributed.run("send", "issue", ISSUE, "--yes", "--detach", **wrong.settings)
        wait_until(distributed.finished, "the send is finished")
    assert mailed(api) == dict.fromkeys(small["active"], 1)
    assert distributed.ask("SELECT count(DISTINCT owner) FROM mailer_attempt") == [[1]]
    assert distributed.ask(UNKNOWN) == [[0]]
    assert distributed.logs().count("sending stopped, this machine's clock is wrong") == 1


def test_a_clock_that_jumps_while_its_worker_sends_stops_it_until_it_is_right(
    distributed: Stage, small, api: StandIn, clock
):
    api.latency = 0.3
    jumping = clock(seconds=0)
    distributed.start("worker", home="jumping", MAILER_LANES="1", **jumping.settings)
    wait_until(distributed.swept, "a worker has swept")
    distributed.run("send", "issue", ISSUE, "--yes", "--detach")
    wait_until(lambda: api.accepted, "the send is under way")
    for hours in (25, -3):
        jumping.move(hours=hours)
        sign = "ahead of" if hours > 0 else "behind"
        wait_until(lambda sign=sign: f"{sign} the database" in distributed.logs(), "the worker says that it jumped")
    assert not distributed.finished()
    jumping.move(seconds=0)
    wait_until(distributed.finished, "the send is finished")
    assert mailed(api) == dict.fromkeys(small["active"], 1)
    assert distributed.ask(UNKNOWN) == [[0]]


@OFF
def test_a_schedule_of_a_wrong_clock_fires_when_it_is_due(distributed: Stage, small, api: StandIn, clock, hours: int):
    """`--at` counts from the database's time; a worker with a wrong clock may fire it, another one sends."""
    wrong = clock(hours=hours)
    with distributed.workers(1):
        """Who plans for later is told when nobody is there to send."""
    distributed.start("worker", home="wrong", **wrong.settings)
    distributed.run("send", "issue", ISSUE, "--yes", "--detach", "--at", "+5s", **wrong.settings)
    fired = "SELECT now() >= due_at AND due_at < created_at + interval '1 min' FROM mailer_send WHERE state = 'sending'"
    assert wait_until(lambda: distributed.ask(fired), "the schedule fired") == [[True]]
    with distributed.workers(1):
        wait_until(distributed.finished, "the send is finished")
    assert mailed(api) == dict.fromkeys(small["active"], 1)


def test_a_time_that_is_over_by_the_databases_clock_is_refused(distributed: Stage, small, clock):
    behind = clock(hours=-25)
    an_hour_ago = "now() AT TIME ZONE 'Asia/Shanghai' - interval '1 h'"
    [[over]] = distributed.ask(f"SELECT to_char({an_hour_ago}, 'YYYY-MM-DD\"T\"HH24:MI')")
    refused = distributed.run("send", "issue", ISSUE, "--yes", "--at", over, expect=2, **behind.settings)
    assert "is in the past" in refused.err
    assert "1 h" in refused.err


@OFF
def test_nobody_is_mailed_twice_because_a_clock_says_that_a_day_has_passed(
    distributed: Stage, small, api: StandIn, clock, hours: int
):
    """An answer was lost and no event came: no worker or editor with a wrong clock takes that for evidence."""
    wrong = clock(hours=hours)
    distributed.settings |= {"SENDGRID_WEBHOOK_PUBLIC_KEY": events.EventKeys().public, "MAILER_HTTP_TIMEOUT": "3"}
    api.fail("close after accepting")
    with distributed.workers(1):
        distributed.run("send", "issue", ISSUE, "--yes", "--detach", "--on-unknown", "resend")
        wait_until(lambda: distributed.ask(UNKNOWN) == [[1]], "an answer was lost")
        wait_until(distributed.finished, "the rest is sent")
    distributed.start("worker", home="wrong", **wrong.settings)
    sweeps_go_by(distributed)
    refused = distributed.run("reconcile", SLUG, "--resend", "--yes", expect=4, **wrong.settings)
    assert "--accept-duplicates" in refused.err
    assert distributed.ask(UNKNOWN) == [[1]]
    assert mailed(api) == dict.fromkeys(small["active"], 1)


def test_on_sqlite_a_worker_behind_the_last_sweep_waits_until_its_clock_is_right(
    embedded: Stage, api: StandIn, for_real, tmp_path: Path
):
    # Not by libfaketime, whose clock_nanosleep fails when the clock jumps back, and kombu's queue in memory with it.
    readers = embedded.import_readers({"active": 20})
    embedded.settings = {**for_real, "MAILER_BATCH_SIZE": "5"}
    moving = MovedClock(tmp_path / "clock")
    worker = embedded.start("worker", **moving.settings)
    wait_until(embedded.swept, "a worker has swept")
    moving.move(hours=-3)
    wait_until(lambda: "behind the last sweep" in embedded.logs(), "the worker says that its clock is wrong")
    embedded.run("send", "issue", ISSUE, "--yes", "--detach")
    assert embedded.doctor(**moving.settings)["clock"] == "error"
    assert mailed(api) == {}
    moving.move(seconds=0)
    wait_until(embedded.finished, "the send is finished")
    embedded.stop(worker)
    assert mailed(api) == dict.fromkeys(readers["active"], 1)
