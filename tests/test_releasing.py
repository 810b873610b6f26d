"""What a tag publishes: the workflow, the packages, the changelog."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from trove_classifiers import classifiers

import hatch_build
from tests import releasing
from tests.installed import LOCK, ROOT, SOURCES

WORKFLOWS = ROOT / ".github" / "workflows"
WORKFLOW = WORKFLOWS / "release.yml"
CHANGELOG = """\
# Changelog

## Unreleased

## 0.2.0 — 2026-11-28

New.

### Added

- It.

## 0.1.0 — 2026-01-01

Old.
"""


@pytest.fixture(scope="module")
def jobs() -> dict:
    return yaml.safe_load(WORKFLOW.read_text())["jobs"]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return releasing.build(tmp_path_factory.mktemp("dist"))


def test_the_notes_of_a_release_are_its_section_of_the_changelog():
    assert releasing.notes("0.2.0", CHANGELOG) == "New.\n\n### Added\n\n- It."


@pytest.mark.parametrize(
    "changelog",
    ["", "## 0.2.0\n\nNo date.\n", "## 0.2.0 — 2026-11-28\n\n## 0.1.0 — 2026-01-01\n", "## 0x2x0 — 2026-11-28\n\nA.\n"],
)
def test_a_version_without_a_dated_section_is_not_released(changelog):
    with pytest.raises(releasing.NotReleasable, match=r"CHANGELOG\.md"):
        releasing.notes("0.2.0", changelog)


def test_a_tag_that_is_not_the_version_is_not_released():
    releasing.check_tag(f"v{releasing.version()}", CHANGELOG)
    with pytest.raises(releasing.NotReleasable, match="the same"):
        releasing.check_tag("v9.9.9", CHANGELOG)


def test_lines_under_unreleased_are_not_forgotten_by_a_release():
    with pytest.raises(releasing.NotReleasable, match="Unreleased"):
        releasing.check_tag(
            f"v{releasing.version()}", CHANGELOG.replace("## Unreleased\n", "## Unreleased\n\n- More.\n")
        )


def test_the_changelog_has_a_section_of_this_version():
    assert releasing.notes(releasing.version(), releasing.CHANGELOG.read_text())


def test_a_release_names_the_migrations_that_a_later_one_goes_back_to():
    releasing.check_way_back(f"New.\n\n{releasing.newest_migrations()}\n")
    with pytest.raises(releasing.NotReleasable, match=r"write a line `Database: mailer \d{4}, subscribers \d{4}\.`"):
        releasing.check_way_back("Database: mailer 0001, subscribers 0001.")


@pytest.mark.slow
def test_the_sdist_alone_makes_the_same_wheel_as_the_repository(packages, tmp_path):
    releasing._run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path), cwd=ROOT)
    (direct,) = tmp_path.glob("*.whl")
    assert releasing.files(packages[1]) == releasing.files(direct)


def test_the_package_index_would_take_the_packages(packages):
    releasing.judge(*packages)


@pytest.mark.slow
@pytest.mark.parametrize("which", [0, 1], ids=["sdist", "wheel"])
def test_what_is_published_installs_and_rehearses_a_send_from_another_folder(packages, which, tmp_path):
    said = releasing.try_out(packages[which], tmp_path)
    assert said.startswith(f"mailer {releasing.version()}\n")
    assert "accepted" in said


@pytest.mark.slow
def test_the_sbom_names_every_package_of_the_lock_file_with_its_hashes(tmp_path):
    told = json.loads(releasing.sbom(tmp_path).read_text())
    assert (told["bomFormat"], told["metadata"]["component"]["version"]) == ("CycloneDX", releasing.version())
    locked = dict(re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==([\w.]+)", LOCK.read_text(), re.M))
    assert locked["django"]
    assert {one["name"]: one["version"] for one in told["components"]} == locked
    assert all(one["externalReferences"][0]["hashes"] for one in told["components"])


@pytest.mark.slow
def test_a_release_carries_its_lock_file_and_its_sbom(jobs, tmp_path):
    (create,) = (step["run"] for step in jobs["notes"]["steps"] if "gh release create" in step.get("run", ""))
    for file in (LOCK, releasing.sbom(tmp_path)):
        assert f"notes/{file.name}" in create.split()


def test_links_of_the_readme_work_on_the_package_index():
    linked = hatch_build.linked((ROOT / "README.md").read_text(), ("https://git.example/me/mailer", "v0.2.0"))
    assert "](https://git.example/me/mailer/blob/v0.2.0/docs/hosting.md)" in linked
    assert "](https://git.example/me/mailer/raw/v0.2.0/docs/images/sample.png)" in linked
    assert not re.findall(r"\]\((?!https://)[^)]*\)", linked)


def test_a_build_outside_a_workflow_names_no_repository(monkeypatch):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    assert hatch_build.repository() == ("", "")
    assert hatch_build.linked("[a](b.md)", ("", "")) == "[a](b.md)"
    assert hatch_build.urls(("", "")) == {}


def test_each_link_of_the_readme_leads_to_a_file():
    for link in re.findall(r"\]\((?!https?://)([^)#]+)", (ROOT / "README.md").read_text()):
        assert (ROOT / link).exists(), link


def test_each_classifier_is_one():
    found = releasing.project()["classifiers"]
    assert set(found) <= set(classifiers)
    assert found == sorted(found)


@pytest.mark.parametrize("workflow", sorted(WORKFLOWS.iterdir()), ids=lambda path: path.name)
def test_each_action_is_pinned_to_a_commit_and_its_version_is_said(workflow):
    for line in workflow.read_text().splitlines():
        if "uses:" in line:
            assert re.search(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


def test_each_supported_python_is_tested():
    tested = yaml.safe_load((WORKFLOWS / "test.yml").read_text())["jobs"]["test"]["strategy"]["matrix"]["python"]
    named = [name.rpartition(" ")[2] for name in releasing.project()["classifiers"] if ":: Python :: 3." in name]
    assert tested == named
    assert releasing.project()["requires-python"] == f">={tested[0]}"


def test_each_job_may_do_what_it_needs_and_no_more(jobs):
    assert yaml.safe_load(WORKFLOW.read_text())["permissions"] == {}
    assert {name: job["permissions"] for name, job in jobs.items()} == {
        "build": {"contents": "read"},
        "packages": {"id-token": "write"},
        "image": {"contents": "read", "packages": "write", "id-token": "write", "attestations": "write"},
        "notes": {"contents": "write"},
    }


def test_nothing_is_published_that_was_not_checked(jobs):
    def before(name: str) -> set[str]:
        needed = jobs[name].get("needs", [])
        needed = [needed] if isinstance(needed, str) else needed
        return {*needed, *(earlier for one in needed for earlier in before(one))}

    assert all("build" in before(name) for name in jobs if name != "build")
    (check,) = (step for step in jobs["build"]["steps"] if "run" in step)
    assert check == {"run": "make release-check", "env": {"TAG": "${{ github.ref_name }}"}}
    assert "release-check:" in (ROOT / "Makefile").read_text()


def test_no_step_pastes_what_others_wrote_into_a_shell(jobs):
    """Anybody who may push a tag chooses its name, so it reaches scripts through the environment."""
    runs = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert runs
    assert not [run for run in runs if "${{" in run]


def test_the_image_is_built_from_all_that_the_wheel_is(jobs):
    """Otherwise the last step of a release fails, after the packages are published."""
    (push,) = (step["with"] for step in jobs["image"]["steps"] if step.get("id") == "push")
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", (ROOT / push["file"]).read_text(), re.M)
    let_in = (ROOT / ".dockerignore").read_text().splitlines()
    for source in SOURCES:
        assert source in " ".join(copied).split(), source
        assert f"!{source}" in let_in


def test_what_the_package_says_of_its_repository_follows_the_workflow(monkeypatch, tmp_path):
    for name, value in {"SERVER_URL": "https://git.example", "REPOSITORY": "me/mailer", "REF_NAME": "v0.2.0"}.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)
    _, wheel = releasing.build(tmp_path)
    shutil.unpack_archive(wheel, tmp_path / "wheel", "zip")
    (metadata,) = (tmp_path / "wheel").glob("*.dist-info/METADATA")
    said = metadata.read_text()
    assert "Project-URL: Changelog, https://git.example/me/mailer/blob/v0.2.0/CHANGELOG.md\n" in said
    assert "https://git.example/me/mailer/raw/v0.2.0/docs/images/sample.png" in said


def test_the_commands_of_an_upgrade_name_units_and_services_that_are_shipped():
    text = "".join((ROOT / "docs" / name).read_text() for name in ("upgrading.md", "hosting.md", "ten-minutes.md"))
    named = re.findall(r"systemctl \w+(?: --[\w-]+)*((?: mailer[\w@.-]*)+)", text)
    # mailer-web is mailer-web.service, and mailer-health@web.timer is made of mailer-health@.timer.
    units = {
        re.sub(r"@\w+", "@", unit if "." in unit else f"{unit}.service") for line in named for unit in line.split()
    }
    assert {"mailer-web.service", "mailer-health@.timer"} <= units
    assert all((ROOT / "deploy" / "systemd" / unit).exists() for unit in units), units
    composed = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
    verbs = r"docker compose (?:exec|run|logs)(?: --?\w+)* (\w+)|docker compose (?:stop|restart)((?: \w+)+)"
    asked = {service for groups in re.findall(verbs, text) for service in " ".join(groups).split()}
    assert {"web", "worker", "database", "release"} <= asked
    assert asked <= set(composed)
