"""Emails and pages in the W3C checker (Nu Html Checker): no errors except those that email clients require."""

import json
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from django.test.signals import template_rendered

from tests.golden import ISSUES, ROOT
from tests.mailer.quality.mails import REAL, Seen, confirmation, letter, mail, notice
from tests.mailer.quality.pages import readers_pages
from tests.parts import skip_without, vnu

pytestmark = pytest.mark.slow  # a program in Java, for each
TEMPLATES = ROOT / "templates" / "pages"
# Why each of these may stand in a mail. Ten at most; in a page none.
ALLOWED = {
    # Outlook for Windows draws with Word, which knows its own elements by these two names only.
    "Attribute “xmlns:v” not allowed here.",
    "Attribute “xmlns:o” not allowed here.",
    # Word puts space around each table unless told not to.
    "CSS: “mso-table-lspace”: Property “mso-table-lspace” doesn't exist.",
    "CSS: “mso-table-rspace”: Property “mso-table-rspace” doesn't exist.",
    # Word shows what `display: none` hides.
    "CSS: “mso-hide”: Property “mso-hide” doesn't exist.",
    # Word adds its own padding to a button's.
    "CSS: “mso-padding-alt”: Property “mso-padding-alt” doesn't exist.",
    # The name of `color-scheme` in Apple Mail before 2020; without it that inverts our colours itself.
    "CSS: “supported-color-schemes”: Property “supported-color-schemes” doesn't exist.",
    # Apple's switch against enlarging text on a phone has a name and no content.
    "Element “meta” is missing one or more of the following attributes: “content”, “property”.",
    # The editor's words, which stay as they are: `mailer check` warns of it (heading-skipped).
    "The heading * skipping * heading level*",
}


def errors(seen: dict[str, Seen], folder: Path) -> dict[str, str]:
    """Return each message that the checker calls an error, with its place."""
    command = vnu()
    if command is None:
        skip_without("vnu")
    for number, one in enumerate(seen.values()):
        (folder / f"{number:03}.html").write_text(one.html, encoding="utf-8")
    files = sorted(str(path) for path in folder.glob("*.html"))
    options = ["--format", "json", "--stdout", "--exit-zero-always"]
    ran = subprocess.run([*command, *options, *files], capture_output=True, text=True, timeout=120, check=True)
    names = list(seen)
    return {
        one["message"]: f"{names[int(Path(one['url']).stem)]}: {one.get('extract')}"
        for one in json.loads(ran.stdout)["messages"]
        if one["type"] != "info"
    }


def allowed(message: str) -> bool:
    return any(fnmatchcase(message, pattern) for pattern in ALLOWED)


def test_the_checker_sees_what_is_wrong(tmp_path: Path):
    assert len(errors({"broken": Seen("<!doctype html><html lang=en><title>t</title><p><table></p>")}, tmp_path)) > 1


@pytest.mark.django_db
def test_mails_are_valid_but_for_what_clients_need(tmp_path: Path):
    assert len(ALLOWED) <= 10
    issues = {str(path): mail(path) for path in [*ISSUES, *REAL]}
    mails = issues | {
        f"{one.__name__} {two}": one(two) for one in (confirmation, letter, notice) for two in ("weekly", "jianbao")
    }
    found = errors(mails, tmp_path)
    assert {message: where for message, where in found.items() if not allowed(message)} == {}


@pytest.fixture
def drawn() -> Iterator[set[str]]:
    """Return the names of the templates that were rendered."""
    names: set[str] = set()

    def note(template, **_) -> None:
        names.add(template.name)

    template_rendered.connect(note)
    yield names
    template_rendered.disconnect(note)


@pytest.mark.usefixtures("_an_installation")
def test_pages_are_valid_and_none_is_left_out(monkeypatch, tmp_path: Path, drawn: set[str]):
    pages = readers_pages(monkeypatch)
    assert {f"pages/{path.name}" for path in TEMPLATES.glob("[!_]*.html")} - drawn == set()
    assert errors(pages, tmp_path) == {}
