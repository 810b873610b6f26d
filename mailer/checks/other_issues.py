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
from mailer.content.issues import Issue, IssueError, read_issue, slug_of


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
    """Report an issue whose page a link to its file does not find: that is right only for those of long ago."""
    found = _why_unsent(proof, path)
    if found and proof.newsletter.source_url:  # without it, the renderer says that the link leads nowhere
        name = path.relative_to(proof.issue.folder)
        why, fix = found
        what = f"{name} {why}, so the link leads to its file below {proof.newsletter.source_url}"
        yield proof.finding(link.line, link.column, "issue-unsent", what, fix)


def _why_unsent(proof: Proof, path: Path) -> tuple[str, str] | None:
    """Return why the link finds no page, and what to do; None if that is as it should be, or nobody can tell."""
    try:
        other = read_issue(path)
    except IssueError:
        return None
    if other.newsletter and other.newsletter != proof.newsletter.label:
        return None
    if other.slug in proof.known_slugs:
        return f'was sent as "{other.slug}", by which links to files do not look', "give the address of its page"
    why = _why_not_sent(proof, other)
    return (f"{why} and has no page", "send that issue first, or remove the link") if why else None


def _why_not_sent(proof: Proof, other: Issue) -> str:
    if other.is_draft:
        return "is a draft"
    if not other.date:
        return ""
    if proof.issue.date and other.date > proof.issue.date:
        return f"is dated {in_words(other.date)}, after this issue,"
    first, last = _sent_days(proof)
    # An issue that is prepared together with this one is sent before it.
    was_due = first and last and first <= other.date < last and _place(other.path) == _place(proof.issue.path)
    return f"was not sent, though the issue of {in_words(last)} was," if last and was_due else ""


def _sent_days(proof: Proof) -> tuple[date, date] | tuple[None, None]:
    """Return the days of the first and the last issue that were sent."""
    days = [day for slug in proof.known_slugs for day in days_in(slug)[:1]]
    return (min(days), max(days)) if days else (None, None)


def _place(path: Path) -> Path:
    """Return the folder that holds an issue; elsewhere are a web site's own pages."""
    folder = path.resolve().parent
    return folder.parent if path.stem.lower() in ("index", "readme") else folder


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
