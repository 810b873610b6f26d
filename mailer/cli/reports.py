"""Print what `mailer check` found: grouped by rule for people, every finding with its place for programs."""

import json
import sys
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
ANNOTATIONS = {"error": "error", "warning": "warning", "hint": "notice"}


def print_all(found: Found, files: int) -> None:
    """Print one line per finding, in the order of the files."""
    _write(_line(file, finding) for file, finding in found)
    click.echo(_summary(found, files))


def print_grouped(found: Found, files: int) -> None:
    """Print one line per file and rule, errors first; a hint has one line, however many files it is about."""
    groups = _groups(found)
    _write(_line(*group[0], _times(group)) for group in groups)
    more = "; `--all` lists each" if len(groups) < len(found) else ""
    click.echo(_summary(found, files, more))


def _groups(found: Found) -> list[Found]:
    groups: dict[tuple[Path | None, str], list[tuple[Path, Finding]]] = {}
    for file, finding in found:
        groups.setdefault((None if finding.severity == "hint" else file, finding.rule), []).append((file, finding))
    files = {file: number for number, file in enumerate(file for file, _ in found)}

    def place(group: Found) -> tuple[bool, int, int]:
        file, finding = group[0]
        return finding.severity == "hint", files[file], SEVERITIES.index(finding.severity)

    return sorted(groups.values(), key=place)


def _times(group: Found) -> str:
    if len(group) == 1:
        return ""
    files, (_, first) = {file for file, _ in group}, group[0]
    where = f" in {len(files)} files" if len(files) > 1 else ""
    return f" ×{len(group)}{where}, first at {first.line}:{first.column}:"


def _line(file: Path, finding: Finding, times: str = "") -> Line:
    place = one_line(f"{file}:{finding.line}:{finding.column}")
    return place, finding.severity, one_line(f"{finding.rule}{times} {finding.message}; {finding.fix}")


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


def _summary(found: Found, files: int, more: str = "") -> str:
    if not found:
        return f"No problems in {counted(files, 'file')}."
    severe = [finding.severity for _, finding in found]
    # Errors and warnings are counted even if there are none: scripts read the line.
    counts = [counted(severe.count(name), name) for name in SEVERITIES if name != "hint" or name in severe]
    return f"{', '.join(counts)} in {counted(files, 'file')}{more}."


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
