import pytest

from mailer.content.front_checks import judge
from mailer.content.frontmatter import read_front_matter


@pytest.fixture
def judged():
    """Judge the front matter of this text: `judged("---\\ntitle: A\\n---\\n")` → findings."""
    return lambda text: list(judge(read_front_matter(text), text.split("\n")))


@pytest.mark.parametrize(
    "line",
    [
        "draft: true",
        "Draft: TRUE",
        "draft: yes",
        'draft: "true"',
        "draft: wip",
        "published: false",
        "publish: no",
        "status: draft",
        "status: Draft 2",
        "status: in progress",
        "post_status: pending",
        "send: false",
    ],
)
def test_an_issue_that_says_so_is_a_draft(judged, line):
    (told,) = judged(f"---\ntitle: Boards\n{line}\n---\nText.")
    assert (told.rule, told.severity, told.line) == ("draft", "error", 3)


@pytest.mark.parametrize(
    "line",
    [
        "draft: false",
        "draft:",
        "published: true",
        "published: 2026-11-20",
        "published:",
        "status: published",
        "status: hidden",
        "send: 2026-11-20",
        "email: ada@example.org",
        "status: 🟢",
    ],
)
def test_other_issues_are_not(judged, line):
    assert judged(f"---\ntitle: Boards\n{line}\n---\nText.") == []


@pytest.mark.parametrize("text", ['+++\ntitle = "A"\ndraft = true\n+++\n', "Title: A\nStatus: draft\n\nText."])
def test_every_form_of_front_matter_can_say_so(judged, text):
    assert [(finding.rule, finding.line) for finding in judged(text)] == [("draft", 3 if text.startswith("+") else 2)]


def test_each_line_that_must_change_is_named(judged):
    told = judged("---\ntitle: A\ndraft: true\npublished: false\nstatus: draft\n---\nText.")
    assert sorted(finding.line for finding in told) == [3, 4, 5]
