"""A file that is imported."""

import csv
from itertools import islice
from pathlib import Path

import pytest

from subscribers.files.importing import Answers, Report, import_csv


@pytest.fixture
def file(tmp_path: Path):
    return Folder(tmp_path)


class Folder:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "people.csv"

    def take_in(
        self,
        content: str | bytes,
        state: str | None = None,
        newsletter: str = "weekly",
        answers: Answers = Answers(),  # noqa: B008 — frozen
    ) -> Report:
        self.path.write_bytes(content.encode() if isinstance(content, str) else content)
        return import_csv(self.path, newsletter, state, "file people.csv", answers)

    @property
    def rejected(self) -> list[tuple[int, str, list[str]]]:
        """Return line, reason and cells of each rejected row."""
        with Path(f"{self.path}.rejected.csv").open(encoding="utf-8-sig", newline="") as found:
            return [(int(line), reason, cells) for line, reason, *cells in islice(csv.reader(found), 1, None)]
