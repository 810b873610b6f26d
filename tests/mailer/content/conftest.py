"""Render one issue of a newsletter: `rendered("# Title\\n\\nText")`."""

from pathlib import Path

import pytest

from mailer.config.newsletter import Newsletter
from mailer.content.issues import read_issue
from mailer.content.rendering import RenderedIssue, render_issue

BASE = "https://news.example.com"


@pytest.fixture
def weekly(tmp_path: Path) -> Newsletter:
    return Newsletter(
        label="weekly",
        name="The Weekly",
        from_email="editor@news.example.com",
        from_name="The Weekly",
        postal_address="1 Harbour Street, Springfield",
        source_url="https://git.example.com/weekly/",
        folder=tmp_path,
    )


@pytest.fixture
def rendered(tmp_path: Path, weekly: Newsletter):
    def render(body: str, newsletter: Newsletter = weekly, **options) -> RenderedIssue:
        (tmp_path / "newsletter.toml").touch()
        (tmp_path / "issues").mkdir(exist_ok=True)
        path = tmp_path / "issues" / "2026-11-15.md"
        path.write_text(body, encoding="utf-8")
        return render_issue(read_issue(path), newsletter, base_url=BASE, **options)

    return render
