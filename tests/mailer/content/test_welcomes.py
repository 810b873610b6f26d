"""A file beside newsletter.toml is a welcome by its name alone."""

from pathlib import Path

import pytest

from mailer.content.issues import read_issue
from mailer.content.welcomes import Name, as_welcome, read_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("welcome.md", Name("", "")),
        ("Welcome.markdown", Name("", "")),
        ("welcome.de.md", Name("", "de")),
        ("welcome.zh-Hans.md", Name("", "zh-hans")),
        ("welcome.weekly.md", Name("weekly", "")),
        ("welcome.weekly.zh_hant.md", Name("weekly", "zh-hant")),
        ("welcome.backup.md", None),
        ("welcome.de.fr.md", None),
        ("welcome.txt", None),
        ("welcome-back.md", None),
        ("2026-11-20.md", None),
    ],
)
def test_the_name_says_newsletter_and_language(name, expected):
    assert read_name(Path(name), {"weekly", "jianbao"}) == expected


def test_a_label_comes_before_a_language_of_the_same_code():
    assert read_name(Path("welcome.de.md"), {"de", "weekly"}) == Name("de", "")


def test_only_a_file_beside_newsletter_toml_is_one(tmp_path):
    config = tmp_path / "newsletter.toml"
    (tmp_path / "issues").mkdir()
    for path in (tmp_path / "welcome.de.md", tmp_path / "issues" / "welcome.de.md"):
        path.write_text("# Willkommen\n\nDanke.\n")
    beside = as_welcome(read_issue(tmp_path / "welcome.de.md", config), {"weekly"})
    below = as_welcome(read_issue(tmp_path / "issues" / "welcome.de.md", config), {"weekly"})
    assert (beside.welcome, beside.language) == (True, "de")
    assert (below.welcome, below.language) == (False, "")


def test_front_matter_says_more_than_the_name(tmp_path):
    (tmp_path / "welcome.de.md").write_text("---\nlanguage: de-at\n---\n# Servus\n\nDanke.\n")
    issue = as_welcome(read_issue(tmp_path / "welcome.de.md", tmp_path / "newsletter.toml"), {"weekly"})
    assert issue.language == "de-at"
