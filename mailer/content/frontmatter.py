"""Read the lines above an issue's text: YAML between `---`, TOML between `+++`, JSON, Pelican's `Key: value`, or none.

The first fence may name the notation (`---toml`). Empty lines and comments may stand before it. Every value is passed
on as text: a date such as 9999-99-99 or a number such as 007 is for the caller to understand.
"""

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mailer.content.states import tells_draft

LIMIT = 16_384  # bytes; front matter is a dozen short lines
DEPTH = 20

# As other services, and people who write Chinese, call our title.
SUBJECTS = ("subject", "subject_line", "subject-line", "email_subject", "标题", "主题")
PREHEADERS = (
    *("preheader", "pre_header", "pre-header", "preview_text", "preview-text", "previewtext"),
    # What sites show below a title.
    *("description", "summary", "excerpt", "custom_excerpt", "meta_description"),
    *("摘要", "简介", "导语", "描述"),
)
DATES = ("date", "日期")
# Of other programs, where ours is absent.
MORE_DATES = ("pubdate", "pub_date", "publishdate", "publish_date", "published_at", "published")
NUMBERS = ("number", "issue", "期号", "期数")
# Words of a sentence: an unquoted colon or "#" in them is meant as written.
SENTENCES = ("title", "subtitle", *SUBJECTS, *PREHEADERS)
PELICAN_KEYS = {"title", "date", "slug", "preheader"}
# A key without the space that YAML wants after its colon, or with the colon that a Chinese keyboard types.
_OURS = (
    "title|subject|preheader|description|summary|excerpt|date|number|issue|slug|language|lang|newsletter|ignore|draft"
    "|status|published|标题|主题|摘要|简介|导语|描述|日期|期号|期数|草稿|状态"
)
OURS = re.compile(rf"({_OURS})\s*(?::(?=[^\s:/])|：\s*)", re.IGNORECASE)
# Three dashes or more, and after the first of them the notation (Eleventy's) or a comment.
FENCE = re.compile(r"( {0,3})(-{3,})(?:[ \t]*(yaml|yml|toml|json))?[ \t]*(#.*)?", re.IGNORECASE)
# A comment that Markdown has for a whole line: its reference that nobody refers to.
COMMENT = re.compile(r"\[(//|comment)\]: *[#<(]", re.IGNORECASE)


class FrontMatterError(ValueError):
    """The front matter cannot be read; `line` counts from the top of the file."""

    def __init__(self, line: int, message: str, fix: str) -> None:
        super().__init__(message)
        self.line, self.message, self.fix = line, message, fix


@dataclass(frozen=True)
class FrontMatter:
    values: Mapping[str, str]  # keys in lower case
    end: int  # how many lines of the file it takes, its fences and the blank line after Pelican's included
    start: int = 0  # how many of them are empty lines and comments above it


def read_front_matter(text: str) -> FrontMatter:
    """Read what stands above the issue's text. `text` has LF newlines."""
    lines = text.split("\n")
    above = _lines_above(lines)
    try:
        front = _read(lines[above:], is_first=not above)
    except FrontMatterError as error:
        raise FrontMatterError(error.line + above, error.message, error.fix) from None
    # Programs that export all fields they have write so what has no value.
    values = {key: "" if value.lower() in ("null", "~") else value for key, value in front.values.items()}
    return FrontMatter(values, front.end + above, above) if front.end else front


def _lines_above(lines: list[str]) -> int:
    """Return how many empty lines and comments stand before the first line that says something."""
    number = 0
    while number < len(lines):
        line = lines[number].strip(" \t\u00a0\u200b\ufeff")
        if line.startswith("<!--"):
            end = next((n for n in range(number, len(lines)) if "-->" in lines[n]), len(lines))
            if end == len(lines) or lines[end].partition("-->")[2].strip():
                return number
            number = end
        elif line and not COMMENT.match(line):
            return number
        number += 1
    return 0


