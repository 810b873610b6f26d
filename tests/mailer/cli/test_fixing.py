"""`mailer check --fix` shows what it would change, and asks."""

import json

import pytest

from mailer.cli import terminal

SLIPS = "---\ntitle: Boards of spring\npreheader: Three small ones.\n---\n\n##News\n\nHello there.\n"


@pytest.fixture
def file(issue):
    return issue(SLIPS, "2026-11-20.md")


@pytest.fixture
def fix(run, file):
    return lambda *options: run("check", file, "--newsletter", "weekly", "--fix", *options)


def test_without_a_terminal_and_yes_the_changes_are_shown_and_nothing_is_written(fix, file):
    ran = fix()
    assert ran.code == 4
    assert "-##News\n+## News\n" in ran.err
    assert "add --yes" in ran.err
    assert file.read_text() == SLIPS


def test_with_yes_the_file_is_written_and_then_checked(fix, file):
    ran = fix("--yes", "--format", "json")
    assert ran.code == 0
    assert json.loads(ran.out) == []
    assert file.read_text() == SLIPS.replace("##News", "## News")
    again = fix()
    assert (again.code, "nothing to fix" in again.err) == (0, True)


@pytest.mark.parametrize(("answer", "code"), [(True, 0), (False, 4)])
def test_at_a_terminal_the_answer_decides(fix, file, monkeypatch, answer, code):
    monkeypatch.setattr(terminal, "on_terminal", lambda: True)
    monkeypatch.setattr(terminal.click, "confirm", lambda question, err: answer)
    assert fix().code == code
    assert ("## News" in file.read_text()) is answer


def test_links_without_encryption_are_named_when_no_site_is_asked(fix, file):
    file.write_text(SLIPS + "\n[One](http://a.example/)\n")
    assert "1 link with http: stays; add --links" in fix("--yes").err
    file.write_text(SLIPS + "\n[One](http://a.example/), [two](http://b.example/)\n")
    assert "2 links with http: stay; add --links" in fix("--yes").err


def test_a_text_cannot_steer_the_terminal_from_the_changes(fix, file):
    file.write_text(SLIPS.replace("##News", "##News \u202eevil \x9b31m"))
    assert not set(fix().err) & set("\u202e\x9b")


def test_a_newsletter_that_does_not_exist_is_refused_before_anything_is_written(run, file):
    assert run("check", file, "--newsletter", "daily", "--fix", "--yes").code == 2
    assert file.read_text() == SLIPS


def test_yes_is_for_fix_only(run, file):
    assert run("check", file, "--yes").code == 2
