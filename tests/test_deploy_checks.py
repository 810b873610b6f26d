"""The hook and the CI templates of deploy/check, run as git, GitHub and GitLab run them, in real repositories."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests import installed
from tests.environment import clean
from tests.installed import ROOT

CHECK = ROOT / "deploy" / "check"
GOOD = "---\npreheader: Boards for everybody, small and cheap.\n---\n# Boards\n\nA board for everybody.\n"
BAD = "# Boards\n\n![A board](nowhere.png)\n"
NEWSLETTER = '[newsletters.weekly]\nname = "The Weekly"\nfrom_email = "editor@news.example.org"\n'


class Repository:
    """A newsletter's repository, with an old issue that nobody corrects any more."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "-q", "-b", "main")
        self.write("newsletter.toml", NEWSLETTER)
        self.write("issues/2019-06-29.md", BAD)
        self.git("add", ".")
        self.git("commit", "-q", "-m", "First", "--no-verify")

    @property
    def environment(self) -> dict[str, str]:
        who = {"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@readers.example"}
        who |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in who.items()}
        nobodys = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        ours = {name: value for name, value in clean(dict(os.environ)).items() if not name.startswith("GIT_")}
        return ours | who | nobodys | {"PATH": f"{installed.mailer().parent}:{os.environ['PATH']}"}

    def git(self, *arguments: str, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
        return self.run(["git", *arguments], expect)

    def run(self, command: list[str], expect: int | None = 0, **settings: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment | settings, capture_output=True, text=True, check=False
        )
        assert expect is None or done.returncode == expect, done.stdout + done.stderr
        return done

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)

    def commit(self, name: str, text: str) -> str:
        """Commit this file without a hook; return the commit before."""
        before = self.git("rev-parse", "HEAD").stdout.strip()
        self.write(name, text)
        self.git("add", ".")
        self.git("commit", "-q", "-m", "More", "--no-verify")
        return before


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "newsletter")


@pytest.fixture
def hooked(repository: Repository) -> Repository:
    hook = repository.folder / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_bytes((CHECK / "pre-commit").read_bytes())
    hook.chmod(0o755)
    return repository


def test_a_commit_with_an_error_is_stopped_and_names_the_line(hooked):
    hooked.write("issues/2026-11-20 boards.md", BAD)
    hooked.git("add", ".")
    stopped = hooked.git("commit", "-m", "An issue", expect=1)
    assert "issues/2026-11-20 boards.md:3:1 error image-missing" in stopped.stdout + stopped.stderr


def test_what_is_staged_counts_and_not_what_lies_in_the_folder(hooked):
    hooked.write("issues/2026-11-20.md", GOOD)
    hooked.git("add", ".")
    hooked.write("issues/2026-11-20.md", BAD)
    hooked.git("commit", "-m", "A good issue")
    hooked.git("add", ".")
    hooked.write("issues/2026-11-20.md", GOOD)
    hooked.git("commit", "-m", "A bad one", expect=1)


def test_a_commit_without_issues_is_not_checked(hooked):
    hooked.write("README.md", BAD)
    hooked.git("add", ".")
    hooked.git("commit", "-m", "A README")


@pytest.mark.slow
def test_issues_may_lie_elsewhere(hooked):
    hooked.git("config", "mailer.issues", "weekly/letters")
    hooked.write("weekly/newsletter.toml", NEWSLETTER)
    hooked.write("weekly/letters/2026-11-20.md", BAD)
    hooked.git("add", ".")
    stopped = hooked.git("commit", "-m", "A letter", expect=1)
    assert "weekly/letters/2026-11-20.md:3:1 error image-missing" in stopped.stdout + stopped.stderr


def github(repository: Repository, before: str, expect: int | None) -> subprocess.CompletedProcess[str]:
    (job,) = yaml.safe_load((CHECK / "github.yml").read_text())["jobs"].values()
    step = job["steps"][-1]
    # As GitHub runs a step: docs.github.com, "Workflow syntax", `shell`.
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    return repository.run(command, expect, **step["env"] | {"BEFORE": before})


def gitlab(repository: Repository, before: str, expect: int | None) -> subprocess.CompletedProcess[str]:
    job = yaml.safe_load((CHECK / "gitlab.yml").read_text())["check-issues"]
    script = "\n".join(job["script"][1:])
    settings = {name: value for name, value in job["variables"].items() if name == "ISSUES"}
    return repository.run(["bash", "-eo", "pipefail", "-c", script], expect, **settings, CI_COMMIT_BEFORE_SHA=before)


@pytest.mark.parametrize(
    ("run", "place"), [(github, "::error file=issues/next.md,line=3"), (gitlab, "issues/next.md:3:1")]
)
def test_a_pipeline_fails_for_an_error_in_what_changed_and_shows_its_line(repository, run, place):
    before = repository.commit("issues/next.md", BAD)
    failed = run(repository, before, None)
    assert failed.returncode != 0
    assert place in failed.stdout
    assert "2019-06-29" not in failed.stdout


@pytest.mark.parametrize("run", [github, gitlab])
def test_a_pipeline_passes_for_a_good_issue_and_for_none(repository, run):
    before = repository.commit("issues/next.md", GOOD)
    run(repository, before, 0)
    run(repository, repository.commit("README.md", "Hello.\n"), 0)


@pytest.mark.slow
@pytest.mark.parametrize("run", [github, gitlab])
def test_a_new_branch_has_everything_checked(repository, run):
    failed = run(repository, "0" * 40, None)
    assert failed.returncode != 0
    assert "2019-06-29" in failed.stdout


@pytest.mark.parametrize(("name", "schema"), [("github.yml", "github-workflows"), ("gitlab.yml", "gitlab-ci")])
def test_a_template_keeps_to_the_schema_of_its_service(name, schema):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(CHECK / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_actions_are_those_of_this_repository_pinned_by_commit():
    used = {
        step["uses"]
        for step in yaml.safe_load((CHECK / "github.yml").read_text())["jobs"]["check"]["steps"]
        if "uses" in step
    }
    assert all(action in (ROOT / ".github" / "workflows" / "test.yml").read_text() for action in used)
