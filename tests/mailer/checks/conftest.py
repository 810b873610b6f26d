"""Check one issue in an editor's folder as `mailer check` does."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mailer.checks.proofs import Proof
from mailer.config.newsletter import Newsletter
from mailer.content.findings import Finding
from mailer.content.issues import read_issue
from mailer.content.rendering import render_issue

BASE = "https://news.example.com"
GOOD = "---\ntitle: Boards of spring\ndate: 2026-11-20\npreheader: Three small ones.\n---\n\nHello there.\n"


@pytest.fixture
def weekly(tmp_path: Path) -> Newsletter:
    return Newsletter(
        label="weekly",
        name="The Weekly",
        from_email="editor@boards-weekly.press",
        from_name="The Weekly",
        postal_address="1 Harbour Street, Springfield",
        source_url="https://git.example.com/weekly/",
        folder=tmp_path,
    )


@pytest.fixture
def proof(tmp_path: Path, weekly: Newsletter) -> Callable[..., Proof]:
    """Read and render an issue of this text: `proof("# Title\\n\\nText")`; `settings` change the newsletter."""

    def make(
        text: str,
        *,
        name: str = "2026-11-20.md",
        rehearsal: bool = False,
        local: bool = False,
        base_url: str = BASE,
        known: frozenset[str] = frozenset(),
        **settings: object,
    ) -> Proof:
        (tmp_path / "newsletter.toml").touch()
        path = tmp_path / "issues" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        newsletter = replace(weekly, **settings)
        issue = read_issue(path)
        rendered = render_issue(issue, newsletter, base_url=base_url, sent_slugs=known)
        return Proof(issue, rendered, newsletter, rehearsal, base_url, known, local)

    return make


@pytest.fixture
def rules(proof: Callable[..., Proof]) -> Callable[..., list[str]]:
    """Return the rules that an otherwise faultless issue of this text breaks, in order: `rules("Text")`.

    A text that brings its own front matter or title is taken as it is.
    """
    from mailer.checks import check

    return lambda text, **more: [finding.rule for finding in check(proof(whole(text), **more))]


@pytest.fixture
def findings(proof: Callable[..., Proof]) -> Callable[..., list[Finding]]:
    from mailer.checks import check

    return lambda text, **more: check(proof(whole(text), **more))


def whole(text: str) -> str:
    return text if text.startswith(("---\n", "# ")) else f"{GOOD}\n{text}\n"
