"""The disaster: the database is lost during a send, and an older backup is restored."""

import shutil
import signal
from pathlib import Path

import pytest

from tests.processes.stage import Stage, wait_until
from tests.processes.test_readers_walk import post, serve
from tests.stand_in import StandIn

ISSUE = "issues/2026-11-20.md"


def put_back(backup: Path, database: Path) -> None:
    """Restore as docs/hosting.md says: the log beside the database belongs to the lost one."""
    for suffix in ("", "-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    shutil.copy(backup, database)


@pytest.mark.slow
def test_a_backup_put_back_in_the_middle_of_a_send_mails_nobody_twice_and_brings_nobody_back(
    embedded: Stage, api: StandIn, for_real, tmp_path: Path
):
    readers = embedded.import_readers({"active": 200})["active"]
    web = serve(embedded, home="editor")
    settings = for_real | {"BASE_URL": web}
    slowly = settings | {"MAILER_BATCH_SIZE": "2", "MAILER_LANES": "1"}
    api.latency = 0.4  # 40 s for all, of which a few are needed
    sending = embedded.start("send", "issue", ISSUE, "--yes", **slowly)
    wait_until(lambda: len(api.accepted) >= 2, "two requests were accepted")
    backup = tmp_path / "backup.sqlite3"
    embedded.run("backup", str(backup))
    known = len(api.accepted)
    wait_until(lambda: len(api.accepted) >= known + 3, "more was sent than the backup knows")
    leaver = api.recipients[0]["email"]
    assert post(api.recipients[0]["header"].strip("<>"), {"List-Unsubscribe": "One-Click"}) == 200
    for process in embedded._processes:
        embedded.stop(process, signal.SIGKILL)
    assert sending.returncode is not None

    put_back(backup, tmp_path / "home-editor" / "mailer.sqlite3")
    made = len(api.accepted)
    worker = embedded.start("worker", home="editor", **settings)
    wait_until(lambda: "`mailer doctor --adopt` accepts" in embedded.logs(), "the worker says why it does not send")
    embedded.stop(worker)
    assert len(api.accepted) <= made + 1, "nothing but the request that was in flight"

    adopted = embedded.run("doctor", "--adopt", **settings)
    assert "Unsubscribed again: 1 subscriber;" in adopted.out
    assert "Paused: 2026-11-20" in adopted.out

    made, api.latency = len(api.accepted), 0
    embedded.send("issues/2026-11-27.md", **settings)
    mailed = [reader["email"] for request in api.accepted[:made] for reader in request["recipients"]]
    assert len(mailed) == len(set(mailed)) < len(readers)
    (next_issue,) = api.accepted[made:]
    assert {reader["email"] for reader in next_issue["recipients"]} == set(readers) - {leaver}
