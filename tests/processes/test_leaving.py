"""Everybody who was told that they are unsubscribed is: during an outage, after a kill, before the next email."""

import contextlib
import json
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.chaos.grounds import Postgres
from tests.processes.leavers import ONE_CLICK, Leavers, ask, hanging, ways_out
from tests.processes.stage import Stage, wait_until
from tests.processes.test_readers_walk import serve
from tests.stand_in import StandIn

pytestmark = pytest.mark.slow

ISSUE = "issues/2026-11-20.md"
# Without a deadline a request waits for twenty seconds at least; with it, for less than two. How fast one is on a quiet
# machine is not for a test: a pause of the machine may make one slow, but not most of them.
HANGS, MOSTLY = 16.0, 5.0
OUTAGE = 10.0  # seconds
A_MINUTE = ("stopped", 60.0)


def home(stage: Stage, name: str = "web") -> Path:
    return Path(stage.environment(name)["MAILER_HOME"])


def left(stage: Stage, name: str = "editor") -> dict[str, list[tuple[str, datetime]]]:
    """Return address → how and when they unsubscribed, by their history."""
    rows = stage.ask(
        "SELECT s.email, c.how, c.at FROM subscribers_consent c JOIN subscribers_subscriber s ON s.id = c.subscriber_id"
        " WHERE c.step = 'unsubscribed' AND c.how <> 'import'",
        name,
    )
    found: dict[str, list[tuple[str, datetime]]] = {}
    for email, how, at in rows:
        moment = at if isinstance(at, datetime) else datetime.fromisoformat(f"{at}+00:00")
        found.setdefault(email, []).append((how, moment))
    return found


def kept(stage: Stage, name: str = "web") -> int:
    path = home(stage, name) / "leaving.jsonl"
    return len(path.read_bytes().splitlines()) if path.exists() else 0


def knows_keys(stage: Stage, name: str = "web") -> None:
    wait_until((home(stage, name) / "link-keys").exists, "the link keys are on file")


def restart(stage: Stage, base: str, name: str = "web") -> None:
    stage.start("serve", "--port", base.rpartition(":")[2], home=name)
    wait_until(lambda: ask(f"{base}/healthz")[0] == 200, "the web process answers again")


def all_left_once(stage: Stage, clicks: dict[str, float], name: str = "editor") -> None:
    wait_until(lambda: set(clicks) <= set(left(stage, name)), f"{len(clicks)} have left")
    history = left(stage, name)
    assert {email: len(steps) for email, steps in history.items() if len(steps) > 1} == {}
    for email, clicked in clicks.items():
        [(how, at)] = history[email]
        assert how == "one-click"
        assert abs(at.timestamp() - clicked) < FAR, "the time of the click is kept"


FAR = 9.0  # less than an outage lasts


@pytest.mark.parametrize(("fault", "outage"), [("stopped", OUTAGE), ("hanging", OUTAGE), A_MINUTE])
def test_nobody_who_left_while_postgresql_was_away_is_mailed(
    machines: Stage, postgres: Postgres, api: StandIn, for_real, fault, outage
):
    base = serve(machines)
    readers = machines.import_readers({"active": round(200 * outage)})["active"]
    ways = ways_out(machines)
    knows_keys(machines)
    web = machines._processes[-1]

    with Leavers(base, ways) as leavers, contextlib.ExitStack() as away:
        if fault == "hanging":
            away.enter_context(hanging(postgres))
        else:
            postgres.end_at_once()
        time.sleep(outage / 2)
        form = ask(f"{base}/archive/")
        assert form[0] == 503
        assert "Retry-After" in form[2]
        assert ask(base + next(iter(ways.values())))[0] == 200, "the page with the button needs no database"
        before_the_kill = leavers.acknowledged()
        assert before_the_kill
        machines.stop(web, signal.SIGKILL)
        restart(machines, base)
        time.sleep(outage / 2)
        assert kept(machines) > 0
        assert len(leavers.acknowledged()) > len(before_the_kill)
    if fault == "stopped":
        postgres.start()

    clicks = leavers.acknowledged()
    assert leavers.statuses() <= {200, 503, 0}
    assert leavers.slowest() < HANGS
    assert leavers.usual() < MOSTLY
    all_left_once(machines, clicks)
    wait_until(lambda: kept(machines) == 0, "the journal is renamed")
    assert len(list(home(machines).glob("leaving.jsonl.applied-*"))) >= 1

    real = for_real | {"BASE_URL": base}
    with machines.workers(1, **real):
        machines.send(ISSUE, **real)
    mailed = {reader["email"] for request in api.accepted for reader in request["recipients"]}
    assert mailed & set(clicks) == set()
    assert mailed | set(clicks) | set(left(machines)) == set(readers)


