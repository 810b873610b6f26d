import os
import time

import pytest

from mailer.previewing.watching import Latest, Watcher, stamps
from tests.mailer.previewing.conftest import ISSUE

PATIENCE = 60.0


@pytest.fixture
def watched(desk):
    latest = Latest()
    watcher = Watcher(desk(), latest)
    watcher.start()
    assert latest.after(0, PATIENCE).version == 1
    yield latest
    watcher.stop()


def test_a_save_is_drawn(watched, file):
    file.write_text(ISSUE.replace("First lines", "Other lines"))
    assert "Other lines" in watched.after(1, PATIENCE).rendered.html


def test_a_save_by_renaming_as_many_editors_do_is_drawn(watched, file):
    new = file.with_suffix(".tmp")
    new.write_text(ISSUE.replace("First lines", "Other lines"))
    os.utime(new, ns=(file.stat().st_mtime_ns,) * 2)
    new.rename(file)
    assert "Other lines" in watched.after(1, PATIENCE).rendered.html


def test_an_editor_that_empties_the_file_first_causes_no_false_alarm(watched, file):
    with file.open("w") as open_file:
        open_file.flush()
        time.sleep(0.01)
        open_file.write(ISSUE.replace("First lines", "Other lines"))
    draft = watched.after(1, PATIENCE)
    assert draft.trouble is None or watched.after(draft.version, PATIENCE).trouble is None


def test_an_image_that_changes_or_appears_is_drawn(watched, folder, file):
    before = watched.draft.rendered.images[0].sha256
    (folder / "images" / "board.png").write_bytes(_png("#b3261e"))
    assert watched.after(1, PATIENCE).rendered.images[0].sha256 != before

    file.write_text(ISSUE + "\n![Later](images/later.png)\n")
    assert any(finding.rule == "image-missing" for finding in watched.after(2, PATIENCE).findings)
    (folder / "images" / "later.png").write_bytes(_png("#1a6b35"))
    assert not any(finding.rule == "image-missing" for finding in watched.after(3, PATIENCE).findings)


def test_nothing_is_drawn_while_nothing_is_saved(watched):
    assert watched.after(1, 0.4) is None


def test_a_stamp_tells_a_file_from_its_absence(tmp_path):
    path = tmp_path / "a"
    assert stamps([path, tmp_path]) == {path: None, tmp_path: None}
    path.write_text("a")
    assert stamps([path])[path] is not None


def test_who_waits_is_let_go_at_the_end():
    latest = Latest()
    latest.close()
    assert latest.after(0, PATIENCE) is None


def _png(colour):
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (320, 200), colour).save(file, "PNG")
    return file.getvalue()
