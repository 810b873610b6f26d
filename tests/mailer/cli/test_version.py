"""`mailer version` prints what a bug report needs."""

from importlib.metadata import version

import pytest

from mailer.config import environment


@pytest.mark.parametrize(
    ("url", "database"), [("", "SQLite 3."), ("postgres://me:secret@db/news", "PostgreSQL, through")]
)
def test_the_versions_of_all_that_matters_are_printed_and_no_address(run, monkeypatch, url, database):
    monkeypatch.setattr(environment, "read", lambda name: url)
    ran = run("version")
    assert ran.code == 0
    first, python, kind = ran.out.splitlines()
    assert first == f"mailer {version('markdown-mailer')}"
    assert python.startswith("Python 3.")
    assert kind.startswith(f"database {database}")
    assert "secret" not in ran.out
    assert "db" not in ran.out


def test_the_option_prints_the_same_version(run):
    assert run("--version").out == f"mailer, version {version('markdown-mailer')}\n"
