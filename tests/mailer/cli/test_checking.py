import json

import pytest

from mailer.checks import fetching
from mailer.checks.fetching import Answer

GOOD = "---\ntitle: Boards of spring\npreheader: Three small ones.\n---\n\nHello there.\n"
WARNED = GOOD + "\n[One](https://bit.ly/a)\n"
WRONG = WARNED + "\n![The board](board.png)\n"


@pytest.fixture
def check(run, issue):
    """Check an issue of this text, of the weekly newsletter: `check(WRONG, "--strict")`."""
    return lambda text, *options, name="2026-11-20.md": run(
        "check", issue(text, name), "--newsletter", "weekly", *options
    )


def test_a_good_issue_passes(check):
    ran = check(GOOD, "--strict")
    assert (ran.code, ran.out) == (0, "No problems in 1 file.\n")


def test_an_error_has_its_place_rule_and_fix_and_the_exit_code_says_it(check):
    ran = check(WRONG)
    assert ran.code == 3
    assert "2026-11-20.md:10:1 error image-missing " in ran.out
    assert "; put the file into the newsletter's folder" in ran.out
    assert ran.out.endswith("1 error, 1 warning in 1 file.\n")


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        ("[newsletters.weekly]\n", "newsletter.toml", "has the settings of newsletters, it is not an issue"),
        (b"\x89PNG\r\n\x1a\n\x00", "board.png", "is an image or another binary file, not a text"),
    ],
)
def test_what_can_be_no_issue_is_refused(run, issue, content, name, says):
    path = issue(content, name)
    for command in (("check",), ("check", "--fix", "--yes"), ("preview", "--no-open"), ("render",)):
        ran = run(*command, path, "--newsletter", "weekly")
        assert (ran.code, says in ran.out + ran.err) == (3, True), command
        assert "give the path of a Markdown file" in ran.out + ran.err


def test_a_warning_fails_only_when_strict(check):
    assert check(WARNED).code == 0
    assert check(WARNED, "--strict").code == 3


def test_rules_can_be_left_out_for_once(check):
    assert check(WRONG, "--ignore", "image-missing", "--ignore", "link-shortener").out == "No problems in 1 file.\n"


def test_a_rule_that_does_not_exist_or_is_final_cannot_be_left_out(check):
    unknown = check(GOOD, "--ignore", "alt-misssing")
    assert unknown.code == 2
    assert "did you mean alt-missing?" in unknown.err
    final = check(GOOD, "--ignore", "size-limit")
    assert final.code == 2
    assert "cannot be ignored" in final.err


def test_a_draft_fails_unless_drafts_are_allowed_which_only_its_file_changes(check):
    draft = GOOD.replace("title:", "draft: true\ntitle:")
    told = check(draft)
    assert (told.code, ":2:1 error draft " in told.out) == (3, True)
    assert check(draft.replace("draft: true", "draft: true\nignore: draft")).code == 3
    assert check(draft, "--ignore", "draft").code == 2
    assert check(draft, "--allow-drafts").code == 0
    assert check(draft + "\n![The board](board.png)\n", "--allow-drafts").code == 3


def test_json_is_a_list_of_all_findings_of_all_files(run, issue):
    good, wrong = issue(GOOD, "a.md"), issue(WRONG, "b.md")
    ran = run("check", good, wrong, "--newsletter", "weekly", "--format", "json")
    assert ran.code == 3
    listed = json.loads(ran.out)
    assert [(one["file"], one["line"], one["rule"], one["severity"]) for one in listed] == [
        (str(wrong), 8, "link-shortener", "warning"),
        (str(wrong), 10, "image-missing", "error"),
    ]
    assert set(listed[0]) == {"file", "line", "column", "rule", "severity", "message", "fix"}
    assert json.loads(run("check", good, "--newsletter", "weekly", "--format", "json").out) == []


def test_github_gets_annotations_that_no_text_can_break_out_of(check):
    ran = check(GOOD + "\n[100%, really::](https://bit.ly/%0A,x)\n", "--format", "github", name="a,b%c.md")
    assert ran.code == 0
    assert "/a%2Cb%25c.md,line=8,col=1,title=link-shortener::" in ran.out
    assert '"https://bit.ly/%250A,x"' in ran.out
    assert len(ran.out.splitlines()) == 1
    assert ran.out.startswith("::warning file=")


def test_a_file_that_is_not_an_issue_is_a_finding_and_the_next_is_checked(run, issue, tmp_path):
    broken = issue(b"\xff\xfe", "broken.md")
    ran = run("check", tmp_path / "gone.md", broken, issue(WARNED), "--newsletter", "weekly")
    assert ran.code == 3
    assert "gone.md:1:1 error unreadable" in ran.out
    assert "broken.md:1:1 error not-utf8" in ran.out
    assert "warning link-shortener" in ran.out
    assert "2 errors, 1 warning in 3 files." in ran.out


def test_links_are_asked_for_only_when_wanted(check, monkeypatch):
    asked = []

    def fetch(addresses):
        asked.extend(addresses)
        return {address: Answer(404) for address in addresses}

    monkeypatch.setattr(fetching, "fetch", fetch)
    assert "link-dead" not in check(WARNED).out
    assert asked == []
    ran = check(WARNED, "--links")
    assert asked == ["https://bit.ly/a"]
    assert ':8:1 warning link-dead "https://bit.ly/a" answers 404; ' in ran.out


