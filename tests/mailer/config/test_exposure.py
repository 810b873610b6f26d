"""A key that git offers to others is said before somebody takes it."""

import subprocess
from pathlib import Path

import pytest

from mailer.config.exposure import why_exposed


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Create a repository with a `.env` in a folder below its root."""
    git(tmp_path, "init", "-q")
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / ".env").write_text("SECRET_KEY=x\n")
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


def test_a_file_that_is_neither_ignored_nor_tracked_may_be_committed_next(repository):
    assert "is not ignored by git" in why_exposed(repository / "letters")


@pytest.mark.parametrize("where", [".gitignore", "letters/.gitignore", ".git/info/exclude"])
def test_an_ignored_file_is_fine_wherever_git_is_told(repository, where):
    (repository / where).write_text(".env\n")
    assert why_exposed(repository / "letters") == ""


def test_a_tracked_file_is_exposed_although_it_is_ignored(repository):
    git(repository, "add", "letters/.env")
    (repository / ".gitignore").write_text(".env\n")
    assert "is tracked by git" in why_exposed(repository / "letters")


def test_the_repository_of_a_hook_is_not_taken_for_the_newsletters(repository, monkeypatch, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    git(other, "init", "-q")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    (repository / ".gitignore").write_text(".env\n")
    assert why_exposed(repository / "letters") == ""


def test_without_repository_file_or_git_there_is_nothing_to_say(tmp_path, monkeypatch):
    assert why_exposed(tmp_path) == ""
    (tmp_path / ".env").touch()
    assert why_exposed(tmp_path) == ""
    git(tmp_path, "init", "-q")
    monkeypatch.setenv("PATH", "")
    assert why_exposed(tmp_path) == ""
