"""Two installations on one database, and a key replaced during a send: nobody is emailed with a foreign key."""

import hashlib
import os
import pty
import select
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.processes.conftest import CONFIG, editors_folder
from tests.processes.stage import PATIENCE, Stage, wait_until
from tests.stand_in import StandIn

pytestmark = pytest.mark.slow

ISSUE, NEXT = "issues/2026-11-20.md", "issues/2026-11-27.md"


def fingerprint(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def times_mailed(api: StandIn) -> Counter[str]:
    return Counter(reader["email"] for reader in api.recipients)


def at_a_terminal(stage: Stage, *arguments: str, typed: str, **settings: str) -> str:
    """Return what `mailer` with these arguments prints at a terminal where somebody types this."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*stage.command, *arguments],
        cwd=stage.folder,
        env=stage.environment(**settings),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    os.write(ours, typed.encode())
    shown, until = b"", time.monotonic() + PATIENCE
    while time.monotonic() < until and (process.poll() is None or select.select([ours], [], [], 0)[0]):
        try:
            if select.select([ours], [], [], 0.2)[0]:
                shown += os.read(ours, 4096)
        except OSError:  # how Linux says that the other end was closed
            break
    assert process.wait(PATIENCE) == 0, shown.decode()
    os.close(ours)
    return shown.decode()


@pytest.fixture
def second(distributed: Stage, tmp_path: Path):
    """Return another installation on the same database and broker: its own newsletter.toml, key and home."""
    folder = editors_folder(tmp_path / "second" / "newsletter")
    (folder / "newsletter.toml").write_text(CONFIG.replace("weekly.news.example.com", "weekly.second.example"))
    stage = Stage(folder, distributed.database_url, distributed.broker_url)
    yield stage
    stage.close()


@pytest.fixture
def of_second(for_real) -> dict[str, str]:
    return for_real | {"SENDGRID_API_KEY": "SG.second.key"}


@pytest.mark.parametrize(
    "provider_takes_it",
    [False, True],
    ids=["refused with 401", "of another customer"],
)
def test_a_second_installation_takes_nothing_and_pauses_nothing(
    distributed: Stage, second: Stage, api: StandIn, for_real, of_second, provider_takes_it: bool
):
    if provider_takes_it:
        api.other_keys.add("SG.second.key")
    small = {"MAILER_BATCH_SIZE": "5"}
    readers = distributed.import_readers({"active": 100})["active"]
    with distributed.workers(1, **for_real, **small):
        foreign = [second.start("worker", home=f"foreign{n}", **of_second, **small) for n in range(2)]
        wait_until(lambda: second.logs().count("is unknown here") == 2, "both say that their key is unknown")
        distributed.run("send", "issue", ISSUE, "--yes", "--detach", **for_real, **small)
        wait_until(distributed.finished, "the send is finished")
    assert times_mailed(api) == Counter(readers)
    assert {request["key"] for request in api.requests} == {api.key}
    assert api.strangers == 0

    # Now only the second one's workers run: the next issue waits, untouched and named.
    editor = distributed.start("send", "issue", NEXT, "--yes", **for_real, **small)
    wait_until(lambda: "2026-11-27" in second.logs(), "the second one says what it leaves alone")
    assert "with a key of account `main` (127.0.0.1)" in second.logs()
    time.sleep(6)  # a sweep more
    assert second.logs().count("what=weekly/2026-11-27") == 2, second.logs()  # once each
    waiting = second.status("2026-11-27", **of_second)
    assert (waiting["state"], waiting["waiting"], waiting["account"]) == ("sending", 100, "main")
    assert "Cannot send from here" in second.run("status", "2026-11-27", expect=None, **of_second).out
    refused = second.run("send", "issue", NEXT, "--yes", expect=None, **of_second)
    assert refused.code != 0
    for process in foreign:
        second.stop(process)

    with distributed.workers(1, **for_real, **small):
        assert editor.wait(PATIENCE) == 0
    assert set(times_mailed(api).values()) == {2}
    assert {request["key"] for request in api.requests} == {api.key}


def test_two_accounts_share_a_database_and_each_sends_its_own(
    distributed: Stage, second: Stage, api: StandIn, for_real, of_second
):
    """The second installation has another newsletter, and a person assigned its key to its own account."""
    (second.folder / "newsletter.toml").write_text(CONFIG.replace("weekly", "monthly"))
    distributed.import_readers({"active": 20})
    second.import_readers({"active": 1})
    with StandIn(key="SG.second.key") as its_own:
        of_second["SENDGRID_API_URL"] = its_own.url
        with distributed.workers(1, **for_real):
            distributed.run("send", "issue", ISSUE, "--yes", "--detach", **for_real)
            wait_until(distributed.finished, "the first one's send is finished")
            shown = at_a_terminal(second, "doctor", "--adopt-key", typed="clients\ny\n", **of_second)
            assert "is one of `clients`" in shown
            editor = second.start("send", "issue", ISSUE, "--yes", **of_second)
            wait_until(lambda: "monthly/2026-11-20" in distributed.logs(), "the first one says what it leaves alone")
            worker = second.start("worker", home="of-second", **of_second)
            assert editor.wait(PATIENCE) == 0
            second.stop(worker)
        assert sum(times_mailed(its_own).values()) == 1
    assert len(times_mailed(api)) == 20
    assert api.strangers == 0


def test_a_key_that_is_replaced_in_the_middle_is_adopted_and_nobody_gets_it_twice(
    distributed: Stage, api: StandIn, for_real
):
    settings = for_real | {"MAILER_BATCH_SIZE": "2", "MAILER_LANES": "1"}
    renewed = settings | {"SENDGRID_API_KEY": "SG.renewed.key"}
    readers = distributed.import_readers({"active": 200})["active"]
    with distributed.workers(1, **settings):
        api.latency = 0.2
        distributed.run("send", "issue", ISSUE, "--yes", "--detach", **settings)
        wait_until(lambda: len(api.accepted) > 5, "some have it")
    api.other_keys.add("SG.renewed.key")
    made = len(api.requests)
    assert made < 100

    worker = distributed.start("worker", home="renewed", **renewed)
    wait_until(lambda: "is unknown here" in distributed.logs(), "the worker says that its key is unknown")
    time.sleep(6)  # a sweep more
    assert len(api.requests) == made
    assert distributed.doctor(**renewed)["account"] == "error"

    api.latency = 0.0
    distributed.run("doctor", "--adopt-key", "main", "--fingerprint", fingerprint("SG.renewed.key"), **for_real)
    wait_until(distributed.finished, "the same worker goes on by itself")
    assert times_mailed(api) == Counter(readers)
    assert {request["key"] for request in api.requests[made:]} == {"SG.renewed.key"}
    distributed.stop(worker)
    # The former key is known still, so workers may change one by one.
    assert distributed.doctor(**settings)["account"] == "ok"


def test_a_confirmation_is_not_mailed_by_a_foreign_key(
    distributed: Stage, second: Stage, api: StandIn, for_real, of_second
):
    api.other_keys.add("SG.second.key")
    with distributed.workers(1, **for_real):
        pass  # the first key is adopted
    foreign = second.start("worker", home="foreign", **of_second)
    wait_until(lambda: "is unknown here" in second.logs(), "it says that its key is unknown")
    distributed.run("subscribers", "add", "ada@readers.example", "--source", "a letter", **for_real)
    time.sleep(6)
    assert api.accepted == []
    second.stop(foreign)
    with distributed.workers(1, **for_real):
        wait_until(lambda: api.accepted, "the first one's worker mails it")
    assert [request["key"] for request in api.requests] == [api.key]


def test_a_send_under_way_goes_on_after_an_upgrade_from_hosts_to_accounts(stage: Stage, api: StandIn, for_real):
    readers = stage.import_readers({"active": 60})["active"]
    settings = for_real | {"MAILER_BATCH_SIZE": "2", "MAILER_LANES": "1"}
    api.latency = 0.2
    with stage.workers(1, **settings):
        running = stage.start("send", "issue", ISSUE, "--yes", **settings)
        wait_until(lambda: len(api.accepted) > 2, "some have it")
        stage.stop(running, signal.SIGINT)
    assert stage.status("2026-11-20", **settings)["state"] == "paused"
    stage.run("manage", "migrate", "mailer", "0003_archive", "-v0", **settings)  # as the version before left it
    api.latency = 0.0

    stage.run("manage", "migrate", "-v0", **settings)
    assert stage.ask("SELECT name, fingerprint FROM mailer_provideraccount JOIN mailer_accountkey ON true") == [
        ["main", fingerprint(api.key)]
    ]
    with stage.workers(1, **settings):
        stage.run("resume", "2026-11-20", **settings)
    assert times_mailed(api) == Counter(readers)
