"""`mailer archive build`, as an editor types it."""

import json
import os
import shutil
from datetime import date
from pathlib import Path

import pytest

from mailer.models import Alias, Send
from mailer.publishing.issue_files import Found, find_files
from mailer.publishing.preparing import prepare
from subscribers import shared_files
from tests.mailer.archived import archived
from tests.mailer.published import published

pytestmark = pytest.mark.django_db(transaction=True)
WEEKLY = ("--newsletter", "weekly")


ISSUE = "---\npreheader: Boards\n---\n# The Weekly 2026-11-20\n\nA board for everybody.\n"


@pytest.fixture
def file(issue, tmp_path, settings) -> Path:
    settings.CONFIG_FOLDER = tmp_path
    path: Path = issue(ISSUE)
    return path


@pytest.fixture
def sent(run, file, installation) -> Send:
    """Send the issue whose file is there."""
    return published(source_sha256=prepare(file, "weekly").rendered.source_sha256, language="en")


@pytest.mark.usefixtures("sent")
def test_it_writes_what_changed_and_removes_what_is_not_there_any_more(run, tmp_path):
    published("2026-11-13")
    out = tmp_path / "out"
    first = run("archive", "build", str(out), *WEEKLY)
    assert first.code == 0
    assert "2 issues of weekly" in first.out
    assert (out / "2026-11-20" / "index.md").read_bytes().startswith(b"---\n")
    assert "1 issue without Markdown" in first.err
    run("archive", "remove", "2026-11-13", *WEEKLY, "--yes")
    facts = json.loads(run("archive", "build", str(out), *WEEKLY, "--json").out)
    assert (facts["issues"], facts["without_markdown"]) == (1, [])
    assert not (out / "2026-11-13").exists()
    assert (out / "2026-11-20" / "index.html").exists()
    assert 0 < facts["changed"] < facts["files"]
    again = json.loads(run("archive", "build", str(out), *WEEKLY, "--json").out)
    assert again["changed"] == 0


@pytest.mark.usefixtures("sent")
def test_a_file_that_was_changed_after_it_was_sent_is_not_published(run, file, tmp_path):
    file.write_text(f"{ISSUE}\nA secret.\n")
    ran = run("archive", "build", str(tmp_path / "out"), *WEEKLY)
    assert not (tmp_path / "out" / "2026-11-20" / "index.md").exists()
    assert "2026-11-20" in ran.err