_KEY = re.compile(r"\s*[\"']?[^\W\d][\w-]*[\"']?\s*[:：=]|\{")
_KEY_OF_PROGRAMS = re.compile(r"([\"']?[A-Za-z_][\w-]*[\"']?|标题)\s*[:：]")
# What else stands in front matter: what continues a line, is one of a list, or a comment.
_BELONGS = re.compile(r"\s+\S|-\s|#|\s*$")
# As programs write it: `Date:` and `主题：` may well be a text between two lines across the page.
_OURS_WRITTEN = re.compile(rf"(?=[a-z])({_OURS})\s*[:：]")
_SURE = {"title", "subject", "preheader", "slug", "draft"}


def _is_front(lines: list[str]) -> bool:
    """Tell whether all of these lines are of front matter, and two of them ours, or one that is sure."""
    ours = [found[1] for line in lines if (found := _OURS_WRITTEN.match(line))]
    is_ours = len(ours) > 1 or not _SURE.isdisjoint(ours)
    return is_ours and all(_KEY.match(line) or _BELONGS.match(line) for line in lines)


def _is_meant(fence: re.Match[str], lines: list[str], is_first: bool) -> bool:
    """Tell whether this line of dashes begins front matter: if in doubt, it is a line across the page."""
    is_plain = lines[0].rstrip() == "---"
    if is_plain and is_first:
        return True
    is_end = _end_of(fence)
    inside = lines[1 : next((n for n, line in enumerate(lines[1:], 1) if is_end(line)), 0)]
    if fence[3]:
        return any(map(_KEY.match, inside))
    if is_plain:
        begins = bool(inside and inside[0].strip())
        return _is_front(inside) or (begins and any(map(_KEY_OF_PROGRAMS.match, inside)))
    return all(line.strip() for line in inside) and _is_front(inside)


def _end_of(fence: re.Match[str]) -> Callable[[str], bool]:
    """Return what ends the front matter: an indented or longer line only if the first one is such, too."""
    dashes = "-{3,}" if len(fence[2]) > 3 else "---"
    end = re.compile(rf" {{0,{len(fence[1])}}}{dashes}\s*|\.\.\.\s*")
    return lambda line: bool(end.fullmatch(line))


def _read(lines: list[str], is_first: bool) -> FrontMatter:
    fence = lines[0].rstrip()
    dashes = FENCE.fullmatch(lines[0])
    if dashes and _is_meant(dashes, lines, is_first):
        end = _closing(lines, "---", _end_of(dashes))
        reader = {"toml": _toml, "json": _json_lines}.get((dashes[3] or "").lower(), _yaml)
        return _alone(FrontMatter(reader(lines[1:end]), end + 1), lines)
    if fence == "+++":
        end = _closing(lines, "+++", lambda line: line.rstrip() == "+++")
        return _alone(FrontMatter(_toml(lines[1:end]), end + 1), lines)
    if fence == ";;;":
        end = _closing(lines, ";;;", lambda line: line.rstrip() == ";;;")
        return FrontMatter(_json_lines(lines[1:end]), end + 1)
    if _JSON.match("\n".join(lines[:5])):
        return _json("\n".join(lines))
    return _pelican(lines)


# JSON, and what its writers take for it: single quotes, none, a comment.
_JSON = re.compile(r"\{\s*\"[^\"\n]+\"\s*:|\{[ \t]*\n\s*('?\w+'?\s*:|//|/\*)")


def _alone(front: FrontMatter, lines: list[str]) -> FrontMatter:
    """Return `front` if no second one follows, which a program or a template added: it would be in the email."""
    begin = next((n for n in range(front.end, len(lines)) if lines[n].strip()), len(lines))
    marks = (n for n in range(begin + 1, len(lines)) if lines[n].rstrip() in ("", "---", "..."))
    end = next(marks, begin)
    if end > begin and lines[begin].rstrip() == "---" and lines[end].strip() and _is_front(lines[begin + 1 : end]):
        what = "a second front matter begins here, which would be in the email"
        raise FrontMatterError(begin + 1, what, "move its lines into the first one, or remove them")
    return front