@pytest.mark.parametrize("form", ["text", "github"])
def test_a_site_cannot_steer_the_editors_terminal(check, monkeypatch, form):
    hostile = "https://b.example/\x1b[2J\x1b]0;title\x07\x9b31m\u202eevil\r\n\x00issues/2.md:1:1 error slug"
    monkeypatch.setattr(fetching, "fetch", lambda asked: {one: Answer(200, "", hostile) for one in asked})
    said = check(WARNED, "--links", "--format", form).out
    assert "link-moved" in said
    assert not set(said) & set("\x1b\x07\x9b\u202e\r\x00")
    assert not [line for line in said.splitlines() if line.startswith("issues/2.md")]


def test_an_issue_that_was_sent_may_be_linked_though_its_file_is_gone(check):
    from django.utils import timezone

    from mailer.models import Batch, Send

    text = GOOD + "\n[Last week](2026-11-13.md)\n"
    assert "issue-unknown" in check(text).out
    send = Send.objects.create(
        newsletter="weekly", slug="2026-11-13", provider="api.sendgrid.com", first_request_at=timezone.now()
    )
    Batch.objects.create(send=send, number=0, size=1, state=Batch.State.ACCEPTED)
    assert "issue-unknown" not in check(text).out


def test_colours_are_for_terminals(check, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = check(WRONG)
    assert "error" in coloured.out
    monkeypatch.delenv("FORCE_COLOR")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31" not in check(WRONG).out


def test_a_rule_has_one_line_with_its_count_and_first_place(check):
    text = GOOD + "\n".join(f"[Link {n}](https://bit.ly/{n})\n" for n in range(38)) + "\n![The board](board.png)\n"
    lines = check(text).out.splitlines()
    assert " error image-missing image needs " in lines[0]
    assert ' warning link-shortener ×38, first at 7:1: "https://bit.ly/0" hides its target; ' in lines[1]
    assert lines[1].split(" ")[0].endswith("2026-11-20.md:7:1")
    assert lines[2:] == ["1 error, 38 warnings in 1 file; `--all` lists each."]


def test_the_line_of_a_rule_names_each_kind_that_it_found(check):
    ran = check(f"{GOOD}\n[[One]], [[Two]] and $x^2$.\n\n```mermaid\na\n```\n")

    assert '×4, first at 8:1: subscribers would see "[[One]]"; ' in ran.out
    assert ran.out.splitlines()[0].endswith('; also "$x^2$" at 8:22, "mermaid" at 10:1')


def test_all_lists_each_finding(check):
    text = GOOD + "\n[One](https://bit.ly/a) [Two](https://bit.ly/b)\n"
    lines = check(text, "--all").out.splitlines()
    assert [line.split(" ")[:3] for line in lines[:2]] == [
        [lines[0].split(" ")[0], "warning", "link-shortener"],
        [lines[1].split(" ")[0], "warning", "link-shortener"],
    ]
    assert lines[2:] == ["0 errors, 2 warnings in 1 file."]


def test_hints_are_named_once_for_all_files_and_fail_nothing(run, issue):
    files = [issue(f"# Issue {n}\n\n[One](http://a.example/)\n", f"{n}.md") for n in range(3)]
    ran = run("check", *files, "--newsletter", "weekly", "--strict")
    assert ran.code == 0
    assert ran.out == "No problems in 3 files; hints: preheader-missing ×3, http ×3; `--all` lists each.\n"
    each = run("check", *files, "--newsletter", "weekly", "--all").out.splitlines()
    assert " hint preheader-missing after the subject, an inbox shows " in each[0]
    annotated = run("check", files[0], "--newsletter", "weekly", "--format", "github").out
    assert annotated.startswith("::notice file=")


def test_a_folder_stands_for_the_issues_in_it(run, issue, tmp_path):
    issue(GOOD, "2026-11-20.md")
    issue(WARNED, "2026-11-27.markdown")
    for name in ("README.md", "notes.txt", ".hidden.md"):
        issue("No issue.\n", name)
    ran = run("check", tmp_path, "--newsletter", "weekly")
    assert ran.out.splitlines()[0].startswith(f"{tmp_path}/2026-11-27.markdown:8:1 warning link-shortener ")
    assert ran.out.splitlines()[1:] == ["0 errors, 1 warning in 2 files."]


def test_a_folder_without_issues_is_said_to_have_none(run, tmp_path):
    (tmp_path / "drafts").mkdir()
    ran = run("check", tmp_path / "drafts")
    assert (ran.code, ran.out) == (1, "")
    assert "drafts has no Markdown files; give the path of an issue, or of the folder with your issues." in ran.err


def test_of_a_whole_archive_each_rule_has_one_line(run, issue, tmp_path):
    for number in range(21):
        issue(WRONG if number % 2 else WARNED + "Page [[two]] and $x^2$.\n", f"2026-10-{number + 1:02}.md")
    ran = run("check", tmp_path, "--newsletter", "weekly")
    failed, *warned = ran.out.splitlines()[:-1]
    assert failed.startswith(f"{tmp_path}/2026-10-02.md:10:1 error image-missing ×10 in 10 files, first here: image ")
    assert [line.split(" ", 1)[1][:30] for line in warned] == [
        "warning markup-maybe ×22 in 11",
        "warning link-shortener ×21 in ",
    ]
    assert 'in 11 files, first here: subscribers would see "[[two]]"' in warned[0]
    assert warned[0].endswith('; also "$x^2$"')
    assert ran.out.splitlines()[-1] == "10 errors, 43 warnings in 21 files; `--all` lists each."
    assert len(run("check", tmp_path, "--newsletter", "weekly", "--all").out.splitlines()) == 54
