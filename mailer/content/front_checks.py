"""Judge what an issue's front matter says: that it is a draft, and what has an effect elsewhere but none here."""

import re
from collections.abc import Iterator, Mapping, Sequence

from mailer.content.findings import Finding
from mailer.content.frontmatter import FrontMatter

YES = ("true", "yes", "on", "y", "1")
NO = ("false", "no", "off", "n", "0")
# What site generators and editors call an issue that is not to go out.
NOT_YET = re.compile(r"drafts?\b.*|草稿|wip|work in progress|in[ _-]progress|pending|private|unpublished|not ready")
HELD_BACK = (
    *((key, NO) for key in ("published", "publish", "send", "email", "send_email")),
    *((key, YES) for key in ("draft", "drafts", "is_draft", "isdraft", "wip")),
)


def judge(front: FrontMatter, lines: Sequence[str]) -> Iterator[Finding]:
    """Return what is odd about the front matter; `lines` are those of the file."""
    yield from _title(front, lines)
    yield from _draft(front, lines)
    yield from _layout(front, lines)


def _title(front: FrontMatter, lines: Sequence[str]) -> Iterator[Finding]:
    if re.search(r"[\x00-\x1f\x7f\x85\u2028\u2029]", front.values.get("title", "").strip()):
        what = "the title contains a line break or a control character, which an email subject cannot"
        yield Finding(line_of("title", front, lines), 1, "header-control", "error", what, "write it on one line")


def _layout(front: FrontMatter, lines: Sequence[str]) -> Iterator[Finding]:
    if layout := front.values.get("layout"):
        what = f'"layout: {layout[:40]}" is ignored: it is for a site generator'
        yield Finding(line_of("layout", front, lines), 1, "liquid", "warning", what, "no action is needed")


def _draft(front: FrontMatter, lines: Sequence[str]) -> Iterator[Finding]:
    """Report each key that says not to send; an issue may have several, and all of them must change."""
    for key in _that_hold_back(front.values):
        what = f'"{key}: {front.values[key][:40]}" marks the issue as a draft, which subscribers must not get'
        fix = "remove the line when it is ready; preview and `mailer send test` work meanwhile"
        yield Finding(line_of(key, front, lines), 1, "draft", "error", what, fix)


def _that_hold_back(values: Mapping[str, str]) -> Iterator[str]:
    for key, meant in HELD_BACK:
        if values.get(key, "").lower() in meant:
            yield key
    for key in ("status", "state", "post_status"):
        if NOT_YET.fullmatch(values.get(key, "").lower()):
            yield key
    if NOT_YET.fullmatch(values.get("draft", "").lower()):
        yield "draft"


def line_of(key: str, front: FrontMatter, lines: Sequence[str]) -> int:
    """Return the line of the file, from 1, that a key stands in; the first if it cannot be found."""
    written = (re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[:=]", line, re.IGNORECASE) for line in lines[: front.end])
    return next((number for number, found in enumerate(written, 1) if found), 1)