def _closing(lines: list[str], fence: str, is_end: Callable[[str], bool]) -> int:
    size = 0
    for number, line in enumerate(lines[1:], 1):
        if is_end(line):
            return number
        size += len(line.encode()) + 1
        if size > LIMIT:
            raise FrontMatterError(1, f"the front matter is longer than {LIMIT:,} bytes", f"end it with a line {fence}")
    raise FrontMatterError(1, "the front matter that begins here has no end", f"end it with a line {fence}")


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

    source = "\n".join(_quote_sentences(list(map(_tidied, lines))))
    try:
        _refuse_what_no_issue_needs(source)
        # BaseLoader resolves neither tags nor dates: each scalar stays the text that was written.
        data = yaml.load(source, Loader=yaml.BaseLoader)  # noqa: S506
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = _in_words((error.problem or "unexpected text").splitlines()[0])
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


def _in_words(problem: str) -> str:
    """Return what the parser says as an editor would say it."""
    if problem.startswith(("expected <block end>", "expected '<document start>'")):
        return "the lines are not indented alike"
    return "a colon and a space in a value" if problem.startswith("mapping values") else problem


def _tidied(line: str) -> str:
    """Write a line as YAML wants it: plain spaces, and one after the colon of a key that is ours."""
    line = re.sub(r"^[\s\ufeff\u200b]+", lambda blank: re.sub(r"\t", "  ", re.sub(r"[^ \t]", "", blank[0])), line)
    line = re.sub(r"^([\w-]+)[^\S\n]*:(?=\s)[^\S\n]*(?=\S)", r"\1: ", line)
    return OURS.sub(r"\1: ", line, count=1) if OURS.match(line) else line


def _quote_sentences(lines: list[str]) -> list[str]:
    """Quote values that YAML refuses or reads as its own: `title: Rust: a story` reads as the editor meant it."""
    quoted = list(lines)
    for number, line in enumerate(lines):
        match = re.fullmatch(r"([\w-]+)(\s*:\s+)(\S.*?)\s*", line)
        following = lines[number + 1] if number + 1 < len(lines) else ""
        meant = match and (match[1].lower() in SENTENCES or _REFUSED.match(match[3].partition(" #")[0]))
        if match and meant and not following.startswith((" ", "\t")) and not _NOTATION.match(match[3]):
            quoted[number] = f"{match[1]}{match[2]}{json.dumps(_unquoted(match[3]), ensure_ascii=False)}"
    return quoted


def _unquoted(value: str) -> str:
    """Return a value without quotes around it that YAML cannot read, as in `'It's here'` or `"The "big" one"`."""
    mark = value[0]
    first = value.find(mark, 1)
    if mark not in "'\"" or value[-1] != mark or first == len(value) - 1:
        return value
    opens, apostrophe = value[first - 1].isspace(), mark == "'" and value[first - 1 : first + 2 : 2].isalpha()
    return value[1:-1] if opens or apostrophe else value


# A value of any key that no YAML parser takes; "#" begins a comment.
_REFUSED = re.compile(r"[@`%]|[\[{].*[\]}]|\".*\"|'.*'|[^\[{\"'#].*:(\s|$)")
# What YAML reads as more than text, and an editor means so: quotes around all of it, blocks, lists, tags, comments.
_NOTATION = re.compile(
    r"""[|>] | ! ( !\S*\s | \s | \S*\s*["'] ) | [\[{].*[\]}]\s*(\#|$)"""
    r""" | "([^"\\]|\\.)*("\s*(\#|$)|$) | '([^']|'')*('\s*(\#|$)|$)""",
    re.VERBOSE,
)


