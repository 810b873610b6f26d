"""Build deploy/Dockerfile without a daemon, and run its image as compose.yaml does, in a network of its own.

The base is Debian with its Python, made by debootstrap: images of registries cannot be had everywhere.
"""

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests import parts
from tests.installed import ROOT
from tests.processes.conftest import CONFIG
from tests.processes.machines import OF_THIS_MACHINE, debian, run

pytestmark = pytest.mark.slow

BASE_MB = 150  # python:3.13-slim, unpacked, takes about 125
LARGEST_MB = 400


@dataclass(frozen=True)
class Images:
    """Images and containers in a folder of their own."""

    folder: Path

    def buildah(self, *arguments: str) -> str:
        return run(*self.command(*arguments)).strip()

    def command(self, *arguments: str) -> list[str]:
        store = ["--root", str(self.folder / "root"), "--runroot", str(self.folder / "run"), "--storage-driver", "vfs"]
        return [parts.buildah(), *store, *arguments]

    def megabytes(self, image: str) -> float:
        """Return the unpacked size."""
        mounted = self.buildah("from", image)
        size = int(run("du", "-sb", self.buildah("mount", mounted)).split()[0])
        self.buildah("rm", mounted)
        return size / 1e6


@pytest.fixture
def images(tmp_path: Path) -> Iterator[Images]:
    """Build `base` and `mailer`."""
    parts.buildah()  # or skip before anything is made
    built = Images(tmp_path / "images")
    built.folder.mkdir()
    yield _with_mailer(_with_base(built))
    built.buildah("rm", "--all")
    built.buildah("rmi", "--all", "--force")


def _with_base(images: Images) -> Images:
    system = images.folder / "system"
    debian(system, "python3", "python3-venv", "python3-pip")
    base = images.buildah("from", "scratch")
    images.buildah("copy", "-q", base, str(system), "/")
    images.buildah("commit", "-q", base, "localhost/base")
    return images


def _with_mailer(images: Images) -> Images:
    shared = [f"--volume={path}:{path}:ro" for path in OF_THIS_MACHINE]
    images.buildah(
        *("bud", "--quiet", "--format=docker", "--isolation=chroot", "--network=host", *shared),
        *("--file=deploy/Dockerfile", "--ignorefile=.dockerignore", "--build-arg=PYTHON=localhost/base"),
        *("--tag=localhost/mailer", str(ROOT)),
    )
    return images


# One test: the image takes minutes to build.
def test_the_image_is_small_and_its_web_process_and_worker_run_as_compose_runs_them(images: Images, tmp_path: Path):
    is_smaller_than_400_megabytes_unpacked(images)
    serves_a_read_only_newsletter_as_a_user_of_its_own_and_ends_when_it_is_told_to(images, tmp_path / "web")
    its_worker_is_asked_as_compose_asks_it(images, tmp_path / "worker")


def is_smaller_than_400_megabytes_unpacked(images: Images) -> None:
    own = images.megabytes("localhost/mailer") - images.megabytes("localhost/base")
    assert own + BASE_MB < LARGEST_MB, f"{own:.0f} MB above the base"


def health_check(images: Images) -> str:
    found = json.loads(images.buildah("inspect", "--type=image", "localhost/mailer"))["Docker"]["config"]
    kind, *command = found["Healthcheck"]["Test"]
    assert kind == "CMD"
    return shlex.join(command)


def inside(images: Images, folder: Path, script: str) -> str:
    """Return what the script prints in a container, as its user, without privileges and with only its own network."""
    (folder / "newsletter").mkdir(parents=True)
    (folder / "newsletter" / "newsletter.toml").write_text(CONFIG)
    (folder / "script.sh").write_text(script)
    run("chmod", "-R", "a+rX", str(folder))
    container = images.buildah("from", "localhost/mailer")
    mounts = [f"--volume={folder}/newsletter:/newsletter:ro", f"--volume={folder}/script.sh:/script.sh:ro"]
    ran = images.command("run", "--isolation=chroot", "--cap-drop=ALL", *mounts, container, "--", "sh", "/script.sh")
    try:
        return run("unshare", "--net", "--", "sh", "-c", f"ip link set lo up && exec {shlex.join(ran)}")
    finally:
        images.buildah("rm", container)


UNTIL_WELL = """
for second in $(seq 60); do {check} >/dev/null 2>&1 && break; sleep 1; done
{check} >/dev/null && echo well: {name}
"""


def serves_a_read_only_newsletter_as_a_user_of_its_own_and_ends_when_it_is_told_to(
    images: Images, folder: Path
) -> None:
    small = yaml.safe_load((ROOT / "deploy" / "compose.sqlite.yaml").read_text())["services"]["web"]
    checks = {"image": health_check(images), "compose.sqlite.yaml": small["healthcheck"]["test"]}
    script = f"""
id -un
{small["command"]} &
web=$!
{"".join(UNTIL_WELL.format(name=name, check=check) for name, check in checks.items())}
kill -TERM $web
wait $web
echo ended: $?
{checks["image"]} 2>/dev/null || echo ill: image
touch /opt/mailer/x 2>/dev/null || echo read-only
python -m pip --version 2>/dev/null || echo no pip
pg_dump --version | cut -d " " -f 1
"""
    said = inside(images, folder, script).splitlines()
    assert said == [
        "mailer",
        "well: image",
        "well: compose.sqlite.yaml",
        "ended: 0",
        "ill: image",
        "read-only",
        "no pip",
        "pg_dump",
    ]


def its_worker_is_asked_as_compose_asks_it(images: Images, folder: Path) -> None:
    large = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
    check = large["worker"]["healthcheck"]["test"]
    script = f"""
{large["release"]["command"]} -v0
{check} >/dev/null 2>&1 || echo ill: worker
{large["worker"]["command"]} &
worker=$!
{UNTIL_WELL.format(name="worker", check=check)}
kill -TERM $worker
wait $worker
echo ended: $?
"""
    assert inside(images, folder, script).splitlines() == ["ill: worker", "well: worker", "ended: 0"]
