"""What all rules have in common, and all of them over whole archives."""

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.checks import RULES, blocking, check, ignorable, without
from mailer.checks.proofs import Proof
from mailer.config.newsletter import read_newsletters
from mailer.content.findings import Finding
from mailer.content.issues import IssueError, read_issue
from mailer.content.rendering import render_issue

ROOT = Path(__file__).resolve().parents[3]
ARCHIVE = (ROOT / "../shared/issues").resolve()
ISSUES = sorted(path for path in ARCHIVE.rglob("*.md") if path.name != "SOURCE.md")
BASE = "https://news.example.com"
SEED = ARCHIVE / "awesome-embedded-ai" / "embedded-ai-report" / "2019-06-29.md"


def found_in(path: Path) -> list[Finding]:
    config = path.parent.parent / "newsletter.toml"
    config = config if config.is_file() else ROOT / "tests" / "newsletter.toml"
    newsletter = replace(next(iter(read_newsletters(config).values())), from_email="a@weekly.press", reply_to="")
    issue = read_issue(path)
    rendered = render_issue(issue, newsletter, base_url=BASE)
    return check(Proof(issue, rendered, newsletter, False, BASE, frozenset()))


def test_findings_stand_in_the_order_of_the_file(findings):
    told = findings("[One](http://a.example/)\n\nhttps://b.example/\n\n[Three]()")
    assert [finding.line for finding in told] == [9, 11, 13]


def test_an_issue_may_ignore_a_rule_but_not_one_that_is_final(rules):
    text = "---\ntitle: Boards\npreheader: Small ones.\nignore: [http, bare-url]\n---\n\n[One](http://a.example/)\n"
    assert rules(text) == []
    limit = Finding(1, 1, "size-limit", "error", "", "")
    assert without([limit], {"size-limit"}) == [limit]
    assert {rule for rule in RULES if not ignorable(rule)} >= {"size-limit", "unsubscribe-missing", "base-url"}


def test_a_newsletter_may_ignore_a_rule_for_all_its_issues(rules):
    text = "[One](http://a.example/)\n\nhttps://b.example/"
    assert rules(text) == ["http", "bare-url"]
    assert rules(text, ignore=frozenset({"http", "bare-url"})) == []


def test_ignoring_the_noise_about_html_leaves_the_guard_against_lost_text(proof):
    made = proof("---\ntitle: Boards\npreheader: Small.\nignore: html-dropped\n---\n\n<center>One</center>\n")
    lost = Finding(7, 1, "text-lost", "error", '"One" would be lost in the email', "simplify it")
    made = replace(made, rendered=replace(made.rendered, findings=(*made.rendered.findings, lost)))
    assert [finding.rule for finding in blocking(check(made))] == ["text-lost"]


def test_only_errors_block(findings):
    told = findings("[One](http://a.example/)\n\n![The board](board.png)")
    assert [finding.rule for finding in blocking(told)] == ["image-missing"]


def test_nothing_is_told_twice(findings):
    told = findings("[](#gone) []() [x](#gone)\n\n![](gone.png)\n\n> \n\nTODO {{ name }} {% x %} <script>y</script>")
    assert len({(finding.line, finding.column, finding.rule) for finding in told}) == len(told)


@pytest.mark.skipif(not ISSUES, reason="no archive of issues in ../shared/issues")
@pytest.mark.parametrize("path", ISSUES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_issue_of_the_archives_may_be_sent(path: Path):
    told = found_in(path)
    assert blocking(told) == []
    assert all(finding.severity == RULES[finding.rule].severity for finding in told)
    lines = path.read_bytes().count(b"\n") + 1
    assert all(1 <= finding.line <= lines and finding.column >= 1 for finding in told)
    assert all(finding.message and finding.fix and "\n" not in finding.message for finding in told)


@pytest.mark.skipif(not ISSUES, reason="no archive of issues in ../shared/issues")
def test_the_first_issue_shows_what_its_editor_can_fix():
    told = {finding.rule for finding in found_in(SEED)}
    assert told >= {
        "link-expiring",
        "issue-unknown",
        "section-empty",
        "alt-filename",
        "http",
    }


@pytest.mark.skipif(not ISSUES, reason="no archive of issues in ../shared/issues")
def test_an_unfinished_issue_is_seen_as_one():
    told = [finding for finding in found_in(SEED.with_name("2021-08-01.md")) if finding.rule == "unfinished"]
    assert [finding.line for finding in told] == [5, 10]


@pytest.mark.skipif(not ISSUES, reason="no archive of issues in ../shared/issues")
def test_checking_takes_no_more_than_a_few_renderings():
    issue, newsletter = (
        read_issue(SEED),
        next(iter(read_newsletters(ARCHIVE / "awesome-embedded-ai/newsletter.toml").values())),
    )
    rendering, checking = [], []
    for _ in range(3):
        begin = time.process_time()
        rendered = render_issue(issue, newsletter, base_url=BASE)
        rendering.append(time.process_time() - begin)
        begin = time.process_time()
        check(Proof(issue, rendered, newsletter, False, BASE, frozenset()))
        checking.append(time.process_time() - begin)
    assert min(checking) < 5 * min(rendering), (checking, rendering)


# What Markdown, links, blanks and broken HTML are made of.
PIECES = st.sampled_from(
    [
        *("# ", "## ", "#### ", "> ", "- ", "1. ", "[a](", "[](", ")", "![", "](x.png)", "http://a.example/?token="),
        *(
            "https://[::1",
            "<b>",
            "<img src=",
            "</b>",
            "{{ a }}",
            "{% x",
            "\n",
            "\n\n",
            "`",
            "```\n",
            "**",
            "TODO",
            "：",
        ),
        *(
            "<a href='//[x'>",
            "#",
            "\t",
            "    ",
            "\\",
            "é",
            "宽",
            "[^1]",
            "[^1]: ",
            "|--|",
            "&#x202e;",
            "\u2028",
            "mailto:",
        ),
        *(".md)", "../", "*|A|*"),
    ]
)


@settings(max_examples=120)
@given(st.lists(PIECES | st.text(max_size=8), max_size=30).map("".join))
def test_no_text_makes_the_checks_fail(proof, text):
    try:
        made = proof(f"# Title\n\nText.\n\n{text}")
    except IssueError:
        return
    told = check(made)
    assert all(finding.rule in RULES and RULES[finding.rule].severity == finding.severity for finding in told)
    assert told == sorted(told)


def test_the_documentation_lists_every_rule_with_its_severity():
    listed: dict[str, str] = {}
    for line in (ROOT / "docs" / "authoring.md").read_text(encoding="utf-8").splitlines():
        if match := re.match(r"\| (`[^|]*`) \| (error|warning|hint) \|", line):
            listed |= dict.fromkeys(re.findall(r"`([\w-]+)`", match[1]), match[2])
    assert listed == {name: rule.severity for name, rule in RULES.items()}


def test_a_link_that_was_meant_to_be_something_else_is_told_once(findings):
    told = [one.rule for one in findings("@[vimeo](3344) and ！[a kiln](kiln.png)", source_url="")]
    assert told == ["markup-left", "markup-left"]
    assert [one.rule for one in findings("[a kiln](kiln.png)", source_url="")] == ["relative-left"]


def test_an_issue_without_a_title_is_rendered_with_its_other_findings(proof):
    made = proof("Welcome.\n\n- [One](javascript:x)\n\n![x](nope.png)\n")

    assert {"no-subject", "unsafe-target", "image-missing"} <= {finding.rule for finding in check(made)}
    assert "Welcome." in made.rendered.html
    assert "<h1" not in made.rendered.html
