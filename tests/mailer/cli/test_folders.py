"""What `mailer init` finds in a folder, and what it may add to it."""

import tomllib
from pathlib import PurePath

import pytest

from mailer.cli import folders

WANTED = b"# Secrets.\n.env\nvar/\n"


@pytest.mark.parametrize(
    ("kept", "now", "did"),
    [
        ("mine\n", "mine\n# Secrets.\n.env\nvar/\n", "changed"),
        ("mine", "mine\n# Secrets.\n.env\nvar/\n", "changed"),
        (".env\n", ".env\n# Secrets.\nvar/\n", "changed"),
        ("/.env\nvar\n", "/.env\nvar\n", "kept   "),
        (".env\nvar/\n!.env\n", ".env\nvar/\n!.env\n# Secrets.\n.env\n", "changed"),
        ("# .env\nvariables/\n", "# .env\nvariables/\n# Secrets.\n.env\nvar/\n", "changed"),
        ("", "# Secrets.\n.env\nvar/\n", "changed"),
    ],
)
def test_a_gitignore_gets_what_it_lacks_and_keeps_what_it_has(tmp_path, kept, now, did):
    path = tmp_path / ".gitignore"
    path.write_text(kept)
    assert (folders.put_ignored(WANTED, path), path.read_text()) == (did, now)
    assert (folders.put_ignored(WANTED, path), path.read_text()) == ("kept   ", now)


def test_a_gitignore_that_is_not_utf8_keeps_its_bytes(tmp_path):
    (tmp_path / ".gitignore").write_bytes(b"caf\xe9\n")
    folders.put_ignored(WANTED, tmp_path / ".gitignore")
    assert (tmp_path / ".gitignore").read_bytes() == b"caf\xe9\n" + WANTED


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (["README.md", "CONTRIBUTING.md", "docs/index.md"], []),
        (["2024-01-10.md", "2024-02-10.md"], ["2024-02-10.md", "2024-01-10.md"]),
        (["posts/2024/2024-01-10-a.md", "README.md", "about.md"], ["posts/2024/2024-01-10-a.md"]),
        (["letters/one.md", "letters/two.md"], ["letters/two.md", "letters/one.md"]),
        (["node_modules/x/2024-01-01.md", ".git/2024-01-01.md", "var/2024-01-01.md"], []),
        (["a/b/c/d/2024-01-01.md"], []),
        (["welcome.md", "welcome.de.md"], []),
        (["welcome.md", "posts/welcome.md"], ["posts/welcome.md"]),
    ],
)
def test_issues_are_found_where_they_lie_newest_first(tmp_path, files, found):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("# An issue\n")
    (fullest, *_) = [*folders.issues_in(tmp_path), []]
    assert [str(path.relative_to(tmp_path)) for path in fullest] == found


@pytest.mark.parametrize(
    ("name", "folder", "label"),
    [
        ("The Weekly!", "x", "the-weekly"),
        ("Café Notes", "x", "cafe-notes"),
        ("Smørrebrød & Straße", "x", "smorrebrod-strasse"),
        ("嵌入式周报", "weekly", "weekly"),
        ("周报", "周报", "newsletter"),
    ],
)
def test_a_label_is_made_of_the_name_or_the_folder(tmp_path, name, folder, label):
    assert folders.label_of(name, tmp_path / folder) == label


def test_a_name_that_is_reserved_for_a_page_gives_another_label(tmp_path):
    assert folders.label_of("Archive", tmp_path / "boards") == "boards"


@pytest.mark.parametrize("language", folders.LANGUAGES)
def test_no_name_of_the_sample_is_left_where_the_label_is_meant(language):
    toml = folders.starters_files(language)[PurePath("newsletter.toml")].read_text()
    comment, table, *_ = folders.with_details(toml, "zh", {}).splitlines()
    assert ("edge-notes" not in comment, table) == (True, "[newsletters.zh]")
    assert "zh" in comment


def test_details_survive_whatever_they_contain(tmp_path):
    toml = folders.starters_files("en")[PurePath("newsletter.toml")].read_text()
    details = {"name": 'The "Weekly" \\1', "postal_address": "1 Main St\\n", "from_email": "ada@news.example.org"}
    table = tomllib.loads(folders.with_details(toml, "weekly", details))["newsletters"]["weekly"]
    assert {key: table[key] for key in details} == details
    assert table["from_name"] == details["name"]
    assert (table["reply_to"], table["list_id"]) == ("ada@news.example.org", "weekly.news.example.org")
