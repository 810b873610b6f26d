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


def find_files(paths: Iterable[Path]) -> list[Found]:
    """Return these files, and the Markdown files in these folders at any depth, each once."""
    found: dict[Path, Found] = {}
    for path in paths:
        for one in _in(path) if path.is_dir() else [Found(path, True)]:
            found.setdefault(one.path.resolve(), one)
    return list(found.values())


def _in(folder: Path) -> Iterator[Found]:
    built = {one.parent for one in folder.rglob(BUILT)}
    for path in sorted(folder.rglob("*")):
        if not built.isdisjoint(path.parents):
            continue
        below = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part in NOT_OURS for part in below)
        if path.suffix.lower() in ENDINGS and path.name not in NOT_ISSUES and not hidden and path.is_file():
            yield Found(path, False)