def test_a_leaving_while_sqlite_is_locked_is_kept_and_applied(embedded: Stage):
    base = serve(embedded, home="editor")
    embedded.import_readers({"active": 300})
    ways = ways_out(embedded)
    knows_keys(embedded, "editor")
    with contextlib.closing(
        sqlite3.connect(home(embedded, "editor") / "mailer.sqlite3", isolation_level=None)
    ) as other:
        other.execute("BEGIN IMMEDIATE")
        with Leavers(base, ways) as leavers:
            time.sleep(2.5 * OUTAGE)  # SQLite would wait for 20 seconds
            assert ask(f"{base}/archive/")[0] == 200, "who only reads is not held up"
        assert kept(embedded, "editor") == len(leavers.acknowledged()) > 0
        other.execute("ROLLBACK")
    assert leavers.statuses() == {200}
    assert leavers.slowest() < HANGS
    assert leavers.usual() < MOSTLY
    all_left_once(embedded, leavers.acknowledged())


@contextlib.contextmanager
def not_a_file(folder: Path) -> Iterator[None]:
    (folder / "leaving.jsonl").mkdir()
    yield
    (folder / "leaving.jsonl").rmdir()


@contextlib.contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    filler = folder / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    yield
    filler.unlink()


@pytest.fixture(params=[not_a_file, full_disk])
def no_journal(request, machines: Stage):
    """Let the home accept no journal while the block runs."""
    if request.param is not full_disk:
        yield request.param
        return
    folder = home(machines)
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "mailer-test", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root can mount a small disk to fill it")
    yield request.param
    subprocess.run(["umount", "-l", folder], check=True)


def test_where_neither_database_nor_journal_can_be_written_the_provider_is_asked_to_repeat(
    machines: Stage, postgres: Postgres, no_journal
):
    base = serve(machines)
    machines.import_readers({"active": 2})
    ways = list(ways_out(machines).values())
    knows_keys(machines)
    postgres.end_at_once()
    try:
        with no_journal(home(machines)):
            status, _, headers = ask(base + ways[0], ONE_CLICK)
            assert (status, "Retry-After" in headers) == (503, True)
            status, words, headers = ask(base + ways[0], b"from=page")
            assert (status, "Retry-After" in headers) == (503, True)
            assert "没有任何改动" in words
        assert ask(base + ways[1], ONE_CLICK)[0] == 200, "there is room again"
        assert json.loads((home(machines) / "leaving.jsonl").read_text())["how"] == "one-click"
    finally:
        postgres.start()
    wait_until(lambda: len(left(machines)) == 1, "the one who was told so has left")


def test_an_ephemeral_home_keeps_no_journal(machines: Stage, postgres: Postgres):
    base = serve(machines, MAILER_HOME_EPHEMERAL="1")
    machines.import_readers({"active": 1})
    [way] = ways_out(machines).values()
    knows_keys(machines)
    postgres.end_at_once()
    try:
        status, _, headers = ask(base + way, ONE_CLICK)
        assert (status, "Retry-After" in headers) == (503, True)
        assert not (home(machines) / "leaving.jsonl").exists()
    finally:
        postgres.start()
    wait_until(lambda: ask(base + way, ONE_CLICK)[0] == 200, "the provider's repetition is taken")
    assert len(left(machines)) == 1
