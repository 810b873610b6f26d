"""A link to an issue that subscribers cannot read is named, unless its file is from before the archive."""

import pytest

SENT = frozenset({"2026-11-06"})
LATER = frozenset({"2026-11-06", "2026-11-17"})


@pytest.mark.parametrize(
    "target", ["2026-11-13.md", "/issues/2026-11-13.md", "https://git.example.com/weekly/issues/2026-11-13.md"]
)
def test_a_link_to_an_issue_that_does_not_exist_is_told(rules, target, tmp_path):
    text = f"[Last week]({target})"
    assert rules(text) == ["issue-unknown"]
    assert rules(text, known=frozenset({"2026-11-13"})) == [], "it was sent, its file may be gone"
    (tmp_path / "issues" / "2026-11-13.md").write_text("# Last week\n\nText.\n")
    assert rules(text) == []


def test_other_peoples_markdown_files_are_theirs(rules):
    assert rules("[Readme](https://git.example.com/other/README.md)") == []


@pytest.mark.parametrize(
    ("name", "front", "sent", "why"),
    [
        ("2026-11-13.md", "draft: true", frozenset(), "is a draft"),
        ("notes.md", "draft: true", SENT, "is a draft"),
        ("2026-11-27.md", "number: 8", frozenset(), "is dated 27 November 2026, after this issue,"),
        ("2026-11-13.md", "number: 6", LATER, "was not sent, though the issue of 17 November 2026 was,"),
    ],
)
def test_an_issue_that_should_have_a_page_and_has_none_is_told(findings, tmp_path, name, front, sent, why):
    (tmp_path / "issues").mkdir()
    (tmp_path / "issues" / name).write_text(f"---\ntitle: Another\n{front}\n---\n\nText.\n")

    (found,) = findings(f"[Another]({name})", known=sent)

    below = "so the link leads to its file below https://git.example.com/weekly/"
    assert (found.rule, found.severity, found.line) == ("issue-unsent", "warning", 9)
    assert found.message == f"issues/{name} {why} and has no page, {below}"
    assert found.fix == "send that issue first, or remove the link"


@pytest.mark.parametrize(
    ("name", "front", "sent"),
    [
        ("2026-11-13.md", "number: 6", SENT),
        ("2026-11-13.md", "newsletter: monthly", LATER),
        ("2026-11-13.md", "newsletter: monthly\ndraft: true", LATER),
        ("../posts/2026-11-13.md", "number: 6", LATER),
    ],
    ids=["prepared-together", "of-another-newsletter", "a-draft-of-another-newsletter", "a-post-of-the-site"],
)
def test_an_issue_that_nobody_forgot_to_send_is_right(rules, tmp_path, name, front, sent):
    (tmp_path / "issues").mkdir()
    (tmp_path / "posts").mkdir()
    (tmp_path / "issues" / name).write_text(f"---\ntitle: Another\n{front}\n---\n\nText.\n")

    assert rules(f"[Another]({name})", known=sent) == []


def test_an_issue_that_was_sent_under_another_slug_is_told_as_such(findings, tmp_path):
    (tmp_path / "issues").mkdir()
    (tmp_path / "issues" / "2026-11-13.md").write_text("---\ntitle: Another\nslug: boards\n---\n\nText.\n")

    (found,) = findings("[Another](2026-11-13.md)", known=frozenset({"boards", *LATER}))

    assert found.message == (
        'issues/2026-11-13.md was sent as "boards", by which links to files do not look, '
        "so the link leads to its file below https://git.example.com/weekly/"
    )
    assert (found.rule, found.fix) == ("issue-unsent", "give the address of its page")


@pytest.mark.parametrize("name", ["2026-10-30.md", "README.md"])
def test_a_file_from_before_the_archive_is_right(rules, tmp_path, name):
    (tmp_path / "issues").mkdir()
    (tmp_path / "issues" / name).write_text("# About\n\nText.\n")

    assert rules(f"[About]({name})", known=LATER) == []


def test_without_a_public_folder_the_link_is_an_error_that_says_what_to_do(findings, tmp_path):
    (tmp_path / "issues").mkdir()
    (tmp_path / "issues" / "2026-11-13.md").write_text("# Last week\n\nText.\n")

    (found,) = findings("[Last week](2026-11-13.md)", source_url="", known=SENT)

    assert found.rule == "relative-left"
    assert found.fix.startswith("send that issue first, or ")
