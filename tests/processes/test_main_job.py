"""An issue reaches its confirmed subscribers: the whole way, with real processes."""

import json
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.processes.stage import PATIENCE, Stage, wait_until
from tests.stand_in import StandIn

SEED = Path(__file__).resolve().parents[3] / "shared" / "issues" / "awesome-embedded-ai"
ISSUE = "issues/2026-11-20.md"


def addresses(api: StandIn) -> list[str]:
    return [reader["email"] for request in api.accepted for reader in request["recipients"]]


def test_each_confirmed_reader_gets_one_mail_and_nobody_else_does(stage: Stage, api: StandIn, for_real):
    readers = stage.import_readers({"active": 2500, "pending": 7, "unsubscribed": 5})
    suppressed = readers["active"].pop()
    stage.run("subscribers", "suppress", suppressed, "--reason", "asked by letter")

    with stage.workers(**for_real):
        receipt = stage.send(ISSUE, **for_real)

    assert sorted(addresses(api)) == sorted(readers["active"])
    assert len(api.accepted) == 3
    assert receipt["state"] == "finished"
    assert (receipt["planned"], receipt["accepted"], receipt["unknown"]) == (2499, 2499, 0)
    urls = {reader["header"] for request in api.accepted for reader in request["recipients"]}
    assert len(urls) == 2499
    assert all(url.startswith("<https://news.example.com/unsubscribe/") for url in urls)


@pytest.mark.slow
def test_a_rehearsal_before_and_a_second_run_after_change_nothing(stage: Stage, api: StandIn, for_real):
    readers = stage.import_readers({"active": 30})
    with stage.workers():
        rehearsal = stage.send(ISSUE)
    assert rehearsal["provider"] == "rehearsal"
    assert api.requests == []

    with stage.workers(**for_real):
        stage.send(ISSUE, **for_real)
        assert sorted(addresses(api)) == sorted(readers["active"])
        made = len(api.requests)
        again = stage.send(ISSUE, **for_real)

    assert again["state"] == "finished"
    assert len(api.requests) == made


@pytest.mark.slow
def test_a_worker_without_a_key_leaves_real_batches_alone(distributed: Stage, api: StandIn, for_real):
    distributed.import_readers({"active": 5})
    keyless = distributed.start("worker", home="keyless")
    wait_until(distributed.swept, "the worker without a key has swept")
    distributed.run("send", "issue", ISSUE, "--yes", "--detach", **for_real)
    time.sleep(7)  # a sweep and its hints
    assert distributed.status("2026-11-20")["waiting"] == 5
    distributed.stop(keyless)

    with distributed.workers(1, **for_real):
        wait_until(distributed.finished, "the send is finished")
    assert len(addresses(api)) == 5


def test_killed_in_the_middle_nobody_gets_it_twice_and_the_rest_is_settled(embedded: Stage, api: StandIn, for_real):
    readers = embedded.import_readers({"active": 400})
    api.latency = 0.1
    settings = for_real | {"MAILER_BATCH_SIZE": "20", "MAILER_LANES": "2"}
    running = embedded.start("send", "issue", ISSUE, "--yes", **settings)
    wait_until(lambda: len(api.accepted) >= 3, "three requests were accepted")
    # Of the two requests in flight when it dies one was accepted, and nobody but the provider knows.
    api.fail("hang after accepting", seconds=120)
    api.fail("hang before accepting", seconds=120)
    wait_until(lambda: not api.faults, "both slots wait for an answer")
    embedded.stop(running, signal.SIGKILL)

    receipt = embedded.send(ISSUE, expect=5, **settings)

    assert len(addresses(api)) == len(set(addresses(api))) == 380
    assert receipt["state"] == "finished"
    assert (receipt["accepted"], receipt["unknown"]) == (360, 40)
    assert embedded.run("reconcile", "2026-11-20", expect=5).out.count("20 subscribers") == 2

    embedded.run("reconcile", "2026-11-20", "--resend", "--yes", expect=4, **settings)
    assert len(addresses(api)) == 380, "a yes says nothing of how many would have it twice"
    accepted = ("--resend", "--accept-duplicates", "40")
    settled = embedded.run("reconcile", "2026-11-20", *accepted, "--json", **settings).json()
    assert (settled["accepted"], settled["unknown"]) == (400, 0)
    assert set(addresses(api)) == set(readers["active"])
    assert settled["possibly_twice"] == 40, "the editor asked for it, and is told whom it may concern"


@pytest.mark.slow
def test_a_killed_worker_is_replaced_by_the_others(distributed: Stage, api: StandIn, for_real):
    readers = distributed.import_readers({"active": 300})
    api.latency = 0.3
    settings = for_real | {"MAILER_BATCH_SIZE": "10", "MAILER_LANES": "2"}
    first = distributed.start("worker", home="shared", **settings)
    with distributed.workers(1, **settings):
        survivor = distributed.start("worker", home="shared", **settings)
        time.sleep(2)
        running = distributed.start("send", "issue", ISSUE, "--yes", **settings)
        wait_until(lambda: len(api.accepted) >= 5, "five requests were accepted")
        distributed.stop(first, signal.SIGKILL)
        running.wait(PATIENCE)
        receipt = distributed.status("2026-11-20")
        distributed.stop(survivor)

    assert receipt["state"] == "finished"
    assert len(addresses(api)) == len(set(addresses(api)))
    assert receipt["accepted"] + receipt["unknown"] == 300
    missing = set(readers["active"]) - set(addresses(api))
    assert len(missing) <= receipt["unknown"] <= 20


