"""An issue as a command takes it in hand: read, rendered, and with all that is to be said about it."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import quote

import click
from django.conf import settings
from django.db import DatabaseError

from mailer.archive import Entry, archive_root, before, entries
from mailer.checks import blocking
from mailer.checks.proofs import Proof
from mailer.checks.rules import FINAL, RULES
from mailer.cli.terminal import Exit, Problem, choose_newsletter, counted, one_line
from mailer.content.findings import Finding
from mailer.content.issues import read_issue
from mailer.content.markdown import BackIssue
from mailer.content.rendering import render_issue


def read_proof(file: Path, newsletter: str | None) -> Proof:
    """The issue in `file` for the newsletter that was asked for, that it names itself, or the only one there is.

    What is mailed is `proof.rendered`, to the byte, whichever command asks. Raises IssueError.
    """
    issue = read_issue(file, settings.CONFIG)
    label = choose_newsletter(newsletter or issue.newsletter)
    chosen, listed = settings.NEWSLETTERS[label], _sent(label)
    archive_url = archive_root(settings.BASE_URL, label, list(settings.NEWSLETTERS))
    sent = frozenset(entry.slug for entry in listed)
    rendered = render_issue(
        issue,
        chosen,
        base_url=settings.BASE_URL,
        sent_slugs=sent,
        archive_url=archive_url,
        back_issues=back_issues(issue.slug, listed, archive_url),
    )
    rehearsal = settings.PROVIDER == "rehearsal"
    return Proof(issue, rendered, chosen, rehearsal, settings.BASE_URL, sent, settings.PROVIDER_IS_LOCAL)


def refuse_unknown_rules(ignored: Iterable[str]) -> None:
    """Each rule that `--ignore` names is one, and may be ignored; else the command ends with exit code 2."""
    for rule in ignored:
        if rule in FINAL:
            raise Problem(f"--ignore {rule}: this rule cannot be ignored.", Exit.USAGE)
        if rule not in RULES:
            near = get_close_matches(rule, RULES, 1)
            instead = f"did you mean {near[0]}?" if near else "docs/authoring.md lists them all."
            raise Problem(f"--ignore {rule}: there is no such rule; {instead}", Exit.USAGE)


def tell(file: Path, findings: Iterable[Finding]) -> None:
    """One line a finding on stderr, as editors and terminals understand them."""
    for finding in findings:
        place = f"{file}:{finding.line}:{finding.column}"
        click.echo(one_line(f"{place} {finding.severity} {finding.rule} {finding.message}; {finding.fix}"), err=True)


def stop_at_errors(file: Path, findings: list[Finding], outcome: str) -> None:
    """Errors are told and end the command with exit code 3, with `outcome`; warnings are counted, and it goes on."""
    if errors := blocking(findings):
        tell(file, errors)
        raise Problem(f"{counted(len(errors), 'error')} in {file}; {outcome}.", Exit.FINDINGS)
    if findings:
        warnings = counted(len(findings), "warning")
        click.echo(f"mailer: {warnings} in {file}; `mailer check {file}` lists them.", err=True)


def back_issues(slug: str, listed: list[Entry], archive_url: str) -> list[BackIssue]:
    """The list that stands for `<!-- back issues -->` in the issue `slug`."""
    return [BackIssue(entry.title, archive_url + quote(entry.slug, safe="") + "/") for entry in before(slug, listed)]


def _sent(newsletter: str) -> list[Entry]:
    """Issues with a page in the archive; none where there is no database yet, and a look makes none."""
    database = settings.DATABASES["default"]
    if "sqlite" in database["ENGINE"] and not Path(database["NAME"]).is_file():
        return []
    try:
        return entries(newsletter)
    except DatabaseError:
        return []
