"""The headline does not say the newsletter's name once more, and nothing that the writer meant is lost."""

import re

import pytest

from mailer.config.newsletter import Newsletter
from mailer.content.colours import DARK_PAPER, contrast
from mailer.content.issues import read_issue
from mailer.content.rendering import render_issue
from mailer.content.titles import without_name


@pytest.mark.parametrize(
    ("title", "headline"),
    [
        ("Edge Notes: after quantization", "after quantization"),
        ("EDGE NOTES – Boards", "Boards"),
        ("Edge Notes | iPads, and more", "iPads, and more"),
        ("Edge Notes", "Edge Notes"),
        ("Edge Notes: 2026-11-20", "Edge Notes: 2026-11-20"),
        ("Edge Notes #12", "Edge Notes #12"),
        ("Edge Notes: 12", "Edge Notes: 12"),
        ("Edge Notes-like newsletters", "Edge Notes-like newsletters"),
        ("Edge Notesmiths: a family", "Edge Notesmiths: a family"),
        ("What Edge Notes: is", "What Edge Notes: is"),
        ("Boards", "Boards"),
    ],
)
def test_only_the_name_and_what_separates_it_are_left_out(title, headline):
    assert without_name(title, "Edge Notes") == headline


def test_chinese_names_and_punctuation_are_understood():
    assert without_name("边缘札记：量化之后，先看哪一列", "边缘札记") == "量化之后，先看哪一列"
    assert without_name("边缘札记（2026-11-20）", "边缘札记") == "边缘札记（2026-11-20）"


def mail(tmp_path, text: str, **look: str):
    path = tmp_path / "next.md"
    path.write_text(text)
    newsletter = Newsletter("weekly", "The Weekly", "editor@news.example.org", tmp_path, **look)
    return render_issue(read_issue(path), newsletter, base_url="https://news.example.org")


@pytest.mark.parametrize("accent", ["#000000", "#0a58ca", "#1f2328", "#ffcc00"])
def test_the_bar_of_any_accent_can_be_seen_on_dark(tmp_path, accent):
    """WCAG 2.2, 1.4.11: what is no text needs a contrast of 3 to 1."""
    html = mail(tmp_path, "# Boards\n\n## News\n\nText.\n", accent_color=accent).html
    (colour,) = re.findall(r"\n\.ink \.bar \{ background: (#\w{6}) !important", html)
    assert contrast(colour, DARK_PAPER) >= 3


def test_the_email_has_the_headline_once_and_the_subject_as_it_was_written(tmp_path):
    written = mail(tmp_path, "# The Weekly: boards of spring\n\nText.\n")
    assert written.subject == "The Weekly: boards of spring"
    assert re.search(r"<h1[^>]*>boards of spring</h1>", written.html)
    assert written.text.startswith("The Weekly\n\nboards of spring\n================\n")
