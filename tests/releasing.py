"""What a release consists of: a version, a dated section of the changelog, an sdist and a wheel that work.

`make release-check [TAG=v0.2.0]`, which the release workflow runs, checks all of it, and leaves the packages in dist/
and notes, lock file and SBOM in build/. Its tests are tests/test_releasing.py.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import Any

from tests.installed import LOCK, ROOT, _install

CHANGELOG = ROOT / "CHANGELOG.md"
OURS = ("mailer", "subscribers")
DIST, BUILD = ROOT / "dist", ROOT / "build"


class NotReleasable(Exception):
    """The release is incomplete; the message says what is wrong, and what to write."""


def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return found


def version() -> str:
    return str(project()["version"])


def notes(of: str, changelog: str) -> str:
    """Return what the changelog says of a version, below its heading `## VERSION — DATE`. Raises NotReleasable."""
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", changelog, re.M | re.S))
    dated = [heading for heading in sections if re.fullmatch(rf"{re.escape(of)} — \d{{4}}-\d\d-\d\d", heading)]
    if not dated:
        raise NotReleasable(f"CHANGELOG.md has no section `## {of} — YYYY-MM-DD`; write it.")
    text: str = sections[dated[0]].strip()
    if not text:
        raise NotReleasable(f"CHANGELOG.md says nothing about {of}.")
    return text


def check_tag(tag: str, changelog: str) -> None:
    """Check that the tag matches the version. Raises NotReleasable."""
    if tag != f"v{version()}":
        raise NotReleasable(f"the tag is {tag}, and pyproject.toml has the version {version()}; they must be the same.")
    if re.search(r"^## Unreleased\n\s*[^\s#]", changelog, re.M):
        raise NotReleasable(f"CHANGELOG.md has lines under Unreleased; move them below {version()}.")


def newest_migrations() -> str:
    newest = (max(path.name[:4] for path in (ROOT / app / "migrations").glob("0*.py")) for app in OURS)
    return "Database: {} {}, {} {}.".format(*(part for pair in zip(OURS, newest, strict=True) for part in pair))


def check_way_back(text: str) -> None:
    """Check that the notes name the migrations to go back to from a later version. Raises NotReleasable."""
    if newest_migrations() not in text.splitlines():
        raise NotReleasable(
            f"CHANGELOG.md does not name the migrations of this version; write a line `{newest_migrations()}`"
        )


def build(folder: Path) -> tuple[Path, Path]:
    """Build the sdist and, from it, the wheel, as somebody without a wheel does; return both."""
    _run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(folder), cwd=ROOT)
    (sdist,) = folder.glob("*.tar.gz")
    with tempfile.TemporaryDirectory() as unpacked, tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
        (source,) = Path(unpacked).iterdir()
        _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder.resolve()), cwd=source)
    (wheel,) = folder.glob("*.whl")
    return sdist, wheel


def files(wheel: Path) -> dict[str, str]:
    """Return the files of a wheel, each with its hash."""
    with zipfile.ZipFile(wheel) as opened:
        (record,) = (name for name in opened.namelist() if name.endswith("RECORD"))
        lines = opened.read(record).decode().splitlines()
    return {name: digest for name, digest, _ in (line.rsplit(",", 2) for line in lines)}


def judge(*packages: Path) -> None:
    """Check metadata and README as the package index does."""
    _run(sys.executable, "-m", "twine", "check", "--strict", *map(str, packages))


def try_out(package: Path, folder: Path) -> str:
    """Install a package with the locked dependencies alone, and rehearse a send elsewhere; return the output."""
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    _install(folder / "venv", "--require-hashes", "-r", str(LOCK))
    _install(folder / "venv", "--no-deps", str(package))
    (folder / "elsewhere").mkdir()
    mailer = str(folder / "venv" / "bin" / "mailer")
    return "".join(_run(mailer, *command, cwd=folder / "elsewhere") for command in (["version"], ["demo"]))


def sbom(folder: Path) -> Path:
    """Return what the lock file installs, with versions and hashes, as CycloneDX for vulnerability scanners."""
    folder.mkdir(exist_ok=True)
    file = folder / "sbom.cdx.json"
    file.unlink(missing_ok=True)
    tool = (sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", "--output-reproducible")
    _run(*tool, "--pyproject", str(ROOT / "pyproject.toml"), "--output-file", str(file), str(LOCK))
    return file


def _run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotReleasable(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def main() -> None:
    changelog = CHANGELOG.read_text()
    if tag := os.environ.get("TAG"):
        check_tag(tag, changelog)
    text = notes(version(), changelog)
    check_way_back(text)
    for folder in (DIST, BUILD):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    (BUILD / "notes.md").write_text(f"{text}\n")
    shutil.copy(LOCK, BUILD)
    sbom(BUILD)
    packages = build(DIST)
    judge(*packages)
    for package in packages:
        with tempfile.TemporaryDirectory() as folder:
            try_out(package, Path(folder))
        print(f"{package.relative_to(ROOT)} installs, and rehearses a send")


if __name__ == "__main__":
    try:
        main()
    except NotReleasable as error:
        sys.exit(f"not releasable: {error}")
