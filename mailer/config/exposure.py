"""Tell when git offers the file with the provider's key to whoever gets the repository."""

import os
import subprocess
from pathlib import Path

PATIENCE = 5.0  # seconds


def why_exposed(folder: Path) -> str:
    """Say how the `.env` of a newsletter's folder reaches others by git; "" if it does not, or git cannot tell."""
    path = folder / ".env"
    if not path.is_file():
        return ""
    if _git(folder, "ls-files", "--error-unmatch", ".env") == 0:
        return (
            f"{path} is tracked by git, so everybody who has the repository has its keys: run `git rm --cached .env`, "
            "commit, and replace the keys, because they stay in the history."
        )
    # 1: not ignored. 128: no repository, or one that git does not trust.
    if _git(folder, "check-ignore", "-q", ".env") == 1:
        return f"{path} is not ignored by git, so the next commit may publish its keys: add .env to .gitignore."
    return ""


def _git(folder: Path, *arguments: str) -> int | None:
    """Return the exit code of git there; None if there is no git."""
    # Those of a hook would name another repository.
    here = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(folder), *arguments],  # noqa: S607 — the editor's own git, as PATH says
            env=here,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.returncode
