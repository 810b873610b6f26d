"""The line that an editor pastes does what the preview says it does."""

from dataclasses import replace

import pytest

from mailer.checks import RULES
from mailer.config.newsletter import Newsletter, read_newsletters
from mailer.content.issues import read_issue
from mailer.previewing.ignoring import ignoring


@pytest.fixture
def weekly(folder) -> Newsletter:
    return read_newsletters(folder / "newsletter.toml")["weekly"]


FRONTS = {
    "": ("---\nignore: [http]\n---", "above the first line"),
    "---\ntitle: A\n---\n": ("ignore: [http]", "between the lines --- at the top"),
    '+++\ntitle = "A"\n+++\n': ('ignore = ["http"]', "between the lines +++ at the top"),
    "Title: A\nDate: 2026-11-20\n\n": ("ignore: http", "below the first line"),
    '{\n"title": "A"\n}\n': ('"ignore": ["http"],', "below the { at the top"),
    "---\ntitle: A\nignore: bare-url\n---\n": ("ignore: [bare-url, http]", "instead of line 3"),
}


@pytest.mark.parametrize("front", FRONTS)
def test_the_line_for_an_issue_suits_its_front_matter_and_works(file, weekly, front):
    file.write_text(f"{front}# A\n\nText.\n")
    line = ignoring(["http"], read_issue(file), weekly)["http"].issue
    assert (line.text, line.where) == FRONTS[front]
    lines = file.read_text().split("\n")
    if line.where.startswith("instead"):
        lines[2:3] = [line.text]
    else:
        lines.insert(0 if line.where.startswith("above") else 1, line.text)
    file.write_text("\n".join(lines))
    assert "http" in read_issue(file).ignore


def test_the_line_for_the_newsletter_keeps_what_it_ignores_already(file, folder, weekly):
    line = ignoring(["http"], read_issue(file), replace(weekly, ignore=frozenset({"alt-missing"})))["http"].newsletter
    assert line.text == 'ignore = ["alt-missing", "http"]'
    assert line.where == "newsletter.toml, under [newsletters.weekly], instead of its line that begins with ignore"
    config = folder / "newsletter.toml"
    config.write_text(f"{config.read_text()}{line.text}\n")
    assert read_newsletters(config)["weekly"].ignore == {"alt-missing", "http"}


def test_errors_are_ignored_in_one_issue_only_and_safeguards_nowhere(file, weekly):
    found = ignoring(RULES, read_issue(file), weekly)
    assert found["image-missing"].newsletter is None
    assert "unsubscribe-missing" not in found
    assert "draft" not in found
