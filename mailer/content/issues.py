"""Read a Markdown file as an `Issue`: what the editor wrote, before anything is rendered."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePath

from mailer.config.newsletter import FILE_NAME
from mailer.config.rules import Severity
from mailer.content.aliases import aliases_in
from mailer.content.dates import days_in
from mailer.content.findings import Finding
from mailer.content.front_checks import judge, rules_in
from mailer.content.frontmatter import (
    DATES,
    MORE_DATES,
    NUMBERS,
    PREHEADERS,
    SUBJECTS,
    FrontMatterError,
    read_front_matter,
)
from mailer.content.states import restriction_in

LIMIT = 1_000_000  # bytes
# How files of other kinds begin: images, PDF, archives and office documents.
BINARY = re.compile(
    rb"\x89PNG|GIF8[79]a|\xff\xd8\xff|RIFF.{4}WEBP|%PDF-\d|PK\x03\x04|\x1f\x8b|\xd0\xcf\x11\xe0", re.DOTALL
)
MARKDOWN_WANTED = "give the path of a Markdown file"
LONGEST_SLUG = 100


class IssueError(ValueError):
    """The file cannot become an email; the text says where, why and what to do: `path:line:col message; fix`."""

    def __init__(self, path: Path, line: int, column: int, message: str, fix: str, rule: str) -> None:
        super().__init__(path, line, column, message, fix, rule)
        self.path, self.line, self.column, self.message, self.fix, self.rule = path, line, column, message, fix, rule

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column} {self.message}; {self.fix}"

    @property
    def finding(self) -> Finding:
        """Return the same as a finding, for lists of findings."""
        return Finding(self.line, self.column, self.rule, "error", self.message, self.fix)


class NotAnIssue(IssueError):
    """The file is something else: no correction makes an issue of it."""


@dataclass(frozen=True)
class Issue:
    path: Path  # as it was given
    folder: Path  # the newsletter's folder, absolute: no file is read from outside of it
    slug: str
    title: str  # "" if neither front matter nor text has one: it can be looked at, but not sent
    date: date | None
    language: str  # lower case; "" is the newsletter's
    newsletter: str | None
    preheader: str
    number: str
    body: str  # Markdown after the front matter, LF newlines
    body_line: int  # the line of the file where `body` starts, from 1
    source: bytes
    ignore: frozenset[str] = frozenset()  # rules whose findings the editor does not want to see
    findings: tuple[Finding, ...] = ()  # what is odd about the file itself and its front matter
    welcome: bool = False  # a newsletter's welcome: see mailer.content.welcomes
    aliases: tuple[str, ...] = ()  # addresses that it had on another site, see mailer.content.aliases
    undated: str = ""  # what stands where the date should, if the issue has none: "20 Nov", "9999-99-99"
    titled_by_text: bool = False  # by its first "# heading", not by its front matter
    restricted: str = ""  # the line of another program that says that it was not for everybody

    @property
    def is_draft(self) -> bool:
        return any(finding.rule == "draft" for finding in self.findings)

    def finding(self, line: int, column: int, rule: str, severity: Severity, message: str, fix: str) -> Finding:
        """Make a finding at a place in `body`; line and column count from 0, as the Markdown parser does."""
        return Finding(self.body_line + line, column + 1, rule, severity, message, fix)

    def error(self, line: int, rule: str, message: str, fix: str) -> IssueError:
        """Return the error that keeps the issue from being rendered, at a line of `body` counted from 0."""
        return IssueError(self.path, self.body_line + line, 1, message, fix, rule)


def read_issue(path: Path, config: Path | None = None) -> Issue:
    """Read the issue in `path`; `config` is the newsletter.toml in use. Raises `IssueError`."""
    source = _read(path)
    text = _decode(path, source)
    try:
        front = read_front_matter(text)
    except FrontMatterError as error:
        _refuse_merge(path, text)
        raise IssueError(path, error.line, 1, error.message, error.fix, "front-matter") from None
    lines = text.split("\n")
    resolved = path.resolve()
    body = "\n".join(lines[front.end :])
    more = (front.values.get(key, "") for key in MORE_DATES)
    places = (_first_of(front.values, *DATES), path.stem, resolved.parent.name, *more)
    title = named = _with_emoji(_first_of(front.values, "title", *SUBJECTS))
    day = _date(*places, title)
    if not title or not day:
        heading = _heading(path, body, front.end + 1)
        title, day = title or heading, day or _date(heading)
    slug = _usable(slug_of(resolved, front.values.get("slug", "")), path)
    return Issue(
        path=path,
        folder=_newsletter_folder(resolved, config),
        slug=slug,
        title=title,
        date=day,
        language=_language(front.values),
        newsletter=front.values.get("newsletter") or None,
        preheader=_with_emoji(_first_of(front.values, *PREHEADERS)),
        number=_first_of(front.values, *NUMBERS).lstrip("#№ "),
        body=body,
        body_line=front.end + 1,
        source=source,
        ignore=frozenset(rules_in(front.values.get("ignore", ""))),
        findings=tuple(judge(front, lines, body, day, slug)),
        aliases=aliases_in(front.values),
        undated="" if day else places[0],
        titled_by_text=not named,
        restricted=restriction_in(front.values),
    )


def _refuse_merge(path: Path, text: str) -> None:
    """Raise `IssueError` if what cannot be read is a merge in Git that is not finished."""
    for number, line in enumerate(text.split("\n"), 1):
        if re.match(r"<{7} |>{7} ", line):
            what = f'a merge in Git left "{line[:40]}" in the file'
            fix = "keep one version, and remove the lines that begin with <<<<<<<, ======= and >>>>>>>"
            raise IssueError(path, number, 1, what, fix, "front-matter")


def _with_emoji(text: str) -> str:
    if text.count(":") < 2:
        return text
    from mailer.content.markdown import with_emoji  # most commands only ask for a slug

    return with_emoji(text)


def _heading(path: Path, body: str, line: int) -> str:
    from mailer.content.markdown import MarkupError, first_heading  # most commands only ask for a slug

    try:
        return first_heading(body)
    except MarkupError as error:
        raise IssueError(path, line + error.line, 1, error.message, error.fix, error.rule) from None


def _read(path: Path) -> bytes:
    if path.name == FILE_NAME:
        what = "this file has the settings of newsletters, it is not an issue"
        raise NotAnIssue(path, 1, 1, what, MARKDOWN_WANTED, "unreadable")
    try:
        with path.open("rb") as file:
            source = file.read(LIMIT + 1)
    except (OSError, ValueError) as error:  # a ValueError for a NUL in its name
        what = (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
        raise IssueError(path, 1, 1, f"the file cannot be read ({what})", MARKDOWN_WANTED, "unreadable") from error
    if BINARY.match(source):
        what = "this is an image or another binary file, not a text"
        raise NotAnIssue(path, 1, 1, what, MARKDOWN_WANTED, "unreadable")
    if len(source) > LIMIT:
        raise IssueError(
            path,
            1,
            1,
            "the file is larger than 1 MB",
            "give a Markdown file; keep images in files of their own",
            "size-limit",
        )
    return source


def _decode(path: Path, source: bytes) -> str:
    try:
        text = source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = source[: error.start]
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        line = before.count(b"\n") + 1
        raise IssueError(path, line, column, *_not_utf8(source), "not-utf8") from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    # Breaks of word processors: a space, because what a line break does to a title or a table is more than was meant.
    text = re.sub(r"[\x0b\x0c\x85\u2028\u2029]", " ", text)
    # Control characters are invisible, and XML cannot express them.
    return re.sub(r"[\x00-\x08\x0e-\x1f\x7f\ufffe\uffff]", "", text)


def _not_utf8(source: bytes) -> tuple[str, str]:
    from mailer.content.encodings import likely_encoding  # nearly all files are UTF-8

    if source[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "this is UTF-16, not UTF-8", "save the file as UTF-8"
    if name := likely_encoding(source):
        return f"this is not UTF-8, but probably {name}", f"open the file as {name}, and save it as UTF-8"
    return "this is not UTF-8", "save the file as UTF-8"


def _newsletter_folder(path: Path, config: Path | None) -> Path:
    if config is not None and path.is_relative_to(config.resolve().parent):
        return config.resolve().parent
    marked = (folder for folder in path.parents if (folder / FILE_NAME).is_file() or (folder / ".git").exists())
    return next(marked, path.parent)


def slug_of(path: PurePath, given: str = "") -> str:
    """Return the slug of the issue in this file, whose front matter says `given`; "" if no character is usable."""
    stem = path.stem if path.stem.lower() not in ("index", "readme") else path.parent.name
    text = unicodedata.normalize("NFC", given or stem).lower()
    return re.sub(r"-{2,}", "-", re.sub(r"[^\w.\-]+", "-", text)).strip("-.")


def _usable(slug: str, path: Path) -> str:
    if not slug:
        raise IssueError(
            path,
            1,
            1,
            ("the file name has no character that can be used in an address"),
            'add "slug: …" at the top',
            "slug",
        )
    if len(slug) > LONGEST_SLUG:
        raise IssueError(
            path, 1, 1, f"the slug is longer than {LONGEST_SLUG} characters", 'add a short "slug: …" at the top', "slug"
        )
    return slug


def _date(*places: str) -> date | None:
    """Return the first day that one of `places` names: front matter, file name, folder, title."""
    for text in places:
        if days := days_in(text):
            return days[0]
    return None


def _language(values: Mapping[str, str]) -> str:
    text = _first_of(values, "language", "lang").lower().replace("_", "-")
    return text if re.fullmatch(r"[a-z]{2,3}(-[a-z0-9]{2,8})*", text) else ""


def _first_of(values: Mapping[str, str], *keys: str) -> str:
    return next((text for key in keys if (text := _one_line(values.get(key, "")))), "")


def _one_line(text: str) -> str:
    """Make the text fit for an email's header: no line break survives."""
    return " ".join(re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]", " ", text).split(" ")).strip()
