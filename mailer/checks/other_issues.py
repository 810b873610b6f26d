"""Check links to other issues of the newsletter: whether they exist, and whether subscribers can read them."""

import posixpath
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from urllib.parse import unquote

from mailer.checks.proofs import Link, Proof
from mailer.content.dates import days_in, in_words
from mailer.content.findings import Finding
from mailer.content.issues import IssueError, read_issue, slug_of


def look(proof: Proof) -> Iterator[Finding]:
    seen = set()
    for link in proof.links:
        path = _issue_file(proof, link.target)
        if path and path not in seen and slug_of(path) not in proof.known_slugs:
            seen.add(path)
            yield from _unsent(proof, link, path) if path.exists() else _unknown(proof, link, path)


def _unknown(proof: Proof, link: Link, path: Path) -> Iterator[Finding]:
    name = path.relative_to(proof.issue.folder)
    what = f"there is no issue {name} here, so the link would lead to no page"
    yield proof.finding(link.line, link.column, "issue-unknown", what, "correct the link, or remove it")


def _unsent(proof: Proof, link: Link, path: Path) -> Iterator[Finding]:
    """Report an issue that has no page though it should: a link to its file is right only for those of long ago."""
    why = _why_unsent(proof, path)
    if why and proof.newsletter.source_url:  # without it, the renderer says that the link leads nowhere
        name = path.relative_to(proof.issue.folder)
        what = f"{name} {why} and has no page, so the link leads to its file below {proof.newsletter.source_url}"
        fix = "send that issue first, or remove the link"
        yield proof.finding(link.line, link.column, "issue-unsent", what, fix)


def _why_unsent(proof: Proof, path: Path) -> str:
    try:
        other = read_issue(path)
    except IssueError:
        return ""
    if any(finding.rule == "draft" for finding in other.findings):
        return "is a draft"
    if not other.date:
        return ""
    if proof.issue.date and other.date > proof.issue.date:
        return f"is dated {in_words(other.date)}, after this issue,"
    first = _first_sent(proof)
    return f"was not sent, though issues since {in_words(first)} were," if first and other.date >= first else ""


def _first_sent(proof: Proof) -> date | None:
    return min((day for slug in proof.known_slugs for day in days_in(slug)[:1]), default=None)


def _issue_file(proof: Proof, target: str) -> Path | None:
    """Return the Markdown file in the newsletter's folder that a link means, or None."""
    source_url = proof.newsletter.source_url
    folder = proof.issue.folder
    if source_url and target.startswith(source_url):
        beside, target = folder, target[len(source_url) :]
    elif re.match(r"[A-Za-z][A-Za-z0-9+.-]*:|//|#", target) or not target:
        return None
    else:
        beside = folder if target.startswith("/") else proof.issue.path.resolve().parent
    path = unquote(re.split(r"[?#]", target)[0]).lstrip("/")
    if not path.lower().endswith((".md", ".markdown")) or "\0" in path or len(path) > 500:
        return None
    file = Path(posixpath.normpath(beside / path))
    return file if file.is_relative_to(folder) else None
