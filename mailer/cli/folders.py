"""The folder of a newsletter: the files that it starts with, where its issues lie, and what git must not see.

No import of Django: `mailer init` runs where nothing is set up.
"""

import errno
import json
import os
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path, PurePath
from unicodedata import normalize

from mailer.cli.terminal import Problem
from mailer.config.newsletter import why_not_a_label
from mailer.content.dates import days_in

STARTER = Path(__file__).resolve().parents[1] / "starter"
# The folder of a language holds what differs from the files beside it, of which tests make their newsletter.
LANGUAGES = ("en", "zh-hans")
# Files whose names would act on this repository if they stood in it under their own.
RENAMED = {"gitignore": ".gitignore", "env.example": ".env.example"}
SAMPLES = ("issues", "images", "welcome.md")
NO_ISSUES = re.compile(r"(readme|changelog|contributing|license|licence|code_of_conduct|security|index|todo)([._-].*)?")
ELSEWHERE = {"node_modules", "var", "vendor", "venv", "templates"}
DEPTH = 3  # folders below the newsletter's


def starters_files(language: str) -> dict[PurePath, Path]:
    """Return each file's place in a newsletter's folder, and where it comes from."""
    ours = "zh-hans" if language.split("-")[0] == "zh" else "en"
    shared, own = _files_below(STARTER), _files_below(STARTER / ours)
    common = {name: path for name, path in shared.items() if name.parts[0] not in LANGUAGES}
    common.pop(PurePath("readers.csv"))  # invented readers are for the demo
    return {name.with_name(RENAMED.get(name.name, name.name)): path for name, path in (common | own).items()}


def _files_below(folder: Path) -> dict[PurePath, Path]:
    return {PurePath(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}


def is_sample(name: PurePath) -> bool:
    return name.parts[0] in SAMPLES


def dated(content: bytes, today: date) -> bytes:
    """Return the first issue as one of today: a real send asks about an older one."""
    return re.sub(rb"^date: .*$", f"date: {today}".encode(), content, count=1, flags=re.MULTILINE)


def put(content: bytes, target: Path) -> str:
    """Write a file that does not exist; return what was done, for the list that `init` prints."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.write(content)
    except FileExistsError:
        return "kept   "
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            target.unlink(missing_ok=True)  # half of it; the next `mailer init` would keep it
            raise Problem(
                f"{target} cannot be written ({error.strerror}); free some space and run it again."
            ) from error
        raise Problem(f"{target} cannot be written ({error.strerror}); choose another folder.") from error
    return "written"


def put_ignored(content: bytes, target: Path) -> str:
    """Let git ignore the key and the database: write .gitignore, or add what the existing one lacks."""
    if not target.exists():
        return put(content, target)
    kept = target.read_text("utf-8", "surrogateescape")
    lines = [line.strip() for line in kept.splitlines()]
    missing = [line for line in content.decode().splitlines() if not line.startswith("#") and not _ignores(lines, line)]
    if not missing:
        return "kept   "
    comment = content.decode().splitlines()[0]
    text = kept if not kept or kept.endswith("\n") else f"{kept}\n"
    added = "\n".join([text + comment, *missing, ""])
    temporary = target.with_name(f"{target.name}.new")
    try:
        temporary.write_text(added, "utf-8", "surrogateescape")
        temporary.replace(target)  # a full disk must not cost the lines that were there
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise Problem(f"{target} cannot be written ({error.strerror}); add {', '.join(missing)} to it.") from error
    return "changed"


def _ignores(lines: list[str], wanted: str) -> bool:
    """Tell whether a .gitignore has the line, and no later one takes it back."""
    name = wanted.rstrip("/")
    spellings = {
        f"{before}{name}{after}" for before in ("", "/", "**/") for after in ("", "/" if name != wanted else "")
    }
    places = [number for number, line in enumerate(lines) if line in spellings]
    back = [number for number, line in enumerate(lines) if line.startswith("!") and line[1:] in spellings]
    return bool(places) and (not back or places[-1] > back[-1])


def issues_in(folder: Path) -> list[list[Path]]:
    """Return the issues that lie in the folder already, newest first, by subfolder: the fullest, or newest, first.

    Files named by their day count before others. READMEs and the like, and the newsletter's welcome, are none.
    """
    found = [path for path in _markdown_in(folder) if not NO_ISSUES.fullmatch(path.stem.lower())]
    welcomes = set(folder.glob("[wW]elcome.*"))
    found = [path for path in found if path not in welcomes]
    found = [path for path in found if days_in(path.stem)] or found
    groups: dict[Path, list[Path]] = {}
    for path in sorted(found, key=_newest, reverse=True):
        groups.setdefault(path.parent, []).append(path)
    return sorted(groups.values(), key=len, reverse=True)


def _newest(path: Path) -> tuple[date, str]:
    days = days_in(path.stem)
    return days[0] if days else date.min, path.name


def _markdown_in(folder: Path) -> list[Path]:
    found = []
    for where, folders, files in os.walk(folder):
        depth = len(Path(where).relative_to(folder).parts)
        folders[:] = [] if depth >= DEPTH else [one for one in folders if one[0] != "." and one not in ELSEWHERE]
        found += [Path(where, name) for name in files if name.lower().endswith((".md", ".markdown"))]
    return found


def label_of(name: str, folder: Path) -> str:
    """Return a label for the newsletter of that name: its own letters, else those of its folder."""
    for text in (name, folder.resolve().name, "newsletter"):
        label = re.sub(r"[^a-z0-9]+", "-", _without_accents(text)).strip("-")[:63].strip("-")
        if label and not why_not_a_label(label):
            return label
    return "newsletter"


# Letters that are no letter with an accent to Unicode.
_LIKE = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ı": "i"})


def _without_accents(text: str) -> str:
    return re.sub("[\u0300-\u036f]", "", normalize("NFKD", text.casefold())).translate(_LIKE)


def with_details(toml: str, label: str, details: Mapping[str, str]) -> str:
    """Return a newsletter.toml with these values in place of the invented ones, under that label."""
    text = re.sub(r"(?<=\[newsletters\.)edge-notes(?=\])|(?<=[(（])edge-notes(?=[)）])", label, toml)
    values = dict(details)
    if name := values.get("name"):
        values["from_name"] = name
    if sender := values.get("from_email"):
        values |= {"reply_to": sender, "list_id": f"{label}.{sender.rpartition('@')[2]}"}
    for key, value in values.items():
        line = f"{key} = {json.dumps(value, ensure_ascii=False)}"
        text = re.sub(rf"^{key} = .*$", line.replace("\\", r"\\"), text, count=1, flags=re.MULTILINE)
    return text
