"""Tell a newsletter's welcome, which whoever confirms gets, from an issue: by its name, beside newsletter.toml.

`welcome.md` is in the newsletter's language, `welcome.de.md` in German. With several newsletters in newsletter.toml the
label comes first: `welcome.weekly.md`, `welcome.weekly.de.md`.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from mailer.config.languages import read_language
from mailer.content.issues import Issue

SUFFIXES = (".md", ".markdown")


@dataclass(frozen=True)
class Name:
    newsletter: str  # label; "" if the name has none
    language: str  # "" for the newsletter's


def read_name(file: Path, labels: Collection[str]) -> Name | None:
    """Return what the name of a welcome says; None if it is that of an ordinary file."""
    first, *rest = file.stem.split(".")
    if first.lower() != "welcome" or file.suffix.lower() not in SUFFIXES:
        return None
    label = rest.pop(0) if rest and rest[0] in labels else ""
    if not rest:
        return Name(label, "")
    try:
        return Name(label, read_language(rest[0])) if len(rest) == 1 else None
    except ValueError:
        return None


def as_welcome(issue: Issue, labels: Collection[str]) -> Issue:
    """Return the content of a welcome's file as that of a welcome, any other as it is."""
    path = issue.path.resolve()
    name = read_name(path, labels) if path.parent == issue.folder else None
    if name is None:
        return issue
    newsletter, language = name.newsletter or issue.newsletter, issue.language or name.language
    return replace(issue, welcome=True, newsletter=newsletter, language=language)
