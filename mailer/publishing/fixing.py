"""Propose a corrected text of an issue's file, and write it if nobody changed the file meanwhile."""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from mailer.checks import fixes
from mailer.content.issues import Issue, IssueError, read_issue
from mailer.content.markdown import MarkupError, parse
from mailer.publishing.errors import RunAgain


@dataclass(frozen=True)
class Correction:
    file: Path
    before: bytes
    after: bytes
    unasked: int = 0  # addresses with http: whose sites were not asked

    @property
    def changes(self) -> bool:
        return self.before != self.after


def propose(file: Path, asking: Callable[[int], None] | None = None) -> Correction | None:
    """Return what the file would be without mistakes that have one right answer; None if it is no issue.

    With `asking`, the sites behind links with http: are asked whether they answer over https.
    """
    try:
        issue = read_issue(file, settings.CONFIG)
        targets = fixes.unencrypted(_targets(issue))
    except (IssueError, MarkupError):
        return None  # the check says why
    secure = _answering(targets, asking) if asking and targets else frozenset()
    mark = b"\xef\xbb\xbf" if issue.source.startswith(b"\xef\xbb\xbf") else b""
    text = issue.source.decode("utf-8-sig")
    begins = [0, *(end.end() for end in re.finditer(r"\r\n|\r|\n", text))][issue.body_line - 1]
    front, body = text[:begins], text[begins:]
    after = front + fixes.fixed(body, issue.title, secure)
    return Correction(file, issue.source, mark + after.encode(), 0 if asking else len(targets))


def _targets(issue: Issue) -> list[str]:
    document = parse(issue.body)
    return [reference.target.strip() for found in (document.links(), document.images()) for reference in found]


def _answering(targets: dict[str, str], asking: Callable[[int], None]) -> frozenset[str]:
    from mailer.checks import fetching

    asking(len(targets))
    pages = {target: secured.split("#")[0] for target, secured in targets.items()}
    answers = fetching.fetch(pages.values())
    return frozenset(
        target
        for target, page in pages.items()
        if 200 <= answers[page].status < 300 and not answers[page].moved_to.lower().startswith("http:")
    )


def write(correction: Correction) -> None:
    """Replace the file, completely or not at all. Raises RunAgain if it changed meanwhile."""
    path = correction.file.resolve()
    if not os.access(path, os.W_OK):  # its folder may be writable, which is all that replacing it takes
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(correction.file))
    number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    beside = Path(name)
    try:
        with open(number, "wb") as new:
            new.write(correction.after)
            new.flush()
            os.fsync(new.fileno())
        shutil.copymode(path, beside)
        if path.read_bytes() != correction.before:
            raise RunAgain(f"{correction.file} changed meanwhile, so it was left as it is; run the command again.")
        beside.replace(path)
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
