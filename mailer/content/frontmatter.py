"""Read the lines above an issue's text: YAML between `---`, TOML between `+++`, Pelican's `Key: value`, or none.

Every value is passed on as text. A date such as 9999-99-99 or a number such as 007 is for the caller to understand.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LIMIT = 16_384  # bytes; front matter is a dozen short lines
DEPTH = 20

# Words of a sentence: an unquoted colon or "#" in them is meant as written.
SENTENCES = ("title", "subtitle", "preheader", "description", "summary", "excerpt")
PELICAN_KEYS = {"title", "date", "slug"}


class FrontMatterError(ValueError):
    """The front matter cannot be read; `line` counts from the top of the file."""

    def __init__(self, line: int, message: str, fix: str) -> None:
        super().__init__(message)
        self.line, self.message, self.fix = line, message, fix


@dataclass(frozen=True)
class FrontMatter:
    values: Mapping[str, str]  # keys in lower case
    end: int  # how many lines of the file it takes, its fences and the blank line after Pelican's included


def read_front_matter(text: str) -> FrontMatter:
    """Read what stands above the issue's text. `text` has LF newlines."""
    lines = text.split("\n")
    fence = lines[0].rstrip()
    if fence == "---":
        end = _closing(lines, ("---", "..."))
        return FrontMatter(_yaml(lines[1:end]), end + 1)
    if fence == "+++":
        end = _closing(lines, ("+++",))
        return FrontMatter(_toml(lines[1:end]), end + 1)
    return _pelican(lines)


def _closing(lines: list[str], fences: tuple[str, ...]) -> int:
    size = 0
    for number, line in enumerate(lines[1:], 1):
        if line.rstrip() in fences:
            return number
        size += len(line.encode()) + 1
        if size > LIMIT:
            raise FrontMatterError(
                1, f"the front matter is longer than {LIMIT:,} bytes", f"end it with a line {fences[0]}"
            )
    raise FrontMatterError(1, "the front matter that begins here has no end", f"end it with a line {fences[0]}")


# ---------------------------------------------------------------- YAML


# What means the same in YAML and to anybody: a key, a colon, and words that begin none of its notations.
_WORDS = r"\w./()+\u3001-\u303f\uff01-\uffef"
_PLAIN = re.compile(rf"([A-Za-z_][\w-]{{0,60}}): +([{_WORDS}](?: *[{_WORDS},!?-])*) *")


def _yaml(lines: list[str]) -> dict[str, str]:
    """Read the lines. A parser for all of YAML takes longer to load than most issues to render, so few do."""
    plain = [_PLAIN.fullmatch(line) for line in lines if line.strip(" ")]
    return {one[1].lower(): one[2] for one in plain if one} if all(plain) else _any_yaml(lines)


def _any_yaml(lines: list[str]) -> dict[str, str]:
    import yaml

    source = "\n".join(_quote_sentences(lines))
    try:
        _refuse_what_no_issue_needs(source)
        # BaseLoader resolves neither tags nor dates: each scalar stays the text that was written.
        data = yaml.load(source, Loader=yaml.BaseLoader)  # noqa: S506
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = (error.problem or "unexpected text").splitlines()[0]
        raise FrontMatterError(
            (mark.line if mark else 0) + 2, f"the front matter is not YAML: {what}", 'write lines such as title: "…"'
        ) from None
    except yaml.YAMLError:
        raise FrontMatterError(
            2, "the front matter contains characters that YAML does not allow", "remove the control characters"
        ) from None
    if data in (None, ""):
        return {}
    if not isinstance(data, dict):
        raise FrontMatterError(2, "the front matter is not a list of keys and values", "write lines such as title: …")
    return _as_text(data)


def _quote_sentences(lines: list[str]) -> list[str]:
    """Quote values with a second colon, which YAML refuses: `title: Rust: a story` reads as the editor meant it."""
    quoted = list(lines)
    for number, line in enumerate(lines):
        match = re.fullmatch(r"(\w+)(\s*:\s+)([^\s\"'|>\[{&*!].*?)\s*", line)
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if match and match[1].lower() in SENTENCES and not following.startswith((" ", "\t")):
            quoted[number] = f"{match[1]}{match[2]}{json.dumps(match[3], ensure_ascii=False)}"
    return quoted


def _refuse_what_no_issue_needs(source: str) -> None:
    """Refuse aliases, which can turn a few lines into gigabytes, and tags, which can name code."""
    import yaml

    depth = 0
    for event in yaml.parse(source, Loader=yaml.BaseLoader):
        line = (event.start_mark.line if event.start_mark else 0) + 2
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise FrontMatterError(line, "the front matter uses a YAML alias", "write out the value")
        if getattr(event, "tag", None):
            raise FrontMatterError(line, "the front matter uses a YAML tag", "write plain text")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEPTH:
            raise FrontMatterError(line, "the front matter is nested too deeply", "use plain keys and values")


# ---------------------------------------------------------------- TOML and Pelican


def _toml(lines: list[str]) -> dict[str, str]:
    try:
        return _as_text(tomllib.loads("\n".join(lines)))
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        what = str(error).partition(" (at ")[0]
        raise FrontMatterError(
            int(found[1]) + 1 if found else len(lines) + 1,
            f"the front matter is not TOML: {what[:1].lower()}{what[1:]}",
            'write lines such as title = "…"',
        ) from None
    except (ValueError, RecursionError):
        longest = max(range(len(lines)), key=lambda number: len(lines[number]))
        raise FrontMatterError(
            longest + 2,
            ("the front matter contains a number that is too long, or is nested too deeply"),
            "write plain text",
        ) from None


def _pelican(lines: list[str]) -> FrontMatter:
    """Read `Key: value` lines up to the first empty one; none, unless one of them is a title, a date or a slug.

    The condition keeps a first paragraph such as "Note: we moved" a paragraph.
    """
    values: dict[str, str] = {}
    key, size, end = "", 0, 0
    for line in lines:
        size += len(line.encode()) + 1
        match = re.match(r"([A-Za-z][\w-]*):(?:\s+(.*))?$", line)
        if match:
            key = match[1].lower()
            values.setdefault(key, (match[2] or "").strip())
        elif key and line[:1] in (" ", "\t") and line.strip():
            values[key] = f"{values[key]} {line.strip()}".strip()
        else:
            break
        end += 1
    blank_follows = end == len(lines) or not lines[end].strip()
    if not values.keys() & PELICAN_KEYS or not blank_follows:
        return FrontMatter({}, 0)
    if size > LIMIT:
        raise FrontMatterError(1, f"the front matter is longer than {LIMIT:,} bytes", "end it with an empty line")
    return FrontMatter(values, min(end + 1, len(lines)))


def _as_text(data: Mapping[str, Any]) -> dict[str, str]:
    """Return values as text, lists joined by commas; tables belong to other programs and are left out."""
    return {str(key).lower(): _one(value) for key, value in data.items() if not isinstance(value, dict)}


def _one(value: Any) -> str:
    if not isinstance(value, list):
        return str(value).strip()
    return ", ".join(str(item).strip() for item in value if not isinstance(item, list | dict))
