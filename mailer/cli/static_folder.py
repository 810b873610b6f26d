"""Write files into a folder again and again, and touch nothing there that is not ours.

A list in the folder names what was written. A name is on it before its file is there, so a build that was cut short at
any moment leaves nothing that a later one does not know.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath

from mailer.cli.terminal import Exit, Problem
from mailer.publishing.issue_files import BUILT

# What the folder of a web host may have besides.
OF_THE_HOST = (".git", ".nojekyll", "CNAME")


def former_files(folder: Path) -> set[str]:
    """Return what earlier builds wrote to the folder. Raises Problem if it has something else, and no list."""
    try:
        listed = (folder / BUILT).read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        if folder.exists() and any(one.name not in OF_THE_HOST for one in folder.iterdir()):
            raise Problem(
                f"{folder} has files that `mailer archive build` did not write; give an empty folder.", Exit.USAGE
            ) from None
        return set()
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"{folder / BUILT} cannot be read: {error}") from None
    return {name for name in listed if _is_ours(name)}


def _is_ours(name: str) -> bool:
    """Tell whether a build may have written this: whoever writes to the folder may have written to its list, too."""
    parts = PurePosixPath(name).parts
    return bool(parts) and not PurePosixPath(name).is_absolute() and ".." not in parts and parts[0] != ".git"


def write_files(folder: Path, files: Iterable[tuple[str, bytes]], former: set[str]) -> dict[str, bool]:
    """Write what changed and remove what is not there any more. Return the path of each file → whether it changed."""
    written: dict[str, bool] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_list(folder, former)
        with (folder / BUILT).open("a", encoding="utf-8") as listing:
            for name, content in files:
                path = _place(folder, name)
                written[name] = not (path.is_file() and path.read_bytes() == content)
                if written[name]:
                    listing.write(f"{name}\n")
                    listing.flush()
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
        for name in former - written.keys():
            _remove(folder, _place(folder, name))
        _write_list(folder, written)
    except OSError as error:
        raise Problem(f"{error.filename or folder} cannot be written: {error.strerror}") from None
    return written


def _place(folder: Path, name: str) -> Path:
    """Return where the file is written: in the folder, whatever links are there. Raises Problem."""
    path = folder / name
    for above in [*path.relative_to(folder).parents][:-1]:
        if (folder / above).is_symlink():
            raise Problem(f"{folder / above} is a symbolic link, which may lead anywhere; remove it.")
    if path.is_symlink():
        path.unlink()
    return path


def _write_list(folder: Path, names: Iterable[str]) -> None:
    half = folder / f"{BUILT}.new"
    half.unlink(missing_ok=True)  # it may be a link
    half.write_text("".join(f"{name}\n" for name in sorted(names)), encoding="utf-8")
    os.replace(half, folder / BUILT)


def _remove(folder: Path, path: Path) -> None:
    """Remove the file, and the folders that are empty without it."""
    path.unlink(missing_ok=True)
    with suppress(OSError):  # the first that is not empty, or that somebody else removed
        for above in path.parents:
            if above == folder:
                return
            if above.exists():
                above.rmdir()
