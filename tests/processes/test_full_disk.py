"""A real full disk: every writer says so, leaves nothing half done, and continues once there is space."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.stage import Stage, wait_until
from tests.processes.starving import Disk, why_no_disk
from tests.stand_in import StandIn

pytestmark = pytest.mark.slow


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Create a separate small disk, which only root can do."""
    if why := why_no_disk():
        pytest.skip(why)
    disk = Disk(tmp_path / "disk")
    yield disk
    disk.close()


@pytest.fixture
def on_disk(embedded: Stage, disk: Disk) -> Stage:
    """Return an installation whose home is on that disk."""
    embedded.settings = {"MAILER_HOME": str(disk.folder / "home")}
    return embedded


def test_an_answer_that_finds_no_room_is_written_when_there_is_some(
    on_disk: Stage, disk: Disk, api: StandIn, for_real: dict[str, str]
):
    on_disk.settings |= {**for_real, "MAILER_BATCH_SIZE": "5", "MAILER_LANES": "2"}
    on_disk.import_readers({"active": 100})
    api.latency = 0.3
    sending = on_disk.start("send", "issue", "issues/2026-11-20.md", "--yes")
    wait_until(lambda: len(api.accepted) >= 2, "the send is under way")
    disk.fill()
    wait_until(lambda: "will retry" in on_disk.logs() or "failed" in on_disk.logs(), "the full disk was met")
    disk.make_room()
    sending.wait(120)
    on_disk.run("resume", "2026-11-20", expect=None)  # where the command itself found no room
    result = on_disk.status("2026-11-20")
    assert len(api.recipients) == len({reader["email"] for reader in api.recipients})
    assert len(api.recipients) + result["unknown"] >= 100 == result["planned"]
    assert result["accepted"] + result["unknown"] == 100
    assert "Traceback" not in on_disk.logs()


def test_a_worker_that_starts_on_a_full_disk_claims_nothing(
    distributed: Stage, disk: Disk, api: StandIn, for_real: dict[str, str]
):
    home = disk.folder / "home"
    distributed.settings = {**for_real, "MAILER_BATCH_SIZE": "5", "MAILER_LANES": "4"}
    distributed.settings_of["worker0"] = {"MAILER_HOME": str(home)}
    distributed.import_readers({"active": 60})
    worker = distributed.start("worker", home="worker0")
    wait_until(distributed.swept, "a worker has swept")
    distributed.stop(worker)
    distributed.run("send", "issue", "issues/2026-11-20.md", "--yes", "--detach")
    api.latency = 1
    disk.fill()
    for _ in range(2):  # as a supervisor would
        refused = distributed.run("worker", home="worker0", expect=1)
        assert f"MAILER_HOME is {home}, which is not writable (No space left on device)" in refused.err
    assert not api.requests
    disk.make_room()
    distributed.start("worker", home="worker0")
    wait_until(distributed.finished, "the send is finished")
    assert len(api.recipients) == len({reader["email"] for reader in api.recipients}) == 60
    assert distributed.status("2026-11-20")["unknown"] == 0


def test_commands_say_that_the_disk_of_the_database_is_full(on_disk: Stage, disk: Disk):
    on_disk.import_readers({"active": 20})
    disk.fill()
    refused = on_disk.run("subscribers", "add", "ada@readers.example", expect=1)
    assert "the disk of the database" in refused.err
    assert "free some space" in refused.err
    disk.make_room()
    on_disk.run("subscribers", "add", "ada@readers.example")


def test_the_doctor_names_a_full_disk_and_takes_nothing_else_for_it(distributed: Stage, disk: Disk):
    home = disk.folder / "home"
    distributed.settings = {"MAILER_HOME": str(home)}
    distributed.run("status")
    disk.fill()
    found = {check["name"]: check for check in distributed.run("doctor", "--json", expect=1).json()}
    assert found["disk"]["state"] == "error"
    assert found["disk"]["words"].startswith(f"full: {home};")
    assert found["leavings"]["state"] == "ok"
    assert not (home / "home-id").exists()


def test_files_that_find_no_room_are_not_left_half_written(embedded: Stage, disk: Disk):
    readers = embedded.import_readers({"active": 2000})["active"]
    exported, rejected = disk.folder / "readers.csv", disk.folder / "rejected.csv"
    bad = embedded.folder / "bad.csv"
    bad.write_text("email\nnew@readers.example\n" + "not an address\n" * 2000)
    importing = ("subscribers", "import", str(bad), "--state", "active", "--yes", "--rejected", str(rejected))
    disk.fill()
    failed = embedded.run("subscribers", "export", "-o", str(exported), expect=1)
    assert "No space left on device; free some space" in failed.err
    assert "nothing was imported" in embedded.run(*importing, expect=None).err
    failed = embedded.run("backup", str(disk.folder / "backup.sqlite3"), expect=1)
    assert "was not backed up" in failed.err
    assert {path.name for path in disk.folder.iterdir()} == {"ballast"}
    disk.make_room()
    embedded.run("subscribers", "export", "-o", str(exported))
    embedded.run(*importing, expect=None)
    assert len(exported.read_text().splitlines()) == len(readers) + 1
    assert len(rejected.read_text().splitlines()) == 2001


def test_a_newsletter_that_was_begun_on_a_full_disk_is_begun_anew(on_disk: Stage, disk: Disk, tmp_path: Path):
    fresh = disk.folder / "fresh"
    fresh.mkdir()
    disk.fill()
    on_disk.folder = fresh
    failed = on_disk.run("init", expect=1, MAILER_HOME="")
    assert "free some space" in failed.err
    disk.make_room()
    assert all(path.stat().st_size for path in fresh.rglob("*") if path.is_file()), "no half file is kept"
    on_disk.run("init", MAILER_HOME="")
    shutil.rmtree(fresh)


def test_a_site_that_finds_no_room_keeps_whole_pages(embedded: Stage, disk: Disk):
    site = disk.folder / "site"
    embedded.run("archive", "import", "issues", "--yes")
    embedded.run("archive", "build", str(site))
    assert (site / "2026-11-20" / "index.html").exists()
    before = {path: path.read_bytes() for path in site.rglob("*.html")}
    toml = embedded.folder / "newsletter.toml"
    toml.write_text(toml.read_text().replace("嵌入式周报", "Embedded Weekly"))
    disk.fill()
    failed = embedded.run("archive", "build", str(site), expect=1)
    assert "No space left on device; free some space and run the command again" in failed.err
    assert before == {path: path.read_bytes() for path in site.rglob("*.html")}
    disk.make_room()
    embedded.run("archive", "build", str(site))
    assert "Embedded Weekly" in (site / "index.html").read_text()
