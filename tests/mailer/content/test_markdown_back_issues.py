"""`<!-- back issues -->` in an issue becomes the list that editors otherwise maintain by hand."""

from pathlib import Path

import pytest
from lxml import html

from mailer.config.newsletter import Newsletter
from mailer.content.issues import read_issue
from mailer.content.markdown import BackIssue, as_list_item, parse, to_text
from mailer.content.markdown.text import Numbers
from mailer.content.rendering import RenderedIssue, render_issue

BASE = "https://news.example.com"
SENT = [BackIssue(f"Boards of {month}", f"{BASE}/archive/{month}/") for month in ("May", "April", "March")]


def rendered(folder: Path, body: str, back_issues: list[BackIssue] = SENT) -> RenderedIssue:
    path = folder / "2026-06-01.md"
    path.write_text(f"# Boards of June\n\n{body}\n")
    newsletter = Newsletter("weekly", "The Weekly", "editor@news.example.com", folder)
    return render_issue(read_issue(path), newsletter, base_url=BASE, back_issues=back_issues)


def listed(issue: RenderedIssue) -> list[tuple[str, str]]:
    return [(link.text, link.get("href")) for link in html.fromstring(f"<div>{issue.article}</div>").xpath("//li/a")]


def test_the_issues_that_were_sent_stand_where_the_comment_stood(tmp_path: Path):
    issue = rendered(tmp_path, "Words.\n\n## Back issues\n\n<!-- back issues -->\n\n----\n\nAnswer this mail.")
    assert listed(issue) == [(one.title, one.address) for one in SENT]
    assert SENT[0].address in issue.html
    assert "Boards of May" in issue.text
    assert issue.article.index("Back issues") < issue.article.index("Boards of May") < issue.article.index("Answer")
    assert issue.findings == ()


@pytest.mark.parametrize("comment", ["<!-- back issues: 2 -->", "<!--Back-Issues:2-->"])
def test_a_number_takes_the_newest_so_many(tmp_path: Path, comment: str):
    assert len(listed(rendered(tmp_path, comment))) == 2


def test_without_any_the_comment_is_nothing(tmp_path: Path):
    issue = rendered(tmp_path, "Words.\n\n<!-- back issues -->", [])
    assert (listed(issue), "back issues" in issue.html) == ([], False)


def test_what_comes_after_keeps_its_line(tmp_path: Path):
    (finding,) = rendered(tmp_path, "<!-- back issues -->\n\n![](gone.png)").findings
    assert (finding.rule, finding.line) == ("image-missing", 5)


def test_another_comment_is_not_replaced_by_the_list(tmp_path: Path):
    assert listed(rendered(tmp_path, "Words.\n\n<!-- the back issues -->\n\n`<!-- back issues -->`")) == []


TITLES = [
    "A [b](https://x.example) *c*",
    "<b>&amp;</b> `x` _y_ ~~z~~",
    "1. {{ x }} \\ | #",
    "嵌入式AI简报：**一**",
]


@pytest.mark.parametrize("title", TITLES)
def test_a_title_is_shown_as_it_is(title: str):
    text = to_text(parse(as_list_item(title, "https://news.example.com/(a)/")).tokens, Numbers())
    assert text == f"- {title} [1]"


# ---------------------------------------------------------------- the latest


def test_the_latest_issue_is_named_and_not_repeated_in_the_list(tmp_path: Path):
    issue = rendered(tmp_path, "## Latest\n\n<!-- latest issue -->\n\n## Before\n\n<!-- back issues: 1 -->")
    assert f'<strong><a href="{SENT[0].address}">Boards of May</a></strong>' in issue.article
    assert listed(issue) == [("Boards of April", SENT[1].address)]


def test_without_any_issue_there_is_no_latest(tmp_path: Path):
    issue = rendered(tmp_path, "Words.\n\n<!-- Latest-Issue -->", [])
    assert issue.article.count("<p>") == 1