def test_ctrl_c_pauses_and_the_same_command_goes_on(embedded: Stage, api: StandIn, for_real):
    readers = embedded.import_readers({"active": 200})
    api.latency = 0.3
    settings = for_real | {"MAILER_BATCH_SIZE": "10", "MAILER_LANES": "1"}
    running = embedded.start("send", "issue", ISSUE, "--yes", **settings)
    wait_until(lambda: len(api.accepted) >= 2, "two requests were accepted")
    embedded.stop(running, signal.SIGINT)

    paused = embedded.status("2026-11-20")
    made = len(api.requests)
    time.sleep(1)
    assert (paused["state"], paused["unknown"]) == ("paused", 0)
    assert len(api.requests) == made, "no request starts after the command returned"
    assert running.returncode == 1

    api.latency = 0
    embedded.send(ISSUE, **settings)
    assert sorted(addresses(api)) == sorted(readers["active"])


def test_sigterm_lets_requests_finish_and_the_printed_result_is_the_last_word(embedded: Stage, api: StandIn, for_real):
    readers = embedded.import_readers({"active": 200})
    api.latency = 0.3
    settings = for_real | {"MAILER_BATCH_SIZE": "10", "MAILER_LANES": "2"}
    running = embedded.start("send", "issue", ISSUE, "--yes", "--json", **settings)
    wait_until(lambda: len(api.accepted) >= 2, "two requests were accepted")
    embedded.stop(running, signal.SIGTERM)

    printed = json.loads([line for line in embedded.logs().splitlines() if line.startswith("{")][-1])
    assert (printed["state"], printed["unknown"]) == ("sending", 0)
    assert printed["accepted"] == len(addresses(api)) < 200

    api.latency = 0
    embedded.send(ISSUE, **settings)
    assert sorted(addresses(api)) == sorted(readers["active"])


@pytest.mark.slow
def test_a_schedule_fires_while_the_command_waits(embedded: Stage, api: StandIn, for_real):
    embedded.import_readers({"active": 3})
    receipt = embedded.run("send", "issue", ISSUE, "--at", "+3s", "--yes", "--json", **for_real).json()
    assert (receipt["state"], receipt["accepted"]) == ("finished", 3)
    assert receipt["at"] < receipt["first_request_at"]


@pytest.mark.slow
def test_what_an_editor_assumes_is_shown_apart(embedded: Stage, api: StandIn, for_real):
    embedded.import_readers({"active": 20})
    api.fail("error after accepting")
    assert embedded.send(ISSUE, expect=5, **for_real)["unknown"] == 20
    shown = embedded.run("reconcile", "2026-11-20", "--assume-sent", "--yes", **for_real)
    assert "20 of the accepted count as sent on your responsibility" in shown.out
    assert embedded.status("2026-11-20")["assumed"] == 20


@pytest.mark.slow
def test_twenty_editors_at_once_make_one_send(stage: Stage, api: StandIn, for_real):
    readers = stage.import_readers({"active": 50})
    with stage.workers(1, **for_real):
        running = [stage.start("send", "issue", ISSUE, "--yes", home=f"editor{n}", **for_real) for n in range(6)]
        codes = [process.wait(PATIENCE) for process in running]
    # On SQLite each home is another database: the same home is what two terminals of one laptop share.
    if stage.distributed:
        assert codes == [0] * 6, stage.logs()
        assert sorted(addresses(api)) == sorted(readers["active"])


@pytest.mark.skipif(not SEED.is_dir(), reason="the archive of real issues (../shared/issues) is not here")
def test_the_real_newsletter_reaches_its_readers(embedded: Stage, api: StandIn, for_real, tmp_path: Path):
    embedded.folder = Path(shutil.copytree(SEED, tmp_path / "embedded-ai"))
    readers = embedded.import_readers({"active": 2500, "pending": 3, "unsubscribed": 2})
    issue = "embedded-ai-report/2019-06-29.md"

    rehearsal = embedded.send(issue)
    assert rehearsal["provider"] == "rehearsal"
    receipt = embedded.run("send", "issue", issue, "--yes", "--old-date", "--json", **for_real).json()

    assert sorted(addresses(api)) == sorted(readers["active"])
    assert len(api.accepted) == 3
    assert receipt["subject"] == "嵌入式AI简报 (2019-06-29)"
    content = json.dumps(api.accepted[0]["content"], ensure_ascii=False)
    assert "树莓派4正式上线" in content
    before = len(api.requests)
    assert embedded.send(issue, **for_real)["state"] == "finished"
    assert len(api.requests) == before
