"""`mailer archive build`, as an editor types it."""

import json
from pathlib import Path

import pytest

from mailer.models import Send
from mailer.publishing.preparing import prepare
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
