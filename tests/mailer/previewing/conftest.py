"""A newsletter's folder on an editor's machine, and a preview of its issue."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from PIL import Image

from mailer.previewing.drafts import Desk, Sources
from mailer.publishing.preparing import Surroundings

ISSUE = """\
---
preheader: What is new on the bench
---

# Weekly

First lines.

![A sketch of the board](images/board.png)

## News

Words [with a link](https://example.com/).
"""
CONFIG = """\
[newsletters.weekly]
name = "The Weekly"
from_email = "editor@news.example.com"
postal_address = "1 Harbour Street, Springfield"
"""
BASE = "https://news.example.com"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    (tmp_path / "newsletter.toml").write_text(CONFIG)
    (tmp_path / "2026-11-20.md").write_text(ISSUE)
    Image.new("RGB", (320, 200), "#0a58ca").save(tmp_path / "images" / "board.png")
    return tmp_path


@pytest.fixture
def file(folder: Path) -> Path:
    return folder / "2026-11-20.md"


@pytest.fixture
def desk(folder: Path, file: Path) -> Callable[..., Desk]:
    def make(**changes: object) -> Desk:
        sources = {"config": folder / "newsletter.toml", "template_folders": tuple(settings.TEMPLATE_FOLDERS)}
        return Desk(file, Sources(**{**sources, **changes}), Surroundings(BASE, rehearsal=True))

    return make
