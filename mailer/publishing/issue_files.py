"""Find the files that may be issues in the folders of an archive."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ENDINGS = (".md", ".markdown")
# The page that Hugo shows for a folder, and where programs that run on Node keep what is not ours.
NOT_ISSUES = ("_index.md", "_index.markdown")
NOT_OURS = ("node_modules", "vendor")
BUILT = ".mailer-archive"  # in a folder that `mailer archive build` wrote: its Markdown is a copy


@dataclass(frozen=True)
class Found:
    """A file that may be an issue."""

    path: Path
    is_named: bool  # by the person who asked; otherwise it was in a folder
    leads_to: Path | None = None  # a file that is none of the folder's issues: this is only a link to it


def find_files(paths: Iterable[Path]) -> list[Found]:
    """Return these files, and the Markdown files in these folders at any depth, each once."""
    found: dict[Path, Found] = {}
    for path in paths:
        for one in _in(path) if path.is_dir() else [_found(path, path.parent, is_named=True)]:
            found.setdefault(one.path.resolve(), one)
    return list(found.values())


def _found(path: Path, folder: Path, *, is_named: bool) -> Found:
    """Tell where a link leads: an archive of somebody else's may have one to `.env`, whose keys nobody may publish."""
    file = path.resolve()
    is_inside = file.is_relative_to(folder.resolve()) and not _is_hidden(file.relative_to(folder.resolve()))
    fits = is_inside and file.suffix.lower() in ENDINGS
    return Found(path, is_named, file if not fits and path.is_symlink() else None)


def _in(folder: Path) -> Iterator[Found]:
    built = {one.parent for one in folder.rglob(BUILT)}
    for path in sorted(folder.rglob("*")):
        if not built.isdisjoint(path.parents):
            continue
        hidden = _is_hidden(path.relative_to(folder))
        if path.suffix.lower() in ENDINGS and path.name not in NOT_ISSUES and not hidden and path.is_file():
            yield _found(path, folder, is_named=False)


def _is_hidden(below: Path) -> bool:
    return any(part.startswith(".") or part in NOT_OURS for part in below.parts)
