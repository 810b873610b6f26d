"""An issue is prepared in the same way for every caller, with refusals as types that callers can read."""

from dataclasses import replace

import pytest

from mailer.content.issues import read_issue
from mailer.publishing.errors import CorrectIssue, CorrectRequest
from mailer.publishing.preparing import (
    Surroundings,
    check_file,
    findings_of,
    prepare,
    render,
    require_known_rules,
    require_newsletter,
    require_sound,
)
from tests.mailer.published import published

pytestmark = pytest.mark.django_db

ISSUE = "---\nnewsletter: weekly\n---\n# The Weekly 2026-11-20\n\nFirst lines.\n\n## News\n\nA board for everybody.\n"
BROKEN = ISSUE + "\n![Gone](images/gone.png)\n"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "2026-11-20.md"
    path.write_text(ISSUE)
    return path


def test_the_issue_chooses_its_newsletter_unless_another_is_asked_for(file):
    assert prepare(file, None).newsletter.label == "weekly"
    assert prepare(file, "jianbao").newsletter.label == "jianbao"


def test_a_file_of_which_no_mail_can_be_made_raises_where_and_why(file):
    file.write_text("---\ntags: [open\n---\n")
    with pytest.raises(CorrectIssue, match="the front matter is not YAML") as refused:
        prepare(file, "weekly")
    assert [finding.rule for finding in refused.value.findings] == ["front-matter"]


def test_an_issue_without_a_title_is_not_sent_even_if_the_rule_is_ignored(file):
    file.write_text("---\nignore: no-subject\nnewsletter: weekly\n---\nNo title\n")
    with pytest.raises(CorrectIssue) as refused:
        require_sound(prepare(file, None))
    assert [finding.rule for finding in refused.value.findings] == ["no-subject"]


def test_an_issue_with_errors_is_refused_with_all_of_them(file):
    file.write_text(BROKEN)
    with pytest.raises(CorrectIssue) as refused:
        require_sound(prepare(file, None))
    assert [finding.rule for finding in refused.value.findings] == ["image-missing"]


def test_a_sound_issue_comes_back_with_its_warnings(file):
    assert {finding.severity for finding in require_sound(prepare(file, None))} <= {"warning"}


def test_an_ignored_rule_does_not_block(file):
    file.write_text(BROKEN)
    proof = prepare(file, None)
    assert "image-missing" in {finding.rule for finding in findings_of(proof)}
    assert "image-missing" not in {finding.rule for finding in require_sound(proof, ["image-missing"])}


def test_to_ignore_what_a_link_was_meant_to_be_lets_no_dead_link_go_out(file, settings):
    file.write_text(f"{ISSUE}\n@[vimeo](3344)\n")
    around = Surroundings("https://news.example.com", rehearsal=True, newsletters=("weekly",))
    newsletter = replace(settings.NEWSLETTERS["weekly"], source_url="")
    proof = render(read_issue(file, settings.CONFIG), newsletter, around)
    with pytest.raises(CorrectIssue) as refused:
        require_sound(proof, ["markup-left"])
    assert [finding.rule for finding in refused.value.findings] == ["relative-left"]


def test_a_rule_beside_the_point_does_not_block_even_if_nobody_may_ignore_it(file):
    file.write_text(BROKEN)
    assert require_sound(prepare(file, None), beside=frozenset({"image-missing"})) is not None


def test_a_check_of_a_file_without_a_mail_says_why(file):
    file.write_text("---\ntags: [open\n---\n")
    assert [finding.rule for finding in check_file(file, "weekly")] == ["front-matter"]


def test_a_mistake_in_the_issue_does_not_refuse_its_newsletter(file):
    file.write_text("---\ntags: [open\n---\n\nText\n")
    require_newsletter(file, None)
    with pytest.raises(CorrectRequest):
        require_newsletter(file, "daily")


@pytest.mark.parametrize("rule", ["no-such-rule", "unsubscribe-missing"])
def test_a_rule_that_does_not_exist_or_is_final_cannot_be_ignored(rule):
    with pytest.raises(CorrectRequest, match=rule):
        require_known_rules([rule])


def test_a_near_rule_is_named():
    with pytest.raises(CorrectRequest, match="did you mean image-missing"):
        require_known_rules(["image-mising"])


def test_surroundings_can_be_invented(file, settings):
    issue = read_issue(file, settings.CONFIG)
    around = Surroundings("https://news.example.com", rehearsal=True, newsletters=("weekly",))
    proof = render(issue, settings.NEWSLETTERS["weekly"], around)
    assert (proof.known_slugs, proof.base_url) == (frozenset(), "https://news.example.com")


def test_issues_that_were_sent_are_known_to_the_next(file):
    published("2026-11-13")
    assert prepare(file, None).known_slugs == {"2026-11-13"}
