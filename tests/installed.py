"""Install the product as users have it: its wheel, in an environment made from requirements.lock alone.

What tests start as a process is this one. The environment of the tests holds more packages than the product asks for,
and would hide one that it forgot to ask for.

The environments lie beside the one that runs the tests, each in a folder named by what it was made of, so none is ever
stale: one of the locked dependencies, made once for a lock, and one for each state of the sources, which holds the
wheel and finds the dependencies by a `.pth` file.
"""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
SOURCES = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "mailer", "subscribers", "templates", "locale")
HOME = Path(sys.prefix) / "shipped"


@cache
def python() -> Path:
    """Return the interpreter that finds the installed product, its locked dependencies and nothing else."""
    HOME.mkdir(exist_ok=True)
    locked = _fingerprint([LOCK])
    dependencies = _made(f"dependencies-{locked}", lambda new: _install(new, "--require-hashes", "-r", str(LOCK)))
    folder = _made(f"mailer-{locked}-{_fingerprint(_sources())}", lambda new: _install_wheel(new, dependencies))
    return folder / "bin" / "python"


def mailer() -> Path:
    """Return the command that its users type."""
    return python().with_name("mailer")


def _sources() -> list[Path]:
    found = (
        path for name in SOURCES for path in ((ROOT / name).rglob("*") if (ROOT / name).is_dir() else [ROOT / name])
    )
    return sorted(path for path in found if path.is_file() and "__pycache__" not in path.parts)


def _fingerprint(files: Iterable[Path]) -> str:
    seen = hashlib.sha256(sys.version.encode())
    for path in files:
        seen.update(f"{path.relative_to(ROOT)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return seen.hexdigest()[:12]


def _made(name: str, fill: Callable[[Path], None]) -> Path:
    """Return the environment of this name; the first process that asks for it creates it."""
    folder, stamp = HOME / name, HOME / name / "complete"
    with _alone():
        _keep(name)
        if not stamp.exists():
            _remove_unused(name.split("-")[0])
            venv.create(folder, clear=True, with_pip=False, symlinks=True)
            fill(folder)
            stamp.touch()
    return folder


@contextmanager
def _alone() -> Iterator[None]:
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


_kept = []  # open for as long as this process runs


def _keep(name: str) -> None:
    """Mark this environment as in use until this process ends."""
    used = (HOME / f"{name}.used").open("w")
    fcntl.flock(used, fcntl.LOCK_SH)
    _kept.append(used)


def _remove_unused(kind: str) -> None:
    """Remove environments of former sources and locks."""
    for path in HOME.glob(f"{kind}-*.used"):
        with path.open("w") as used:
            try:
                fcntl.flock(used, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(path.with_suffix(""), ignore_errors=True)
            path.unlink()


def _install_wheel(folder: Path, dependencies: Path) -> None:
    with tempfile.TemporaryDirectory() as dist:
        _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", dist, cwd=ROOT)
        _install(folder, "--no-deps", str(next(Path(dist).glob("*.whl"))))
    _packages(folder).joinpath("dependencies.pth").write_text(f"{_packages(dependencies)}\n")


def _packages(folder: Path) -> Path:
    return folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"


def _install(folder: Path, *arguments: str) -> None:
    target = str(folder / "bin" / "python")
    if _runs("uv"):
        _run("uv", "pip", "install", "-q", "--compile-bytecode", "--python", target, *arguments)
    else:
        assert importlib.util.find_spec("pip"), "to install the product the tests need pip here, or uv on the PATH"
        quiet = ("-q", "--disable-pip-version-check")
        _run(sys.executable, "-m", "pip", "--python", target, "install", *quiet, *arguments)


def _runs(program: str) -> bool:
    """Tell whether the program works: pyenv puts names on the PATH that answer "command not found"."""
    if shutil.which(program) is None:
        return False
    return subprocess.run([program, "--version"], capture_output=True, check=False).returncode == 0


def _run(*command: str, cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
