"""A file is corrected completely or not at all, and keeps its encoding, line ends and permissions."""

import pytest

from mailer.checks import fetching
from mailer.checks.fetching import Answer
from mailer.publishing.errors import RunAgain
from mailer.publishing.fixing import propose, write

FILE = b"\xef\xbb\xbf---\r\ntitle: Boards\r\n---\r\n\r\n##News\r\nText:\n- one\r- two"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "issue.md"
    path.write_bytes(FILE)
    return path


def test_mark_line_ends_permissions_and_all_other_lines_stay(file):
    file.chmod(0o640)
    write(propose(file))
    assert file.read_bytes() == FILE.replace(b"##News", b"## News").replace(b"Text:\n", b"Text:\n\n")
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in file.parent.iterdir()] == ["issue.md"]
    assert not propose(file).changes


def test_a_file_that_changed_meanwhile_is_left_as_it_is(file):
    proposed = propose(file)
    file.write_bytes(b"# Another\n")
    with pytest.raises(RunAgain, match="changed meanwhile"):
        write(proposed)
    assert file.read_bytes() == b"# Another\n"
    assert [path.name for path in file.parent.iterdir()] == ["issue.md"]


def test_a_file_that_may_not_be_written_is_left_as_it_is(file, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(PermissionError, match=r"issue\.md"):
        write(propose(file))
    assert file.read_bytes() == FILE


def test_a_link_to_a_file_stays_a_link(file):
    link = file.with_name("link.md")
    link.symlink_to(file)
    write(propose(link))
    assert link.is_symlink()
    assert b"## News" in file.read_bytes()


@pytest.mark.parametrize("content", [b"\xff\xfe#\x00", b"---\nx: [a\n---\n##b\n", b"# A\n\n" + b"> " * 60 + b"x"])
def test_a_file_that_is_no_issue_is_for_the_check_to_judge(file, content):
    file.write_bytes(content)
    assert propose(file) is None


def test_only_sites_that_answer_are_written_with_https(file, monkeypatch):
    file.write_bytes(
        b"# Boards\n\n[A](http://a.example/#x) [B](http://b.example/) [C](http://c.example/) [D](http://d.example/)\n"
    )
    answers = {
        "https://a.example/": Answer(200),
        "https://b.example/": Answer(404),
        "https://c.example/": Answer(0, "refused"),
        "https://d.example/": Answer(200, "", "http://d.example/home"),
    }
    asked: list[int] = []
    monkeypatch.setattr(fetching, "fetch", lambda addresses: {one: answers[one] for one in addresses})
    assert (propose(file).changes, propose(file).unasked) == (False, 4)
    proposed = propose(file, asked.append)
    assert proposed.after == file.read_bytes().replace(b"http://a.", b"https://a.")
    assert (asked, proposed.unasked) == ([4], 0)
