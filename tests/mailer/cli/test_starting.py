"""`mailer init` creates a newsletter in the language of the user."""

import pytest

from mailer.config.newsletter import read_newsletters
from mailer.content.issues import read_issue
from mailer.content.rendering import render_issue
from tests.golden import STARTER


@pytest.mark.parametrize(
    ("language", "name", "leave"), [("en", "Edge Notes", "Unsubscribe"), ("zh-hans", "边缘札记", "退订")]
)
def test_a_newsletter_starts_in_either_language_with_issues_in_order(run, tmp_path, language, name, leave):
    assert run("init", tmp_path / "mine", "--language", language).code == 0
    assert {path.name for path in (tmp_path / "mine").iterdir()} == {
        *(".env.example", ".gitignore", "newsletter.toml", "issues", "images")
    }
    config = tmp_path / "mine" / "newsletter.toml"
    (newsletter,) = read_newsletters(config).values()
    assert (newsletter.name, newsletter.language) == (name, language)
    for path in (tmp_path / "mine" / "issues").iterdir():
        mail = render_issue(read_issue(path, config), newsletter, base_url="https://news.example.com")
        assert (mail.findings, leave in mail.text) == ((), True), path.name


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


def test_both_languages_explain_the_same_settings():
    """A comment or a key that changes in one language must change in the other."""

    def keys(path) -> list[str]:
        return [line if line.startswith("#") else line.split(" = ")[0] for line in path.read_text().splitlines()]

    assert keys(STARTER / "newsletter.toml") == keys(STARTER / "en" / "newsletter.toml")
