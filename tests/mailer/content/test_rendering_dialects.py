"""What editors bring along from other programs has its look in the email, and costs other emails nothing."""

import re
from pathlib import Path

import pytest

from mailer.config.newsletter import Newsletter
from mailer.content.issues import read_issue
from mailer.content.rendering import RenderedIssue, render_issue


@pytest.fixture
def rendered(tmp_path: Path):
    newsletter = Newsletter(label="weekly", name="The Weekly", from_email="editor@news.example.com", folder=tmp_path)

    def render(body: str) -> RenderedIssue:
        path = tmp_path / "2026-11-15.md"
        path.write_text(body, encoding="utf-8")
        return render_issue(read_issue(path), newsletter, base_url="https://news.example.com")

    return render


def test_styles_of_callouts_and_marks_are_only_in_emails_that_use_them(rendered):
    plain = rendered("# Title\n\nHello.\n").html
    marked = rendered("# Title\n\n> [!TIP]\n> Hello ==there==.\n").html

    assert ".ct" not in plain
    assert "mark {" not in plain
    assert ".ink .ct { border-color: #56d364 !important; }" in marked
    assert '<p class="label" style="margin:6px 0;font-weight:700;color:#1a7f37">Tip</p>' in marked
    assert re.search(r'<mark style="[^"]*background-color:#fff5c2', marked)


def test_definitions_have_their_look_only_where_there_are_some(rendered):
    mail = rendered("# Title\n\nBoard\n: A small one.\n")

    assert "<dt" not in rendered("# Title\n\nHello.\n").html
    assert re.search(r'<dt style="[^"]*font-weight:700[^"]*">Board</dt>', mail.html)
    assert re.search(r'<dd style="margin:0 0 8px 22px[^"]*">A small one.</dd>', mail.html)


def test_labels_of_callouts_follow_the_language_of_the_issue(rendered):
    mail = rendered("---\nlanguage: zh-hans\ntitle: 标题\n---\n\n> [!NOTE]\n> 多喝水。\n")

    assert ">说明</p>" in mail.html
    assert "» 说明\n  多喝水。" in mail.text
    assert mail.findings == ()
