"""Print what `mailer check` found: grouped by rule for people, every finding with its place for programs."""

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from mailer.cli.terminal import counted, one_line, printable
from mailer.config.rules import SEVERITIES
from mailer.content.findings import Finding

Found = Sequence[tuple[Path, Finding]]
Line = tuple[str, str, str]  # place, severity, and the rule with all that there is to say

COLOURS = {"error": "bold red", "warning": "yellow", "hint": "blue"}
# Rules that find markup of many programs, each with a correction of its own.
OF_MANY_KINDS = ("markup-left", "markup-maybe", "private-note")
MOST_KINDS = 4  # that a line names
MOST_LINES = 40  # more are an overview of nothing: then there is one line per rule, not one per file and rule
ANNOTATIONS = {"error": "error", "warning": "warning", "hint": "notice"}


def print_all(found: Found, files: int) -> None:
    """Print one line per finding, in the order of the files."""
    _write(_line(file, finding) for file, finding in found)
    click.echo(_summary(found, files))


def print_grouped(found: Found, files: int) -> None:
    """Print one line per file and rule, errors first; of many files, one line per rule. Hints are only named."""
    severe = [one for one in found if one[1].severity != "hint"]
    groups = _groups(severe)
    if len(groups) > MOST_LINES and files > 1:
        groups = _of_all_files(severe)
    _write(_line(*group[0], _times(group), _other_kinds(group)) for group in groups)
    hints = Counter(finding.rule for _, finding in found if finding.severity == "hint")
    named = ", ".join(f"{rule} ×{number}" if number > 1 else rule for rule, number in hints.items())
    more = [f"hints: {named}"] if hints else []
    more += ["`--all` lists each"] if len(groups) < len(found) else []
    click.echo(_summary(found, files, more))


def _groups(found: Found) -> list[Found]:
    groups: dict[tuple[Path, str], list[tuple[Path, Finding]]] = {}
    for file, finding in found:
        groups.setdefault((file, finding.rule), []).append((file, finding))
    files = {file: number for number, file in enumerate(file for file, _ in found)}

    def place(group: Found) -> tuple[int, int]:
        file, finding = group[0]
        return files[file], SEVERITIES.index(finding.severity)

    return sorted(groups.values(), key=place)


def _of_all_files(found: Found) -> list[Found]:
    """Return the findings by rule, errors first, then the most frequent: what to begin with in a whole archive."""
    groups: dict[str, list[tuple[Path, Finding]]] = {}
    for file, finding in found:
        groups.setdefault(finding.rule, []).append((file, finding))
    return sorted(groups.values(), key=lambda group: (SEVERITIES.index(group[0][1].severity), -len(group)))


def _times(group: Found) -> str:
    first = group[0][1]
    if files := len({file for file, _ in group}) - 1:
        return f" ×{len(group)} in {files + 1:,} files, first here:"
    return f" ×{len(group)}, first at {first.line}:{first.column}:" if len(group) > 1 else ""


def _other_kinds(group: Found) -> str:
    """Name what else the rule found that is corrected otherwise: `[[page]]`, but `$x$` and a drawing, too."""
    if group[0][1].rule not in OF_MANY_KINDS:
        return ""
    kinds = {finding.fix: finding for _, finding in reversed(group)}
    others = sorted(finding for fix, finding in kinds.items() if fix != group[0][1].fix)
    in_one_file = len({file for file, _ in group}) == 1
    places = [f" at {finding.line}:{finding.column}" if in_one_file else "" for finding in others]
    named = [f"{_quoted(finding.message)}{place}" for finding, place in zip(others, places, strict=True)][:MOST_KINDS]
    named += [f"{len(others) - MOST_KINDS} more kinds"] if len(others) > MOST_KINDS else []
    return f"; also {', '.join(named)}" if named else ""


def _quoted(message: str) -> str:
    found = re.search(r'"[^"]+"', message)
    return found[0] if found else message


def _line(file: Path, finding: Finding, times: str = "", more: str = "") -> Line:
    place = one_line(f"{file}:{finding.line}:{finding.column}")
    return place, finding.severity, one_line(f"{finding.rule}{times} {finding.message}; {finding.fix}{more}")


def _write(lines: Iterable[Line]) -> None:
    write = _coloured() if sys.stdout.isatty() else _plain
    for line in lines:
        write(*line)


def _plain(place: str, severity: str, rest: str) -> None:
    click.echo(f"{place} {severity} {rest}")


def _coloured() -> Callable[[str, str, str], None]:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)

    def write(place: str, severity: str, rest: str) -> None:
        rule, _, detail = rest.partition(" ")
        console.print(
            Text.assemble((place, "cyan"), " ", (severity, COLOURS[severity]), " ", (rule, "bold"), " ", detail)
        )

    return write


def _summary(found: Found, files: int, more: Sequence[str] = ()) -> str:
    severe = [finding.severity for _, finding in found if finding.severity != "hint"]
    what = ", ".join(counted(severe.count(name), name) for name in SEVERITIES if name != "hint")
    said = f"{what if severe else 'No problems'} in {counted(files, 'file')}"
    return f"{'; '.join([said, *more])}."


def print_json(found: Found, files: int) -> None:
    listed = [{"file": str(file)} | asdict(finding) for file, finding in found]
    click.echo(json.dumps(listed, ensure_ascii=False, indent=2))


def print_github(found: Found, files: int) -> None:
    """Print workflow commands: docs.github.com, "Workflow commands for GitHub Actions"."""
    for file, finding in found:
        place = f"file={_property(str(file))},line={finding.line},col={finding.column},title={_property(finding.rule)}"
        detail = _data(printable(f"{finding.message}; {finding.fix}"))
        click.echo(f"::{ANNOTATIONS[finding.severity]} {place}::{detail}")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
