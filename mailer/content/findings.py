"""What an editor should know about an issue before its subscribers do."""

from dataclasses import dataclass

from mailer.config.rules import Severity


@dataclass(frozen=True, order=True)
class Finding:
    """One problem, at a place in the issue's file. `line` and `column` count from 1, as editors do."""

    line: int
    column: int
    rule: str  # such as alt-missing; what `ignore:` in the front matter names
    severity: Severity
    message: str  # what is wrong
    fix: str  # what to do about it
