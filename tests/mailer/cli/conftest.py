"""Run `mailer` in this process, against the tests' database and `tests/newsletter.toml`."""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailer.cli import main


@dataclass
class Ran:
    code: int
    out: str
    err: str


@pytest.fixture
def installation(transactional_db):
    """Recreate the installation: tests that commit leave empty tables, and migrations do not run again."""
    from tests.installing import an_installation

    an_installation()


@pytest.fixture
def run(capsys, monkeypatch, installation) -> Callable[..., Ran]:
    """Run a command without a terminal: `run("status")` → exit code, stdout, stderr."""

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr("sys.argv", ["mailer", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    return run


@pytest.fixture
def issue(tmp_path: Path) -> Callable[..., Path]:
    """Write an issue of this text and return its path: `issue("# Title\\n\\nText")`."""

    def write(content: str | bytes, name: str = "2026-11-20.md") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


class _Keyboard(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch) -> Callable[[str], None]:
    """Run the next command at a terminal, where somebody types this: `terminal("y\\n")`."""

    def typed(text: str) -> None:
        monkeypatch.setattr("sys.stdin", _Keyboard(text))
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)

    return typed