@pytest.mark.usefixtures("sent")
def test_a_folder_with_something_else_is_refused(run, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    ran = run("archive", "build", str(tmp_path), *WEEKLY)
    assert (ran.code, "an empty folder" in ran.err) == (2, True)
    assert [path.name for path in tmp_path.glob("index.html")] == []


@pytest.mark.usefixtures("sent")
def test_a_repository_of_pages_keeps_what_belongs_to_its_host(run, tmp_path):
    out = tmp_path / "out"
    (out / ".git").mkdir(parents=True)
    (out / "CNAME").write_text("news.example.com")
    assert run("archive", "build", str(out), *WEEKLY).code == 0
    assert (out / "CNAME").read_text() == "news.example.com"


@pytest.mark.parametrize(
    "address", ["ada.example", "ftp://ada.example", "https://", "https://a.example/?x", "http://["]
)
@pytest.mark.usefixtures("sent")
def test_a_base_url_that_is_none_is_bad_usage(run, tmp_path, address):
    ran = run("archive", "build", str(tmp_path / "out"), "--base-url", address, *WEEKLY)
    assert (ran.code, "--base-url" in ran.err) == (2, True)


@pytest.mark.usefixtures("sent")
def test_a_folder_that_cannot_be_written_is_named(run, tmp_path):
    (tmp_path / "file").write_text("")
    ran = run("archive", "build", str(tmp_path / "file" / "out"), *WEEKLY)
    assert ran.code in (1, 2)
    assert str(tmp_path / "file") in ran.err


@pytest.mark.usefixtures("sent")
def test_a_build_that_was_killed_leaves_nothing_that_the_next_one_does_not_know(run, tmp_path, monkeypatch):
    published("2026-11-13")
    out, put = tmp_path / "out", os.replace

    def killed(half: Path, path: Path) -> None:
        if path.name == "sitemap.xml":
            raise KeyboardInterrupt
        put(half, path)

    monkeypatch.setattr(os, "replace", killed)
    run("archive", "build", str(out), *WEEKLY)
    monkeypatch.undo()
    assert (out / "2026-11-13" / "index.html").exists()
    run("archive", "remove", "2026-11-13", *WEEKLY, "--yes")
    assert run("archive", "build", str(out), *WEEKLY).code == 0
    assert not (out / "2026-11-13").exists()


@pytest.mark.usefixtures("sent")
def test_a_list_that_was_cut_short_names_what_is_there(run, tmp_path):
    out = tmp_path / "out"
    run("archive", "build", str(out), *WEEKLY)
    with (out / ".mailer-archive").open("a") as listing:
        listing.write("2026-11-20\nindex.html/of-former-times\nmed")
    assert run("archive", "build", str(out), *WEEKLY).code == 0
    assert (out / "2026-11-20" / "index.html").exists()


@pytest.mark.usefixtures("sent")
def test_a_list_that_lost_power_while_it_was_written_is_written_anew(run, tmp_path):
    out = tmp_path / "out"
    run("archive", "build", str(out), *WEEKLY)
    written = (out / ".mailer-archive").read_bytes()
    (out / ".mailer-archive").write_bytes(written[:20] + bytes(len(written) - 20))
    assert run("archive", "build", str(out), *WEEKLY).code == 0
    assert (out / ".mailer-archive").read_bytes() == written


@pytest.mark.usefixtures("sent")
def test_a_build_that_could_not_even_write_its_list_is_begun_anew(run, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / ".mailer-archive.new").write_text("ind")
    assert run("archive", "build", str(out), *WEEKLY).code == 0


@pytest.mark.usefixtures("sent")
def test_two_builds_at_once_do_not_mix(run, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    other = os.open(out, os.O_RDONLY)
    assert shared_files.try_lock(other)
    ran = run("archive", "build", str(out), *WEEKLY)
    assert (ran.code, f"another command is writing to {out}" in ran.err) == (1, True)
    assert list(out.iterdir()) == []
    os.close(other)
    assert run("archive", "build", str(out), *WEEKLY).code == 0


@pytest.mark.usefixtures("sent")
def test_a_folder_that_somebody_removed_by_hand_is_no_obstacle(run, tmp_path):
    published("2026-11-13")
    out = tmp_path / "out"
    run("archive", "build", str(out), *WEEKLY)
    shutil.rmtree(out / "2026-11-13")
    run("archive", "remove", "2026-11-13", *WEEKLY, "--yes")
    assert run("archive", "build", str(out), *WEEKLY).code == 0


def test_an_issue_may_have_the_name_of_a_former_address_and_the_other_way_round(run, tmp_path, installation):
    archived("2019-06-29")
    alias = Alias.objects.create(newsletter="weekly", name="/old.html", slug="2019-06-29")
    out = tmp_path / "out"
    assert run("archive", "build", str(out), *WEEKLY).code == 0
    assert (out / "old.html").is_file()
    alias.delete()
    issue = archived("old.html", day=date(2019, 7, 1))
    assert run("archive", "build", str(out), *WEEKLY).code == 0
    assert (out / "old.html" / "index.html").is_file()
    issue.delete()
    Alias.objects.create(newsletter="weekly", name="/old.html", slug="2019-06-29")
    assert run("archive", "build", str(out), *WEEKLY).code == 0
    assert (out / "old.html").is_file()


@pytest.mark.usefixtures("sent")
def test_nothing_is_written_or_removed_through_a_link_or_outside_the_folder(run, tmp_path):
    out, victim = tmp_path / "out", tmp_path / "victim"
    (victim / "index.html").parent.mkdir()
    (victim / "index.html").write_text("mine")
    (out / ".git").mkdir(parents=True)
    (out / ".git" / "HEAD").write_text("ref")
    (out / ".mailer-archive").write_text(f"{victim}/index.html\n../victim/index.html\n.git/HEAD\n")
    (out / "2026-11-20").symlink_to(victim)
    ran = run("archive", "build", str(out), *WEEKLY)
    assert (ran.code, "symbolic link" in ran.err) == (1, True)
    (out / "2026-11-20").unlink()
    (out / "index.html").unlink(missing_ok=True)
    (out / "index.html").symlink_to(victim / "index.html")
    assert run("archive", "build", str(out), *WEEKLY).code == 0
    assert (victim / "index.html").read_text() == "mine"
    assert (out / ".git" / "HEAD").read_text() == "ref"


@pytest.mark.usefixtures("sent")
def test_copies_in_a_build_are_not_taken_for_issues(run, file, tmp_path):
    out = tmp_path / "site"
    run("archive", "build", str(out), *WEEKLY)
    file.write_text(f"{ISSUE}\nA correction.\n")
    facts = json.loads(run("archive", "build", str(out), *WEEKLY, "--json").out)
    assert facts["without_markdown"] == ["2026-11-20"]
    assert not (out / "2026-11-20" / "index.md").exists()
    assert find_files([tmp_path]) == [Found(file, False)]


@pytest.mark.usefixtures("sent")
def test_a_public_archive_whose_links_to_sign_up_lead_nowhere_is_refused(run, tmp_path):
    ran = run("archive", "build", str(tmp_path / "out"), "--base-url", "https://ada.example/", *WEEKLY)
    assert (ran.code, "set BASE_URL" in ran.err) == (2, True)
    assert not (tmp_path / "out").exists()
    local = run("archive", "build", str(tmp_path / "out"), *WEEKLY)
    assert (local.code, "before you publish this" in local.err) == (0, True)
