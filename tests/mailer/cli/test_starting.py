"""`mailer init` creates a newsletter in the language of the user."""

import re
from datetime import date
from pathlib import Path

import pytest

from mailer.config.newsletter import read_newsletters
from mailer.content.issues import read_issue
from mailer.content.rendering import render_issue
from mailer.content.welcomes import as_welcome
from subscribers.files.rejecting import rejected_file_of
from tests.golden import STARTER


@pytest.mark.parametrize(
    ("language", "name", "leave"), [("en", "Edge Notes", "Unsubscribe"), ("zh-hans", "边缘札记", "退订")]
)
def test_a_newsletter_starts_in_either_language_with_issues_in_order(run, tmp_path, language, name, leave):
    assert run("init", tmp_path / "mine", "--language", language).code == 0
    assert {path.name for path in (tmp_path / "mine").iterdir()} == {
        *(".env.example", ".gitignore", "newsletter.toml", "welcome.md", "issues", "images")
    }
    config = tmp_path / "mine" / "newsletter.toml"
    (newsletter,) = read_newsletters(config).values()
    assert (newsletter.name, newsletter.language) == (name, language)
    for path in (tmp_path / "mine" / "issues").iterdir():
        mail = render_issue(read_issue(path, config), newsletter, base_url="https://news.example.com")
        assert (mail.findings, leave in mail.text) == ((), True), path.name


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_welcome_to_start_from_is_a_draft_and_nothing_else_is_wrong_with_it(run, tmp_path, language):
    run("init", tmp_path, "--language", language)
    config = tmp_path / "newsletter.toml"
    (newsletter,) = read_newsletters(config).values()
    welcome = as_welcome(read_issue(tmp_path / "welcome.md", config), [newsletter.label])
    mail = render_issue(welcome, newsletter, base_url="https://news.example.com")
    assert (welcome.welcome, [finding.rule for finding in mail.findings]) == (True, ["draft"])


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh-hans"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({}, "en"),
    ],
)
def test_the_terminal_says_which_language_where_nobody_does(run, tmp_path, monkeypatch, variables, language):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.setenv(name, variables.get(name, ""))
    run("init", tmp_path)
    assert f'language = "{language}"' in (tmp_path / "newsletter.toml").read_text()


def test_both_languages_have_the_same_settings_each_explained_in_its_own_words(run, tmp_path):
    """Who changes a comment or a key in one changes it in the other."""

    def keys(path) -> list[str]:
        lines = (line.removeprefix("# ") for line in path.read_text().splitlines())
        return [line.split(" = ")[0] for line in lines if " = " in line]

    assert keys(STARTER / "en" / "newsletter.toml") == keys(STARTER / "zh-hans" / "newsletter.toml")
    run("init", tmp_path, "--language", "zh-hans")
    for name in ("newsletter.toml", ".gitignore", ".env.example"):
        comments = [line for line in (tmp_path / name).read_text().splitlines() if re.match("# [^a-z]", line)]
        assert all(re.search("[\u4e00-\u9fff]", line) for line in comments), name


def test_at_a_terminal_it_asks_for_what_nobody_can_invent(run, tmp_path, terminal):
    terminal("The Weekly\nnot an address\neditor@weekly.example.org\n1 Main Street\nde\n")
    ran = run("init", tmp_path)
    (newsletter,) = read_newsletters(tmp_path / "newsletter.toml").values()
    assert (newsletter.label, newsletter.name, newsletter.from_name) == ("the-weekly", "The Weekly", "The Weekly")
    assert (newsletter.from_email, newsletter.reply_to) == ("editor@weekly.example.org", "editor@weekly.example.org")
    assert (newsletter.postal_address, newsletter.language) == ("1 Main Street", "de")
    assert newsletter.list_id == "the-weekly.weekly.example.org"
    assert "is not an email address" in ran.err
    assert "put your" not in ran.out


def test_blank_answers_keep_the_invented_values_which_no_real_send_accepts(run, tmp_path, terminal):
    terminal("\n\n\n\n")
    ran = run(
        "init",
        tmp_path,
    )
    (newsletter,) = read_newsletters(tmp_path / "newsletter.toml").values()
    assert newsletter.name == "Edge Notes"
    assert "put your name, from_email and postal_address into newsletter.toml" in ran.out


def test_a_folder_with_a_space_is_shown_as_a_shell_takes_it(run, tmp_path):
    (tmp_path / "My letters").mkdir()
    (tmp_path / "My letters" / "2026-11-20 Tide notes.md").write_text("# Tide notes\n")
    shown = run("init", tmp_path / "My letters").out
    assert f"Next: cd '{tmp_path / 'My letters'}', then" in shown
    assert "run mailer preview '2026-11-20 Tide notes.md'." in shown


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_git_ignores_rejected_rows_as_it_does_the_database(run, tmp_path, language):
    (tmp_path / ".gitignore").write_text(".env\nvar/\n")
    run("init", tmp_path, "--language", language)
    first, second, comment, rejected = (tmp_path / ".gitignore").read_text().splitlines()
    assert (first, second, comment[0], rejected) == (".env", "var/", "#", rejected_file_of(Path("*")).name)


def test_options_answer_for_scripts_and_ask_nothing(run, tmp_path, terminal):
    terminal("")
    given = ("--name", "Boards", "--from-email", "ada@boards.example.org", "--postal-address", "1 Main Street")
    assert run("init", tmp_path, *given).code == 0
    (newsletter,) = read_newsletters(tmp_path / "newsletter.toml").values()
    assert (newsletter.label, newsletter.from_email) == ("boards", "ada@boards.example.org")


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [("--language", "klingon", "write one of en, zh-hans"), ("--from-email", "ada", "is not an email address")],
)
def test_options_that_cannot_be_used_are_refused_before_anything_is_written(run, tmp_path, option, value, words):
    ran = run("init", tmp_path / "mine", option, value)
    assert (ran.code, words in " ".join(ran.err.split()), (tmp_path / "mine").exists()) == (2, True, False)


def test_a_folder_with_issues_gets_no_samples_and_is_told_where_they_lie(run, tmp_path):
    (tmp_path / "letters").mkdir()
    for day in ("2024-01-10", "2024-02-10"):
        (tmp_path / "letters" / f"{day}.md").write_text("# A letter\n")
    ran = run("init", tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".env.example", ".gitignore", "newsletter.toml", "letters"}
    assert f"2 issues found in {tmp_path / 'letters'}; no samples added" in ran.out
    assert "mailer preview letters/2024-02-10.md" in ran.out


def test_all_folders_that_have_issues_are_named_and_the_newest_is_shown_first(run, tmp_path):
    for name in (
        "posts/2024-01-10",
        "posts/2024-02-10",
        "letters/2024-03-01",
        "letters/2024-03-08",
        "notes/2024-01-01",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.md").write_text("# A letter\n")
    ran = run("init", tmp_path)
    places = (
        f"2 issues found in {tmp_path / 'letters'}, 2 in {tmp_path / 'posts'}, 1 in {tmp_path / 'notes'}; no samples"
    )
    assert places in ran.out
    assert "mailer preview letters/2024-03-08.md" in ran.out


def test_the_first_issue_is_of_today(run, tmp_path):
    run("init", tmp_path)
    assert read_issue(tmp_path / "issues" / "hello.md").date == date.today()


def test_licence_and_about_are_chosen_not_inherited(run, tmp_path):
    run("init", tmp_path)
    (newsletter,) = read_newsletters(tmp_path / "newsletter.toml").values()
    assert (newsletter.license, newsletter.about) == ("", "")