def _refuse_what_no_issue_needs(source: str) -> None:
    """Refuse aliases, which can turn a few lines into gigabytes, and tags, which can name code."""
    import yaml

    depth = 0
    for event in yaml.parse(source, Loader=yaml.BaseLoader):
        line = (event.start_mark.line if event.start_mark else 0) + 2
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise FrontMatterError(line, "the front matter uses a YAML alias", "write out the value")
        if not _HARMLESS.fullmatch(getattr(event, "tag", None) or "!"):
            raise FrontMatterError(line, "the front matter uses a YAML tag", "put the value in quotes")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEPTH:
            raise FrontMatterError(line, "the front matter is nested too deeply", "use plain keys and values")


# That a value is text, or of a type that it is written as anyway.
_HARMLESS = re.compile(r"!|tag:yaml\.org,2002:(str|int|float|bool|null|timestamp)")

# ---------------------------------------------------------------- TOML, JSON and Pelican


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


def _json_lines(lines: list[str]) -> dict[str, str]:
    """Read JSON between fences, whose outer braces may be missing."""
    inside = "\n".join(lines)
    try:
        return dict(_json(inside if inside.lstrip().startswith("{") else f"{{{inside}}}").values)
    except FrontMatterError as error:
        raise FrontMatterError(error.line + 1, error.message, error.fix) from None


def _json(text: str) -> FrontMatter:
    """Read the object that `text` begins with. Numbers stay as written, however long."""
    start = len(text) - len(text.lstrip())
    try:
        data, end = json.JSONDecoder(parse_int=str, parse_float=str, strict=False).raw_decode(text, start)
    except json.JSONDecodeError as error:
        what = f"the front matter is not JSON: {error.msg[:1].lower()}{error.msg[1:]}"
        raise FrontMatterError(error.lineno, what, 'write lines such as "title": "…",') from None
    except RecursionError:
        raise FrontMatterError(1, "the front matter is nested too deeply", "use plain keys and values") from None
    if text[end:].partition("\n")[0].strip():
        return FrontMatter({}, 0)  # a sentence that begins with a brace
    if end > LIMIT:
        raise FrontMatterError(1, f"the front matter is longer than {LIMIT:,} bytes", "end it with a line }")
    return FrontMatter(_as_text(data), text.count("\n", 0, end) + 1)


def _pelican(lines: list[str]) -> FrontMatter:
    """Read `Key: value` lines up to the first empty one; none, unless one of them is a title, a date or the like.

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
    if end > 1 and lines[end : end + 1] == ["---"] and _is_pelican(values, lines[end:]):
        return FrontMatter(_yaml(lines[:end]), end + 1)  # Hexo's, whose first fence may be missing
    blank_follows = end == len(lines) or not lines[end].strip()
    if not blank_follows or not _is_pelican(values, lines[end:]):
        return FrontMatter({}, 0)
    if size > LIMIT:
        raise FrontMatterError(1, f"the front matter is longer than {LIMIT:,} bytes", "end it with an empty line")
    return FrontMatter(values, min(end + 1, len(lines)))


def _is_pelican(values: Mapping[str, str], below: list[str]) -> bool:
    """Tell whether these are no words of a text, such as "Draft: a proposal" or "Subject: physics" above a title."""
    if values.keys() & PELICAN_KEYS or ("draft" in values and tells_draft(values["draft"])):
        return True
    has_title = any(re.match(r" {0,3}(#\s|=+\s*$)", line) for line in below)
    return "subject" in values and (not has_title or any(OURS.match(f"{key}:x") for key in values.keys() - {"subject"}))


def _as_text(data: Mapping[str, Any]) -> dict[str, str]:
    """Return values as text: lists joined by commas, a table's own values as `table.key`, deeper ones left out."""
    values: dict[str, str] = {}
    for key, value in data.items():
        inside = value if isinstance(value, dict) else {}
        values |= {f"{key}.{name}".lower(): _one(one) for name, one in inside.items() if not isinstance(one, dict)}
        if not isinstance(value, dict):
            values[str(key).lower()] = _one(value)
    return values


def _one(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, list):
        return str(value).strip()
    return ", ".join(str(item).strip() for item in value if not isinstance(item, list | dict))
