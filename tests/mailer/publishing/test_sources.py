"""Only Markdown that an issue was made from is found for its page."""

from pathlib import Path

import pytest
from django.conf import settings

from mailer.models import Correction
from mailer.publishing.preparing import prepare
from mailer.publishing.sources import sources_of
from tests.mailer.archived import archived
from tests.mailer.published import published

pytestmark = pytest.mark.django_db


def written(folder: Path, slug: str, text: str = "A board.") -> tuple[bytes, str]:
    """Write an issue. Return its source, and the hash of it."""
    path = folder / f"{slug}.md"
    path.write_text(f"---\npreheader: Boards\n---\n# The Weekly {slug}\n\n{text}\n")
    return path.read_bytes(), prepare(path, "weekly").rendered.source_sha256


def test_files_that_were_sent_corrected_or_imported_are_found_in_any_folder(tmp_path):
    (tmp_path / "2019").mkdir()
    source, sha256 = written(tmp_path, "2026-11-20")
    published("2026-11-20", source_sha256=sha256)
    corrected, sha256 = written(tmp_path, "2026-11-13", "A better board.")
    send = published("2026-11-13", source_sha256="0" * 64)
    Correction.objects.create(send=send, subject="s", language="en", article="a", source_sha256=sha256)
    former, sha256 = written(tmp_path / "2019", "2019-06-29")
    archived("2019-06-29", source_sha256=sha256)
    (tmp_path / "notes.md").write_bytes(b"\xff not an issue")
    found = sources_of(settings.NEWSLETTERS["weekly"], tmp_path)
    assert found.found == {"2026-11-20": source, "2026-11-13": corrected, "2019-06-29": former}
    assert (found.pages, found.missing) == (3, ())


def test_a_draft_of_another_issue_or_a_later_change_is_not_found(tmp_path):
    _, sha256 = written(tmp_path, "2026-11-20")
    published("2026-11-20", source_sha256=sha256)
    written(tmp_path, "2026-11-20", "A secret.")
    written(tmp_path, "2026-12-04")
    found = sources_of(settings.NEWSLETTERS["weekly"], tmp_path)
    assert (found.pages, found.found, found.missing) == (1, {}, ("2026-11-20",))
