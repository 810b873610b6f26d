"""Documents name only modules that exist, and link only to pages and headings that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NAMED = re.compile(r"`((?:mailer|subscribers|tests|templates)/[\w/.-]*[\w/])`")


# The changelog speaks of older versions too, and a checkout puts templates elsewhere than a wheel.
DOCUMENTS = [path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")] if path.name != "CHANGELOG.md"]
IN_THE_WHEEL = "mailer/templates/"
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.S)
LINK = re.compile(r"\]\(([^()\s:#]*)(?:#([^()\s]+))?\)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_a_document_names_is_there(document: Path):
    named = NAMED.findall(document.read_text(encoding="utf-8"))
    assert [path for path in named if path != IN_THE_WHEEL and not (ROOT / path).exists()] == []


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_between_documents_leads_to_a_page_and_a_heading(document: Path):
    broken = []
    for target, anchor in LINK.findall(CODE.sub("", document.read_text(encoding="utf-8"))):
        page = (document.parent / target).resolve() if target else document
        if not page.exists() or (anchor and anchor not in anchors(page)):
            broken.append(f"{target}#{anchor}")
    assert broken == []


def test_the_map_names_every_package():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    packages = {path.parent.name for path in ROOT.glob("mailer/*/__init__.py")} - {"migrations", "sqlite", "postgresql"}
    assert {name for name in packages if f"  {name}/ " not in text} == set()
    assert NAMED.findall(text), "the pattern finds nothing any more"
