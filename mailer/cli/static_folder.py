"""Write files into a folder again and again, and touch nothing there that is not ours.

A list in the folder names what was written. A name is on it before its file is there, so a build that was cut short at
any moment leaves nothing that a later one does not know. A file is replaced whole: people may be reading it.
"""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from mailer.cli.terminal import Exit, Problem
from mailer.publishing.issue_files import BUILT
from subscribers import shared_files

HALF = f"{BUILT}.new"  # what is being written
# What the folder of a web host may have besides. HALF alone is left where the first list could not be written.
OF_THE_HOST = (".git", ".nojekyll", "CNAME", HALF)


def former_files(folder: Path) -> set[str]:
    """Return what earlier builds wrote to the folder. Raises Problem if it has something else, and no list."""
    with _named(folder):
        try:
            listed = (folder / BUILT).read_text(encoding="utf-8", errors="replace").split("\n")
        except FileNotFoundError:
            if folder.exists() and any(one.name not in OF_THE_HOST for one in folder.iterdir()):
                raise Problem(
                    f"{folder} has files that `mailer archive build` did not write; give an empty folder.", Exit.USAGE
                ) from None
            return set()
    return {name for name in listed if _is_ours(name)}


def _is_ours(name: str) -> bool:
    """Tell whether a build may have written this: whoever writes to the folder may have written to its list, too.

    NUL stands where a loss of power left nothing on the disk.
    """
    path = PurePosixPath(name)
    inside = bool(path.parts) and not path.is_absolute() and ".." not in path.parts
    return inside and path.parts[0] != ".git" and "\0" not in name


def write_files(folder: Path, files: Iterable[tuple[str, bytes]]) -> dict[str, bool]:
    """Write what changed and remove what is not there any more. Return the path of each file → whether it changed.

    Raises Problem.
    """
    with _named(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        former = former_files(folder)
        _write_list(folder, former)
        written: dict[str, bool] = {}
        for name, content in files:
            former = former - _make_room(folder, name, former)
            written[name] = _write(folder, name, content)
        for name in former - written.keys():
            with _named(folder / name):
                _remove(folder, _place(folder, name))
        _write_list(folder, written)
    return written


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep others from building into the folder. Raises Problem if somebody does."""
    with _named(folder):
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        free = True
        with suppress(OSError):  # some network file systems lock no folders
            free = shared_files.try_lock(descriptor)
        if not free:
            raise Problem(f"another command is writing to {folder}; run this one again when it is done.")
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn an error of the system into a Problem that names the path and what to do."""
    try:
        yield
    except OSError as error:
        raise Problem(
            f"{path} cannot be written: {error.strerror}; {_way_out(error)} and run the command again. What it did not "
            "reach is as it was."
        ) from None


def _way_out(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "free some space"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "let the user who runs it write there"
    return "remove what is in its way, or choose another folder,"


def _make_room(folder: Path, name: str, former: set[str]) -> set[str]:
    """Remove former files that are where this one, or a folder of it, has to be. Return their names.

    An issue may get the name that a former address had, and the other way round.
    """
    path, above = folder / name, {str(one) for one in PurePosixPath(name).parents}
    gone = {one for one in above & former if (folder / one).is_file()}
    if path.is_dir() and not path.is_symlink():
        gone |= {one for one in former if one.startswith(f"{name}/")}
    for one in gone:
        with _named(folder / one):
            _remove(folder, _place(folder, one))
    return gone


def _write(folder: Path, name: str, content: bytes) -> bool:
    """Write the file if that changes it; return whether it did."""
    with _named(folder / name):
        path = _place(folder, name)
        if path.is_file() and path.read_bytes() == content:
            return False
        with (folder / BUILT).open("a", encoding="utf-8") as listing:
            listing.write(f"{name}\n")
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(folder, path, content)
        return True


def _replace(folder: Path, path: Path, content: bytes) -> None:
    half = folder / HALF
    half.unlink(missing_ok=True)  # it may be a link
    try:
        half.write_bytes(content)
        os.replace(half, path)
    except OSError:
        with suppress(OSError):
            half.unlink(missing_ok=True)
        raise


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
    with _named(folder / BUILT):
        _replace(folder, folder / BUILT, "".join(f"{name}\n" for name in sorted(names)).encode())


def _remove(folder: Path, path: Path) -> None:
    """Remove the file, and the folders that are empty without it. A list that was cut short may name a folder."""
    with suppress(NotADirectoryError):
        if not path.is_dir():
            path.unlink(missing_ok=True)
    with suppress(OSError):  # the first that is not empty, or that somebody else removed
        for above in path.parents:
            if above == folder:
                return
            if above.exists():
                above.rmdir()
