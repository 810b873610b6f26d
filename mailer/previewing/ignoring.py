"""Say which line leaves a rule's findings out, in this issue or in the newsletter. The preview writes no file."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from mailer.checks import ignorable
from mailer.config.newsletter import FILE_NAME, Newsletter
from mailer.config.rules import RULES
from mailer.content.issues import Issue


@dataclass(frozen=True)
class Line:
    """What to write, and where, as it continues "In this issue: "."""

    text: str
    where: str


@dataclass(frozen=True)
class Ignoring:
    issue: Line
    newsletter: Line | None  # None for errors: an issue may have a reason, all of them have none


def ignoring(rules: Iterable[str], issue: Issue, newsletter: Newsletter) -> dict[str, Ignoring]:
    """Return for each rule that may be ignored how that is written, together with those that are ignored already."""
    return {
        rule: Ignoring(_in_issue(rule, issue), _in_newsletter(rule, newsletter)) for rule in rules if ignorable(rule)
    }


def _in_newsletter(rule: str, newsletter: Newsletter) -> Line | None:
    if RULES[rule].severity == "error":
        return None
    where = f"{FILE_NAME}, under [newsletters.{newsletter.label}]"
    if newsletter.ignore:
        where = f"{where}, instead of its line that begins with ignore"
    return Line(f"ignore = {_quoted({rule, *newsletter.ignore})}", where)


def _in_issue(rule: str, issue: Issue) -> Line:
    front = issue.source.decode("utf-8-sig", "replace").splitlines()[: issue.body_line - 1]
    fence = next((line.strip()[:3] for line in front if re.match(r"---|\+\+\+|\{", line.strip())), "")
    named = ", ".join(sorted({rule, *issue.ignore}))
    lines = {
        "---": Line(f"ignore: [{named}]", "between the lines --- at the top"),
        "+++": Line(f"ignore = {_quoted({rule, *issue.ignore})}", "between the lines +++ at the top"),
    }
    if fence[:1] == "{":
        line = Line(f'"ignore": {_quoted({rule, *issue.ignore})},', "below the { at the top")
    elif fence:
        line = lines[fence]
    elif any(line.strip() for line in front):
        line = Line(f"ignore: {named}", "below the first line")
    else:
        line = Line(f"---\nignore: [{named}]\n---", "above the first line")
    written = (number for number, text in enumerate(front, 1) if re.match(r"\s*[\"']?ignore[\"']?\s*[:=]", text, re.I))
    number = next(written, 0)
    return Line(line.text, f"instead of line {number}") if number else line


def _quoted(rules: Iterable[str]) -> str:
    return json.dumps(sorted(rules))
